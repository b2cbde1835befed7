{{ raw_context("global_solar_atlas", {
    "variable": "varchar", "value": "double", "unit": "varchar", "period": "varchar", "per_year": "double", "lon_deg": "double",
    "lat_deg": "double", "pixel_width_deg": "double", "pixel_height_deg": "double"
}) }}
