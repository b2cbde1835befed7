{{ raw_context("overture_land_use", {
    "id": "varchar", "subtype": "varchar", "class": "varchar", "names": 'struct("primary" varchar)'
}) }}
