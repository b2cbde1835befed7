{%- set columns = {
    "adm0_a3": "varchar", "name": "varchar", "type": "varchar", "iso_a2": "varchar", "iso_a2_eh": "varchar", "iso_a3": "varchar",
    "iso_a3_eh": "varchar", "brk_diff": "integer", "note_brk": "varchar"
} -%}
{%- do columns.update(natural_earth_view_columns("adm0_a3_")) -%}
{%- do columns.update(natural_earth_view_columns("fclass_")) -%}
{{ raw_context("natural_earth_admin_0", columns) }}
