{#-
  Which installations the marts add up: those that are part of no other one. A rooftop, an array or a phase within a plant is an
  installation too, but its area and capacity are in the plant's already.
-#}
{% macro stands_alone() -%}
    part_of is null
{%- endmacro %}

{#-
  A sum that does not depend on the order of its rows, as a build should not: of decimals, since floating-point sums do. Sorting
  the rows of each group instead takes ten times as long. Femto-units are kept, and 10^23 units fit; made a double by who shows it.
-#}
{% macro exact_sum(column) -%}
    coalesce(sum({{ column }}::decimal(38, 15)), 0)
{%- endmacro %}

{#- Sums over installations. -#}
{% macro summed_sites() -%}
    count(*) as n_installations,
    count(*) filter (mount = 'rooftop') as n_rooftop,
    count(*) filter (mount = 'ground') as n_ground,
    count(*) filter (mount = 'canopy') as n_canopy,
    count(area_m2) as n_with_area,
    {{ exact_sum("area_m2") }} as area_m2,
    count(capacity_mw) as n_with_capacity,
    {{ exact_sum("capacity_mw") }} as capacity_mw
{%- endmacro %}

{#- What a cell of pv_h3 counts, and what it adds up besides: sums of its children. -#}
{% macro cell_counts() -%}
    {{ return([
        "n_installations", "n_rooftop", "n_ground", "n_canopy", "n_polygons", "n_points", "n_parts", "n_with_year", "n_with_area",
        "n_with_capacity"
    ]) }}
{%- endmacro %}

{% macro cell_amounts() -%}
    {{ return(["n_installations_expected", "area_m2", "capacity_mw"]) }}
{%- endmacro %}
