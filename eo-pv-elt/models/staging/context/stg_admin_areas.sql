-- Countries, regions and counties of every source side by side; which one counts where is decided in prep_pv_admin
with overture as (
    select
        id as area_id,
        'overture' as source,
        context_release as release,
        -- a dependency (Puerto Rico) has a country code of its own
        case subtype when 'dependency' then 'country' else subtype end as level,
        names['primary'] as name,
        country as country_iso2,
        null::varchar as published_iso3,
        -- of counties too: the region that they are in
        case when subtype in ('region', 'county') then region end as region_code,
        coalesce(is_disputed, false) as is_disputed,
        null::varchar[] as unrecognized_by,
        null::map(varchar, varchar) as country_by_view,
        geometry as published_geometry
    from {{ ref("raw_overture_division_area") }}
    -- areas of class maritime are land and sea together, beside the land
    where subtype in ('country', 'dependency', 'region', 'county') and class = 'land'
),

-- Natural Earth's codes are its own for what is disputed
natural_earth_codes as (
    select map(list(adm0_a3), list(coalesce(countries.country_iso3, nullif(iso_a3_eh, '-99')))) as iso3
    from {{ ref("raw_natural_earth_admin_0") }}
    left join {{ ref("countries") }} as countries on {{ natural_earth_iso2("iso_a2_eh") }} = countries.country_iso2
),

natural_earth_countries as (
    select
        adm0_a3 as area_id,
        'natural_earth' as source,
        context_release as release,
        'country' as level,
        name,
        {{ natural_earth_iso2("iso_a2_eh") }} as country_iso2,
        nullif(iso_a3_eh, '-99') as published_iso3,
        null::varchar as region_code,
        coalesce(type in ('Disputed', 'Indeterminate') or contains(lower(note_brk), 'claimed by'), false) as is_disputed,
        {{ natural_earth_unrecognized() | indent(8) }} as unrecognized_by,
        {{ natural_earth_country_by_view("natural_earth_codes.iso3") | indent(8) }} as country_by_view,
        geometry as published_geometry
    from {{ ref("raw_natural_earth_admin_0") }}
    cross join natural_earth_codes
),

natural_earth_regions as (
    select
        regions.adm1_code as area_id,
        'natural_earth' as source,
        regions.context_release as release,
        'region' as level,
        regions.name,
        coalesce({{ natural_earth_iso2("regions.iso_a2") }}, countries.country_iso2) as country_iso2,
        countries.published_iso3,
        -- a tilde marks codes of Natural Earth's own
        case
            when regexp_full_match(regions.iso_3166_2, '[A-Z]{2}-[A-Z0-9]{1,3}') then regions.iso_3166_2
        end as region_code,
        coalesce(countries.is_disputed, false) or len(regions.unrecognized_by) > 0 as is_disputed,
        regions.unrecognized_by,
        countries.country_by_view,
        regions.geometry as published_geometry
    from (select *, {{ natural_earth_unrecognized() | indent(8) }} as unrecognized_by from {{ ref("raw_natural_earth_admin_1") }}) as regions
    left join natural_earth_countries as countries on regions.adm0_a3 = countries.area_id
),

united as (
    select * from overture
    union all by name
    select * from natural_earth_countries
    union all by name
    select * from natural_earth_regions
),

mended as (
    select
        *,
        {{ mended_polygon("published_geometry") }} as geometry
    from united
)

select
    -- ids
    mended.area_id,
    mended.source,
    mended.release,
    -- what
    mended.level,
    mended.name,
    mended.country_iso2,
    coalesce(countries.country_iso3, mended.published_iso3) as country_iso3,
    mended.region_code,
    -- in whose eyes
    mended.is_disputed,
    mended.unrecognized_by,
    mended.country_by_view,
    -- where
    mended.geometry,
    {{ polygon_status("mended.published_geometry", "mended.geometry") }} as geometry_status
from mended
left join {{ ref("countries") }} as countries using (country_iso2)
