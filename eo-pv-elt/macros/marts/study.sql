{#- What `study_area` names: a country's code (ISO 3166-1 alpha-3), a region's (ISO 3166-2) or [west, south, east, north]. -#}
{% macro chosen_study() -%}
    {%- set chosen = var("study_area") -%}
    {%- if not chosen -%}
        {{ return({"kind": none, "area": none}) }}
    {%- elif chosen is string -%}
        {{ return({"kind": "region" if "-" in chosen else "country", "area": chosen}) }}
    {%- elif chosen | length == 4 -%}
        {{ return({"kind": "box", "area": chosen | join(",")}) }}
    {%- endif -%}
    {{ exceptions.raise_compiler_error("study_area is '" ~ chosen ~ "': give a country's code, a region's code, or [west, south, east, north] in degrees") }}
{%- endmacro %}

{#-
  A polygon that may go on beyond 180°, as it is between -180° and 180°.
-#}
{% macro wrapped_polygon(geometry) -%}
    case
        when st_xmax({{ geometry }}) <= 180 then {{ geometry }}
        else st_collectionextract(st_collect([
            st_intersection({{ geometry }}, st_makeenvelope(-180, -90, 180, 90)),
            st_translate(st_intersection({{ geometry }}, st_makeenvelope(180, -90, 540, 90)), -360, 0)
        ]), 3)
    end
{%- endmacro %}

{#-
  Cells whose centre lies within a polygon. Outlines are simplified first, to a tenth of the mean edge of a cell at the equator
  (h3geo.org/docs/core-library/restable): H3 compares every cell with every vertex.
-#}
{% macro cells_within(geometry, resolution) -%}
    {%- set edge_km = {3: 69.0, 4: 26.1, 5: 9.85, 6: 3.72, 7: 1.41, 8: 0.53}[resolution] -%}
    h3_polygon_wkb_to_cells(st_aswkb(st_simplifypreservetopology({{ geometry }}, {{ edge_km / 1112 }})), {{ resolution }})
{%- endmacro %}
