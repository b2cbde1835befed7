{#-
  Attributes of an installation that are taken from one of its observations, by attribute_precedence.csv: whether an observation
  (aliases observations and footprints) knows it, and its columns with their expressions. Where it is: located_columns.
-#}
{% macro fused_attributes() -%}
    {%- set attributes = {
        "area_m2": {"known": "footprints.known_area_m2 is not null", "columns": {"area_m2": "footprints.known_area_m2"}},
        "capacity_mw": {
            "known": "coalesce(footprints.capacity_ac_mw, footprints.capacity_dc_mw) is not null",
            "columns": {
                "capacity_mw": "coalesce(footprints.capacity_ac_mw, footprints.capacity_dc_mw / " ~ var("dc_ac_ratio") ~ ")",
                "capacity_basis": "case when footprints.capacity_ac_mw is null then 'from_dc' else footprints.capacity_basis end"
            }
        },
        "capacity_mw_dc": {
            "known": "footprints.capacity_dc_mw is not null", "columns": {"capacity_mw_dc": "footprints.capacity_dc_mw"}
        },
        "orientation": {
            "known": "coalesce(observations.axis, observations.tilt_deg::varchar, observations.azimuth_deg::varchar) is not null",
            "columns": {
                "axis": "observations.axis", "tilt_deg": "observations.tilt_deg", "azimuth_deg": "observations.azimuth_deg"
            }
        }
    } -%}
    {%- for attribute in ["installed_year", "level", "name", "operator", "country_iso3", "reported_mount"] -%}
        {%- set column = "observations." ~ attribute -%}
        {%- do attributes.update({attribute: {"known": column ~ " is not null", "columns": {attribute: column}}}) -%}
    {%- endfor -%}
    {{ return(attributes) }}
{%- endmacro %}

{#- What is decided by precedence. -#}
{% macro ranked_attributes() -%}
    {{ return(fused_attributes().keys() | list + ["geometry"]) }}
{%- endmacro %}

{#- What every observation has, and an installation takes from the one of its geometry. -#}
{% macro located_columns() -%}
    {{ return(["geometry", "geometry_kind", "centroid_lon_deg", "centroid_lat_deg", "h3_r5", "h3_r8", "h3_r10", "h3_r12"]) }}
{%- endmacro %}

{#- Precedence of each attribute for each kind of observation; a row for the dataset counts before one for all. -#}
{% macro precedences(kinds) -%}
select
    dataset,
    geometry_kind,
    {%- for attribute in ranked_attributes() %}
    min(precedence) filter (attribute = '{{ attribute }}') as {{ attribute }}_precedence{{ "," if not loop.last }}
    {%- endfor %}
from (
    select kinds.dataset, kinds.geometry_kind, attribute, precedence
    from {{ kinds }} as kinds
    inner join {{ ref("attribute_precedence") }} as declared
        on declared.dataset in (kinds.dataset, '*') and declared.geometry_kind in (kinds.geometry_kind, '*')
    qualify row_number() over (
        partition by kinds.dataset, kinds.geometry_kind, attribute
        order by (declared.dataset = '*')::integer, (declared.geometry_kind = '*')::integer
    ) = 1
)
group by all
{%- endmacro %}

{#- How often a source of this trust names a site that is there; see docs/entity-resolution.md. -#}
{% macro reliability(trust) -%}
    case {{ trust }} when 'reference' then 0.99 when 'normal' then 0.9 else 0.3 end
{%- endmacro %}

{% macro two_to_64() -%}
    18446744073709551616
{%- endmacro %}
