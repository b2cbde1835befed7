-- The sun and the warmth of an average year where an installation is, and the nearest station of measured or modelled irradiance
with sites as (
    select installation_id, centroid_lon_deg as lon_deg, centroid_lat_deg as lat_deg
    from {{ ref("prep_pv_installations") }}
    where geometry is not null
),

-- One release of a source: the newest
pixels as not materialized (
    select * from {{ ref("stg_solar_resource") }}
    where isfinite(value)
        and (source, release) in (select source, max(release) from {{ ref("stg_solar_resource") }} group by source)
),

grids as (
    select distinct source, variable, pixel_width_deg, pixel_height_deg from pixels
),

-- A pixel that holds a site has its centre within half a pixel of it: at one of two indices each way, wherever the grid begins
asked as (
    select
        sites.*,
        grids.*,
        unnest([floor(lon_deg / pixel_width_deg - 0.5), floor(lon_deg / pixel_width_deg - 0.5) + 1])::bigint as column_index
    from sites
    cross join grids
),

asked_cells as (
    select *, unnest([floor(lat_deg / pixel_height_deg - 0.5), floor(lat_deg / pixel_height_deg - 0.5) + 1])::bigint as row_index
    from asked
),

held as (
    select
        asked_cells.installation_id,
        pixels.source,
        pixels.variable,
        pixels.value,
        0::double as distance_m,
        pixels.lon_deg,
        pixels.lat_deg
    from asked_cells
    inner join (
        select
            *,
            floor(lon_deg / pixel_width_deg)::bigint as column_index,
            floor(lat_deg / pixel_height_deg)::bigint as row_index
        from pixels
    ) as pixels using (source, variable, pixel_width_deg, pixel_height_deg, column_index, row_index)
    -- a site on the line between two pixels belongs to the eastern or southern one, as in GDAL
    where asked_cells.lon_deg >= pixels.lon_deg - pixel_width_deg / 2 and asked_cells.lon_deg < pixels.lon_deg + pixel_width_deg / 2
        and asked_cells.lat_deg > pixels.lat_deg - pixel_height_deg / 2 and asked_cells.lat_deg <= pixels.lat_deg + pixel_height_deg / 2
),

-- Off the coast of a raster: the nearest pixel that has a value
unheld as (
    select sites.*, sources.source, sources.variable
    from sites
    cross join (select distinct source, variable from grids) as sources
    anti join held using (installation_id, source, variable)
),

around as (
    select installation_id, unnest({{ circle_around("lon_deg", "lat_deg", var("resource_max_distance_m")) }}) as circle
    from sites
    where installation_id in (select installation_id from unheld)
),

met as (
    select installation_id, source, variable, value, lon_deg, lat_deg, pixel_width_deg, pixel_height_deg
    from around
    inner join pixels on st_intersects(around.circle, st_point(pixels.lon_deg, pixels.lat_deg))
),

nearest as (
    select
        installation_id,
        source,
        variable,
        met.value,
        {{ great_circle_m("unheld.lon_deg", "unheld.lat_deg", "met.lon_deg", "met.lat_deg") }} as distance_m,
        met.lon_deg,
        met.lat_deg
    from met
    inner join unheld using (installation_id, source, variable)
),

valued as (
    select *
    from (from held union all from nearest)
    qualify row_number() over (
        partition by installation_id, source, variable order by distance_m, lon_deg, lat_deg desc, value
    ) = 1
),

by_source as (
    select
        installation_id,
        source as resource_source,
        max(value) filter (where variable = 'ghi') as ghi_kwh_m2_year,
        max(value) filter (where variable = 'pvout') as pvout_kwh_kwp_year,
        max(value) filter (where variable = 'temperature') as temperature_c,
        max(distance_m) as resource_distance_m
    from valued
    group by installation_id, source
),

resource as (
    select * from by_source
    qualify row_number() over (
        partition by installation_id order by {{ preference("resource_source", var("resource_sources")) }}, resource_source
    ) = 1
),

stations as (
    select distinct source, station_id, lon_deg, lat_deg
    from {{ ref("stg_irradiance") }}
    where kind in ('{{ var("irradiance_kinds") | join("', '") }}')
),

station_circles as (
    select *, unnest({{ circle_around("lon_deg", "lat_deg", var("irradiance_max_distance_m")) }}) as circle from stations
),

station_pairs as (
    select
        sites.installation_id,
        stations.source as irradiance_source,
        stations.station_id as irradiance_station_id,
        {{ great_circle_m("sites.lon_deg", "sites.lat_deg", "stations.lon_deg", "stations.lat_deg") }} as irradiance_distance_m
    from sites
    inner join station_circles as stations on st_intersects(stations.circle, st_point(sites.lon_deg, sites.lat_deg))
),

irradiance as (
    select * from station_pairs
    qualify row_number() over (
        partition by installation_id
        order by {{ preference("irradiance_source", var("irradiance_sources")) }}, irradiance_distance_m, irradiance_source, irradiance_station_id
    ) = 1
)

select
    installation_id,
    resource.ghi_kwh_m2_year,
    resource.pvout_kwh_kwp_year,
    resource.temperature_c,
    resource.resource_source,
    resource.resource_distance_m,
    irradiance.irradiance_source,
    irradiance.irradiance_station_id,
    irradiance.irradiance_distance_m
from {{ ref("prep_pv_installations") }}
left join resource using (installation_id)
left join irradiance using (installation_id)
