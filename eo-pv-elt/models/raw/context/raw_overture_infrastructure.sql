{{ raw_context("overture_infrastructure", {
    "id": "varchar", "subtype": "varchar", "class": "varchar", "level": "integer"
}) }}
