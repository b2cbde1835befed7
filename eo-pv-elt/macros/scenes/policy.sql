{#- Which scenes may be selected, as vars say; over `prep_scene_candidates`. -#}
{% macro scene_may_be_selected() -%}
    covered_share >= {{ var("scene_min_covered_share") }} - 1e-9
    and coalesce(cloud_cover_pct, 0) <= {{ var("scene_max_cloud_cover_pct") }}
    {%- if var("scene_first_date") %}
    and datetime >= timestamptz '{{ var("scene_first_date") }} 00:00:00+00'
    {%- endif %}
    {%- if var("scene_last_date") %}
    and datetime < timestamptz '{{ var("scene_last_date") }} 00:00:00+00' + interval 1 day
    {%- endif %}
    {%- for column, wanted in {"catalog": var("scene_catalogs"), "collection": var("scene_collections")}.items() if wanted %}
    and {{ column }} in ('{{ wanted | join("', '") }}')
    {%- endfor %}
{%- endmacro %}

{#- What makes one scene better than another, best first; the last keys only make the order total. -#}
{% macro scene_order() -%}
    {%- set keys = {
        "least_cloudy": "cloud_cover_pct nulls last",
        "most_covered": "covered_share desc",
        "nearest_nadir": "view_off_nadir_deg nulls last",
        "highest_sun": "sun_elevation_deg desc nulls last",
        "earliest": "datetime",
        "latest": "datetime desc",
    } -%}
    {%- for key in var("scene_order") -%}
        {%- if key not in keys -%}
            {{ exceptions.raise_compiler_error("Unknown key " ~ key ~ " in var scene_order; known: " ~ keys | join(", ")) }}
        {%- endif -%}
        {{ keys[key] }},
    {% endfor -%}
    {%- if var("scene_catalogs") -%}
    list_position(['{{ var("scene_catalogs") | join("', '") }}'], catalog),
    {% endif -%}
    catalog, item_id
{%- endmacro %}
