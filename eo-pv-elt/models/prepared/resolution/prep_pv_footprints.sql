{{ config(materialized="partial", pre_hook="{{ delete_rows(['observation_key'], ['prep_pv_touched']) }}") }}
with observations as (
    select
        observations.* exclude (capacity_mw, capacity_mw_dc, area_m2, reported_area_m2),
        -- what is compared by its ratio cannot be nought
        case when capacity_mw > 0 then capacity_mw end as capacity_mw,
        case when capacity_mw_dc > 0 then capacity_mw_dc end as capacity_mw_dc,
        case
            when not profiles.outlines_site then null
            when area_m2 > 0 then area_m2
            when reported_area_m2 > 0 then reported_area_m2
        end as known_area_m2,
        coalesce(profiles.outlines_site, true) as outlines_site,
        touched.observation_key,
        touched.fingerprint,
        coalesce(profiles.one_row_per_site, true) as one_row_per_site,
        profiles.search_radius_m as profiled_radius_m,
        coalesce(
            profiles.position_error_m,
            case level {% for level, error_m in var("position_error_m").items() %}when '{{ level }}' then {{ error_m }} {% endfor %}end
        ) as position_error_m,
        coalesce(profiles.capacity_basis, 'stated') as capacity_basis,
        {{ name_words("name") }} as name_list,
        {{ name_words("operator") }} as operator_list
    from {{ ref("prep_pv_observations") }} as observations
    inner join {{ ref("prep_pv_touched") }} as touched
        on touched.observation_key = {{ observation_key("observations.observation_id") }} and touched.change is distinct from 'gone'
    left join {{ ref("source_profiles") }} as profiles on observations.dataset = profiles.dataset
    where geometry is not null
),

-- A polygon across the antimeridian lies between 0° and 360°
unwrapped as (
    select
        * replace (case
            when st_xmax(geometry) - st_xmin(geometry) > 180
            then st_transform(geometry, 'EPSG:4326', '+proj=longlat +datum=WGS84 +lon_wrap=180')
            else geometry
        end as geometry),
        sqrt(coalesce(known_area_m2, coalesce(capacity_mw, capacity_mw_dc) * {{ var("area_m2_per_mw") }})) as size_m
    from observations
),

sized as (
    select
        -- Its pieces share an edge there, which is no valid polygon: GEOS finds it to meet what is hundreds of metres away
        * replace (case when st_xmax(geometry) > 180 and geometry_kind = 'polygon' then st_buffer(geometry, 0) else geometry end as geometry),
        case
            when geometry_kind = 'polygon' and outlines_site then least(25, greatest(1, 0.1 * size_m))
            -- Stowell et al. 2020 (10.1038/s41597-020-00739-0) for sites of known size, Stid et al. 2025 (GM-SEUS) for others
            else greatest(
                profiled_radius_m,
                case when size_m is null then 190 else least(1500, greatest(10, 2 * size_m)) end
            )
        end as search_radius_m
    from unwrapped
),

reaching as (
    select
        *,
        search_radius_m / 110500 as reach_north_deg,
        least(90, greatest(abs(st_ymin(geometry)), abs(st_ymax(geometry))) + search_radius_m / 110500) as highest_lat_deg
    from sized
)

select
    observation_key,
    observation_id,
    dataset,
    level,
    trust,
    one_row_per_site,
    fingerprint,
    {{ observation_key("duplicate_of") }} as duplicate_key,
    -- where
    geometry,
    geometry_kind,
    centroid_lon_deg,
    centroid_lat_deg,
    country_iso3,
    search_radius_m,
    -- whoever outlines a small roof does not miss it by more than a part of its size
    case
        when geometry_kind = 'polygon' and outlines_site then least(position_error_m, greatest(1, 0.2 * size_m))
        else position_error_m
    end as position_error_m,
    -- at the poles, every longitude is near
    st_xmin(geometry) - case when highest_lat_deg > 89.9 then 360 else search_radius_m / {{ metres_per_degree_east("highest_lat_deg") }} end as west_deg,
    greatest(-90, st_ymin(geometry) - reach_north_deg) as south_deg,
    st_xmax(geometry) + case when highest_lat_deg > 89.9 then 360 else search_radius_m / {{ metres_per_degree_east("highest_lat_deg") }} end as east_deg,
    least(90, st_ymax(geometry) + reach_north_deg) as north_deg,
    -- a cluster's centroids may lie as far apart as the site is wide, and as positions may err
    2 * search_radius_m + greatest(
        3 * size_m,
        sqrt(
            pow((st_xmax(geometry) - st_xmin(geometry)) * {{ metres_per_degree_east("centroid_lat_deg") }}, 2)
            + pow((st_ymax(geometry) - st_ymin(geometry)) * {{ metres_per_degree_north("centroid_lat_deg") }}, 2)
        )
    ) as extent_cap_m,
    -- how much
    size_m,
    known_area_m2,
    case when capacity_basis != 'dc' then capacity_mw end as capacity_ac_mw,
    case when capacity_basis = 'dc' then coalesce(capacity_mw_dc, capacity_mw) else capacity_mw_dc end as capacity_dc_mw,
    capacity_basis,
    installed_year,
    -- what it is called
    coalesce({{ without_generic_words("name_list") }}, []) as name_words,
    coalesce({{ numerals("name_list") }}, []) as name_numerals,
    coalesce({{ without_generic_words("operator_list") }}, []) as operator_words,
    external_ids
from reaching
