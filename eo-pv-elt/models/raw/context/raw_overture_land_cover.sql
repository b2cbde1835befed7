{{ raw_context("overture_land_cover", {
    "id": "varchar", "subtype": "varchar", "cartography": "struct(min_zoom integer)"
}) }}
