{#- SQL expressions over `properties`, the JSON of an item as published; each takes names of which the first that holds a value counts. -#}

{% macro property(names) -%}
    coalesce({% for name in names %}properties ->> '{{ name }}'{{ ", " if not loop.last }}{% endfor %})
{%- endmacro %}

{#- A number between two bounds, both included; what is beyond stands for 'unknown' (-1, 9999 …). -#}
{% macro numeric_property(names, least, most) -%}
    case
        when try_cast({{ property(names) }} as double) between {{ least }} and {{ most }}
        then try_cast({{ property(names) }} as double)
    end
{%- endmacro %}

{#- EPSG code as `proj:code` (STAC 1.1) or `proj:epsg` (before) states it. -#}
{% macro epsg_property() -%}
    coalesce(
        try_cast(regexp_extract(properties ->> 'proj:code', '^EPSG:(\d+)$', 1) as integer),
        try_cast(properties ->> 'proj:epsg' as integer)
    )
{%- endmacro %}

{#-
  Code of the grid cell as the STAC grid extension writes it (github.com/stac-extensions/grid): published as `grid:code`, else from
  the properties of Sentinel-2, Landsat and MODIS catalogs, or from the quarter quadrangle in the name of a NAIP image.
-#}
{% macro grid_code_property() -%}
    coalesce(
        properties ->> 'grid:code',
        'MGRS-' || upper(nullif(regexp_extract(properties ->> 's2:mgrs_tile', '^T?(\d{1,2}[A-Za-z]{3})$', 1), '')),
        'MGRS-' || (properties ->> 'mgrs:utm_zone') || (properties ->> 'mgrs:latitude_band') || (properties ->> 'mgrs:grid_square'),
        'WRS' || coalesce(properties ->> 'landsat:wrs_type', '2') || '-'
            || lpad(properties ->> 'landsat:wrs_path', 3, '0') || lpad(properties ->> 'landsat:wrs_row', 3, '0'),
        'MSIN-h' || lpad(properties ->> 'modis:horizontal-tile', 2, '0') || 'v' || lpad(properties ->> 'modis:vertical-tile', 2, '0'),
        'DOQQ-' || upper(replace(nullif(regexp_extract(item_id, '(?:^|_)m_(\d{7}_[ns][ew])_', 1), ''), '_', ''))
    )
{%- endmacro %}
