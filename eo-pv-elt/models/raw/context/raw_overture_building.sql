{{ raw_context("overture_building", {
    "id": "varchar", "subtype": "varchar", "class": "varchar", "height": "double", "num_floors": "integer", "is_underground": "boolean"
}) }}
