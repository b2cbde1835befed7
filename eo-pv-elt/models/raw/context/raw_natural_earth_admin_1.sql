{%- set columns = {
    "adm1_code": "varchar", "adm0_a3": "varchar", "name": "varchar", "iso_a2": "varchar", "iso_3166_2": "varchar"
} -%}
{%- do columns.update(natural_earth_view_columns("fclass_")) -%}
{{ raw_context("natural_earth_admin_1", columns) }}
