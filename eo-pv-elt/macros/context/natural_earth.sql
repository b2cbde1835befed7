{#- A country code of Natural Earth: null for -99, its mark for "none", and for codes of its own making (CN-TW). -#}
{% macro natural_earth_iso2(column) -%}
case when regexp_full_match({{ column }}, '[A-Z]{2}') then {{ column }} end
{%- endmacro %}
