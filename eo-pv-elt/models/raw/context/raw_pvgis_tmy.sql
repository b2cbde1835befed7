{{ raw_context("pvgis_tmy", {
    "station": "varchar", "latitude": "double", "longitude": "double", "elevation": "double", "time_index": "timestamptz",
    "ghi": "double", "dni": "double", "dhi": "double", "temp_air": "double", "wind_speed": "double"
}) }}
