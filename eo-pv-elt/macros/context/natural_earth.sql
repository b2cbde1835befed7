{#- A country code of Natural Earth: null for -99, its mark for "none", and for codes of its own making (CN-TW). -#}
{% macro natural_earth_iso2(column) -%}
case when regexp_full_match({{ column }}, '[A-Z]{2}') then {{ column }} end
{%- endmacro %}

{#- Points of view of Natural Earth (version 5): states, by the codes of its columns adm0_a3_… and fclass_…. -#}
{% macro natural_earth_views() -%}
    {{ return([
        "ar", "bd", "br", "cn", "de", "eg", "es", "fr", "gb", "gr", "id", "il", "in", "it", "jp", "ko", "ma", "nl", "np", "pk", "pl", "ps",
        "pt", "ru", "sa", "se", "tr", "tw", "ua", "us", "vn"
    ]) }}
{%- endmacro %}

{#- Columns of Natural Earth of all points of view, for raw_context. -#}
{% macro natural_earth_view_columns(prefix) -%}
    {% set columns = {} %}
    {%- for view in natural_earth_views() %}{% do columns.update({prefix ~ view: "varchar"}) %}{% endfor %}
    {{ return(columns) }}
{%- endmacro %}

{#- Points of view that do not recognise an area as it is drawn, alphabetically; an empty list where all do. -#}
{% macro natural_earth_unrecognized() -%}
list_filter(
    [{% for view in natural_earth_views() %}case when fclass_{{ view }} = 'Unrecognized' then '{{ view }}' end{{ ", " if not loop.last }}{% endfor %}],
    lambda view: view is not null
)
{%- endmacro %}

{#-
  To which country, by its code of Natural Earth, each point of view counts an area, where that is not `adm0_a3` itself. `iso3` is a map
  of those codes to ISO's; what ISO knows no code of is left out.
-#}
{% macro natural_earth_country_by_view(iso3) -%}
map_from_entries(list_filter(
    [{% for view in natural_earth_views() %}
        {'view': '{{ view }}', 'country': case when adm0_a3_{{ view }} != adm0_a3 then {{ iso3 }}[adm0_a3_{{ view }}] end}{{ "," if not loop.last }}
    {%- endfor %}
    ],
    lambda entry: entry.country is not null
))
{%- endmacro %}
