-- On which land cover, and in which land use, most of an installation lies (docs/land-and-buildings.md)
with sites as (
    {{ sites_of_installations() }}
),

-- Generalisations for several zooms of a map; the finest one there is counts
covers as not materialized (
    select
        land_cover_id as area_id,
        subtype as kind,
        coalesce(min_zoom, 0) as layer,
        0 as area_rank,
        geometry
    from {{ ref("stg_land_cover") }}
    where subtype is not null
),

-- Uses lie in one another: the smallest says most; what is only designated for something tells the use least
uses as not materialized (
    select
        land_use_id as area_id,
        {'subtype': subtype, 'class': class} as kind,
        0 as layer,
        st_area_spheroid(geometry) + case when subtype in ('{{ var("land_use_designations") | join("', '") }}') then 1e15 else 0 end as area_rank,
        geometry
    from {{ ref("stg_land_use") }}
    where subtype is not null
),

on_covers as (
    {{ shares_of_sites("sites", "covers") | indent(4) }}
),

in_uses as (
    {{ shares_of_sites("sites", "uses") | indent(4) }}
),

-- Equal shares: the first name, so that no order of rows decides
land_cover as (
    select installation_id, kind as land_cover, share as land_cover_share
    from on_covers
    where share >= {{ var("land_least_share") }}
    qualify row_number() over (partition by installation_id order by round(share, 9) desc, kind) = 1
),

in_classes as (
    select
        installation_id,
        kind.subtype as land_use,
        kind.class as land_use_class,
        sum(share) over (partition by installation_id, kind.subtype) as land_use_share,
        share
    from in_uses
),

land_use as (
    select installation_id, land_use, land_use_class, least(1, land_use_share) as land_use_share
    from in_classes
    where land_use_share >= {{ var("land_least_share") }}
    qualify row_number() over (
        partition by installation_id
        order by round(land_use_share, 9) desc, land_use, round(share, 9) desc, land_use_class
    ) = 1
)

select
    installation_id,
    land_cover.land_cover,
    land_cover.land_cover_share,
    land_use.land_use,
    land_use.land_use_class,
    land_use.land_use_share
from {{ ref("prep_pv_installations") }}
left join land_cover using (installation_id)
left join land_use using (installation_id)
