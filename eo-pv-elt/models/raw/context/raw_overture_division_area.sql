{{ raw_context("overture_division_area", {
    "id": "varchar", "division_id": "varchar", "subtype": "varchar", "class": "varchar", "is_disputed": "boolean",
    "names": 'struct("primary" varchar)', "country": "varchar", "region": "varchar"
}) }}
