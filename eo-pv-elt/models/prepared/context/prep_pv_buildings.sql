-- How much of an installation is on buildings and over car parks, and how it is therefore mounted: the first rule of mount_rules.csv that holds
with sites as (
    {{ sites_of_installations(["geometry_source", "h3_r5", "h3_r8"]) }}
),

outlines as (
    select * from sites where site_deg2 is not null
),

-- A point in the middle of a building is hardly there by chance, however far it may be off; a building nearby is
points as (
    select
        *,
        unnest({{ circle_around("st_x(point)", "st_y(point)", "case when is_precise then position_error_m else 0.01 end") }}) as circle
    from (
        select
            installation_id,
            sites.site as point,
            footprints.position_error_m,
            footprints.position_error_m <= {{ var("building_position_error_m") }} as is_precise
        from sites
        inner join {{ ref("prep_pv_footprints") }} as footprints
            on footprints.observation_key = {{ observation_key("sites.geometry_source") }}
        where sites.site_deg2 is null
    )
),

-- Where footprints overlap, the canopy is what the panels are on
buildings as not materialized (
    select
        building_id as area_id,
        {{ roof_of("class") }} as kind,
        0 as layer,
        case {{ roof_of("class") }} when 'canopy' then 0 when 'greenhouse' then 1 else 2 end as area_rank,
        geometry
    from {{ ref("stg_buildings") }}
    where not coalesce(is_underground, false)
),

on_buildings as (
    {{ shares_of_sites("outlines", "buildings") | indent(4) }}
),

near_points as (
    select installation_id, area_id, kind, area_rank, st_intersects(point, geometry) as is_on
    from points
    inner join buildings on st_intersects(points.circle, buildings.geometry)
),

shares as (
    select
        installation_id,
        least(1, sum(share)) as building_share,
        any_value(n_areas) as n_buildings,
        arg_max(kind, round(share, 9) order by kind) as roof
    from on_buildings
    group by installation_id
    union all
    select
        installation_id,
        1 as building_share,
        count(distinct area_id) as n_buildings,
        arg_min(kind, (not is_on, area_rank)) as roof
    from near_points
    group by installation_id
),

-- Under the ground there is no room for canopies
parkings as not materialized (
    select
        parking_id as area_id,
        class as kind,
        0 as layer,
        0 as area_rank,
        geometry
    from {{ ref("stg_parking") }}
    where not coalesce(is_underground, false)
),

known_places as (
    select * from outlines
    union all
    select * from sites where installation_id in (select installation_id from points where is_precise)
),

on_parkings as (
    {{ shares_of_sites("known_places", "parkings") | indent(4) }}
),

parking_shares as (
    select installation_id, least(1, sum(share)) as parking_share
    from on_parkings
    group by installation_id
),

built_cells as (
    select distinct h3_latlng_to_cell((st_ymin(geometry) + st_ymax(geometry)) / 2, (st_xmin(geometry) + st_xmax(geometry)) / 2, 8) as cell
    from {{ ref("stg_buildings") }}
),

around as (
    select
        installation_id,
        geometry_source,
        h3_grid_disk(h3_r8, {{ var("buildings_known_within_cells") }}) as cells,
        h3_grid_disk(h3_r5, {{ var("buildings_mapped_within_cells") }}) as regions
    from sites
),

-- That no building is on the site says something where one is near, or where buildings were acquired around the site, being
-- already landed then, and the region is mapped. An acquisition reads the surroundings of all sites that it finds
known as (
    select installation_id
    from (select installation_id, unnest(cells) as cell from around)
    where cell in (select cell from built_cells)
    union
    select installation_id
    from (
        select around.installation_id, unnest(around.regions) as region
        from around
        inner join {{ ref("prep_pv_observations") }} as observations on around.geometry_source = observations.observation_id
        where observations.ingested_at <= {{ acquired_at("overture_building") }}
    )
    where region in (select h3_cell_to_parent(cell, 5) from built_cells)
),

-- A point that may be elsewhere would not have met the building that its site is on
telling as (
    select installation_id from known
    where installation_id not in (select installation_id from points where not is_precise)
),

measured as (
    select
        sites.installation_id,
        known.installation_id is not null or shares.installation_id is not null as buildings_known,
        coalesce(shares.building_share, case when telling.installation_id is not null then 0 end) as building_share,
        coalesce(shares.n_buildings, case when telling.installation_id is not null then 0 end)::integer as n_buildings,
        shares.roof,
        parking_shares.parking_share
    from sites
    left join known using (installation_id)
    left join telling using (installation_id)
    left join shares using (installation_id)
    left join parking_shares using (installation_id)
),

-- What is known of a plant holds for its parts
evidence as (
    select
        installations.installation_id,
        list_concat(installations.datasets, coalesce(wholes.datasets, [])) as datasets,
        installations.level,
        coalesce(installations.reported_mount, wholes.reported_mount) as reported_mount,
        installations.geometry_kind,
        installations.area_m2,
        coalesce(measured.buildings_known, false) as buildings_known,
        round(measured.building_share, 9) as building_share,
        measured.n_buildings,
        measured.roof,
        round(measured.parking_share, 9) as parking_share,
        case when land.land_use_share >= 0.5 then land.land_use_class end as land_use_class
    from {{ ref("prep_pv_installations") }} as installations
    left join {{ ref("prep_pv_installations") }} as wholes on installations.part_of = wholes.installation_id
    left join {{ ref("prep_pv_land") }} as land on installations.installation_id = land.installation_id
    left join measured on installations.installation_id = measured.installation_id
)

select
    evidence.installation_id,
    evidence.building_share,
    evidence.n_buildings,
    evidence.parking_share,
    rules.mount,
    rules.probability as mount_probability,
    rules.rule as mount_rule
from evidence
inner join {{ ref("mount_rules") }} as rules on {{ mount_rule_holds("evidence", "rules") }}
qualify row_number() over (partition by evidence.installation_id order by rules.precedence) = 1
