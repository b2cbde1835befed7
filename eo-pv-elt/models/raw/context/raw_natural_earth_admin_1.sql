{{ raw_context("natural_earth_admin_1", {
    "adm1_code": "varchar", "adm0_a3": "varchar", "name": "varchar", "iso_a2": "varchar", "iso_3166_2": "varchar"
}) }}
