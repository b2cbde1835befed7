{#- Attributes of an installation that are taken from one of its observations, by attribute_precedence.csv. -#}
{% macro fused_attributes() -%}
    {{ return([
        "geometry", "area_m2", "capacity_mw", "capacity_mw_dc", "installed_year", "level", "name", "operator", "country_iso3"
    ]) }}
{%- endmacro %}

{#- Precedence of each attribute for each kind of observation; a row for the dataset counts before one for all. -#}
{% macro precedences(kinds) -%}
select
    dataset,
    geometry_kind,
    {%- for attribute in fused_attributes() %}
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
