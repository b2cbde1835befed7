{#-
  What the result of entity resolution depends on besides the observations: the models and seeds that are tagged, the
  thresholds, and `resolution_version`, to be raised with a change of the macros or of the graph module. Another method
  resolves everything again.
-#}
{% macro resolution_method() -%}
    {%- set parts = [
        var("resolution_version"), var("match_threshold"), var("named_radius_m"), var("same_name_radius_m"),
        var("absurd_distance_m"), var("position_error_m"), var("dc_ac_ratio"), var("area_m2_per_mw")
    ] -%}
    {%- if execute -%}
        {%- for node in resolution_nodes(["model", "seed"]) -%}
            {%- do parts.append(node.unique_id ~ node.checksum.checksum) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(local_md5(parts | join("|"))) }}
{%- endmacro %}

{#- Whether the invocation has every model of the resolution, so that none is left behind the others. -#}
{% macro resolves_to_the_end() -%}
    {%- set left_out = resolution_nodes(["model"]) | map(attribute="unique_id") | reject("in", selected_resources) | list if execute -%}
    {{ return(execute and not left_out) }}
{%- endmacro %}

{% macro resolution_nodes(resource_types) -%}
    {%- set nodes = [] -%}
    {%- for node in graph.nodes.values() | sort(attribute="unique_id") if "resolution" in node.tags and node.resource_type in resource_types -%}
        {%- do nodes.append(node) -%}
    {%- endfor -%}
    {{ return(nodes) }}
{%- endmacro %}
