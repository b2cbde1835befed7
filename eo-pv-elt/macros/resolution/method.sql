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
        {%- for node in graph.nodes.values() | sort(attribute="unique_id") if "resolution" in node.tags and node.resource_type in ("model", "seed") -%}
            {%- do parts.append(node.unique_id ~ node.checksum.checksum) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(local_md5(parts | join("|"))) }}
{%- endmacro %}
