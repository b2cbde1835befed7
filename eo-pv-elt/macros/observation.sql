{#-
  A staging model: published columns of one dataset → canonical observations. Arguments are SQL expressions over the raw
  view, best written with the macros of cleaning.sql; what is not given is null (or the manifest's value for `level` and
  `country_iso3`).

  geometry_status
    valid          as published
    repaired       was invalid; ST_MakeValid, polygonal part
    null           the publisher gives no geometry
    empty          the publisher gives an empty one
    out_of_bounds  longitude or latitude outside ±180, ±90
    unusable       neither points nor polygons, also after repair
  Only `valid` and `repaired` rows have a geometry here; the published one stays in the raw view.

  observation_id hashes dataset, publisher's id (or, where there is none, the content) and a counter among equals, so that
  it depends neither on the run nor on the order of rows.
-#}
{% macro observation(
    dataset,
    source_feature_id=none,
    external_ids={},
    level="dataset_level",
    reported_area_m2="null",
    capacity_mw="null",
    capacity_mw_dc="null",
    installed_year="null",
    axis="null",
    reported_mount="null",
    tilt_deg="null",
    azimuth_deg="null",
    name="null",
    operator="null",
    country_iso3=none
) -%}
{%- set raw = ref("raw_" ~ dataset) -%}
{%- if not execute or landed(dataset) -%}
with source as (
    select * from {{ raw }}
),

mapped as (
    select
        {{ source_feature_id or "null::varchar" }} as published_id,
        map_from_entries(list_filter(
            [
                {%- for key, expression in external_ids.items() %}
                {'k': '{{ key }}', 'v': ({{ expression }})::varchar}{{ "," if not loop.last }}
                {%- endfor %}
            ]::struct(k varchar, v varchar)[],
            lambda entry: nullif(entry.v, '') is not null
        )) as external_ids,
        st_force2d(geometry) as published_geometry,
        {{ level }} as level,
        ({{ reported_area_m2 }})::double as reported_area_m2,
        ({{ capacity_mw }})::double as capacity_mw,
        ({{ capacity_mw_dc }})::double as capacity_mw_dc,
        ({{ installed_year }})::integer as installed_year,
        ({{ axis }})::varchar as axis,
        ({{ reported_mount }})::varchar as reported_mount,
        ({{ tilt_deg }})::double as tilt_deg,
        ({{ azimuth_deg }})::double as azimuth_deg,
        ({{ name }})::varchar as name,
        ({{ operator }})::varchar as operator,
        {{ country_iso3 or "case when len(dataset_countries) = 1 then dataset_countries[1] end" }} as country_iso3,
        dataset_licence as licence,
        dataset_commercial_use as commercial_use,
        dataset_trust as trust,
        dataset_vintage as vintage,
        source_file,
        source_sha256,
        source_row,
        ingested_at,
        ingest_run_id
    from source
),

assessed as (
    select
        *,
        case
            when published_geometry is null then 'null'
            when st_isempty(published_geometry) then 'empty'
            when st_xmin(published_geometry) < -180 or st_xmax(published_geometry) > 180
                or st_ymin(published_geometry) < -90 or st_ymax(published_geometry) > 90 then 'out_of_bounds'
            when st_dimension(published_geometry) = 1 then 'unusable'
            when st_isvalid(published_geometry) then 'valid'
            else 'invalid'
        end as published_status
    from mapped
),

mended as (
    select
        *,
        case published_status
            when 'valid' then published_geometry
            when 'invalid' then st_collectionextract(st_makevalid(published_geometry), 3)
        end as mended_geometry
    from assessed
),

repaired as (
    select
        * exclude (published_status, published_geometry, mended_geometry),
        case
            when published_status != 'invalid' then published_status
            when st_isempty(mended_geometry) then 'unusable'
            else 'repaired'
        end as geometry_status,
        case when not st_isempty(mended_geometry) then mended_geometry end as geometry,
        -- each field keeps its place: a null is not left out. Fields that came later (axis, tilt, azimuth, mount) are not among them:
        -- ids of what has been observed must not change
        md5(concat_ws(
            '|',
            coalesce(hex(st_aswkb(published_geometry)), ''),
            {%- for field in [
                "level", "reported_area_m2", "capacity_mw", "capacity_mw_dc", "installed_year", "name", "operator",
                "country_iso3", "external_ids"
            ] %}
            coalesce({{ field }}::varchar, ''){{ "," if not loop.last }}
            {%- endfor %}
        )) as content
    from mended
),

located as (
    select
        *,
        coalesce(published_id, source_file || '#' || source_row) as source_feature_id,
        row_number() over (
            partition by coalesce(published_id, content) order by content, source_file, source_row
        ) - 1 as namesake,
        case st_dimension(geometry) when 0 then 'point' when 2 then 'polygon' end as geometry_kind,
        -- across the antimeridian, the planar centroid is right between 0° and 360°
        case
            when st_xmax(geometry) - st_xmin(geometry) > 180
            then st_centroid(st_transform(geometry, 'EPSG:4326', '+proj=longlat +datum=WGS84 +lon_wrap=180'))
            else st_centroid(geometry)
        end as centroid
    from repaired
),

identified as (
    select
        *,
        case when st_x(centroid) > 180 then st_x(centroid) - 360 else st_x(centroid) end as centroid_lon_deg,
        st_y(centroid) as centroid_lat_deg
    from located
)

select
    -- ids
    md5(concat_ws('|', '{{ dataset }}', coalesce(published_id, content), namesake)) as observation_id,
    '{{ dataset }}' as dataset,
    source_feature_id,
    external_ids,
    -- geometry
    geometry,
    geometry_kind,
    geometry_status,
    centroid_lon_deg,
    centroid_lat_deg,
    h3_latlng_to_cell(centroid_lat_deg, centroid_lon_deg, 5) as h3_r5,
    h3_latlng_to_cell(centroid_lat_deg, centroid_lon_deg, 8) as h3_r8,
    h3_latlng_to_cell(centroid_lat_deg, centroid_lon_deg, 10) as h3_r10,
    h3_latlng_to_cell(centroid_lat_deg, centroid_lon_deg, 12) as h3_r12,
    -- numbers
    case when geometry_kind = 'polygon' then st_area_spheroid(geometry) end as area_m2,
    reported_area_m2,
    capacity_mw,
    capacity_mw_dc,
    installed_year,
    tilt_deg,
    azimuth_deg,
    -- text
    level,
    axis,
    reported_mount,
    name,
    operator,
    country_iso3,
    -- terms
    licence,
    commercial_use,
    trust,
    vintage,
    -- provenance
    source_file,
    source_sha256,
    source_row,
    ingested_at,
    ingest_run_id
from identified
{%- else -%}
-- {{ dataset }} has not been landed in this lake
{{ no_observations() }}
{%- endif -%}
{%- endmacro %}

{#- The canonical observation with no rows: what a dataset that is not in the lake contributes. -#}
{% macro no_observations() -%}
select
    {%- for column, type in {
        "observation_id": "varchar", "dataset": "varchar", "source_feature_id": "varchar",
        "external_ids": "map(varchar, varchar)", "geometry": "geometry", "geometry_kind": "varchar",
        "geometry_status": "varchar", "centroid_lon_deg": "double", "centroid_lat_deg": "double", "h3_r5": "ubigint",
        "h3_r8": "ubigint", "h3_r10": "ubigint", "h3_r12": "ubigint", "area_m2": "double", "reported_area_m2": "double",
        "capacity_mw": "double", "capacity_mw_dc": "double", "installed_year": "integer", "tilt_deg": "double",
        "azimuth_deg": "double", "level": "varchar", "axis": "varchar", "reported_mount": "varchar",
        "name": "varchar", "operator": "varchar", "country_iso3": "varchar", "licence": "varchar",
        "commercial_use": "varchar", "trust": "varchar", "vintage": "varchar", "source_file": "varchar",
        "source_sha256": "varchar", "source_row": "bigint", "ingested_at": "timestamptz", "ingest_run_id": "varchar"
    }.items() %}
    null::{{ type }} as {{ column }}{{ "," if not loop.last }}
    {%- endfor %}
where false
{%- endmacro %}
