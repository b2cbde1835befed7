{{ config(materialized="partial", pre_hook="{{ delete_rows(['key_a', 'key_b'], ['prep_pv_touched']) }}") }}
-- depends_on: {{ ref("prep_pv_touched") }}
{# Evidence is a function of the two observations alone: an observation that comes or goes changes no other pair. #}
{% set part = replaces_part() -%}
with pairs as (
    select * from {{ ref("prep_pv_candidates") }}
    {%- if part %}
    where key_a in (select observation_key from {{ ref("prep_pv_touched") }})
        or key_b in (select observation_key from {{ ref("prep_pv_touched") }})
    {%- endif %}
),

sites as {{ rows_for(part, ref("prep_pv_footprints"), "select key_a from pairs union all select key_b from pairs") }},

located as (
    select
        pairs.key_a,
        pairs.key_b,
        pairs.is_called_alike or pairs.shares_an_id as is_suggested,
        greatest(a.search_radius_m, b.search_radius_m) as search_radius_m,
        a.geometry_kind = 'polygon' as a_is_polygon,
        b.geometry_kind = 'polygon' as b_is_polygon,
        a.geometry as geometry_a,
        -- the same way around the globe
        case
            when abs(a.centroid_lon_deg - b.centroid_lon_deg) > 180 or abs(st_xmin(a.geometry) - st_xmin(b.geometry)) > 180
            then st_translate(b.geometry, 360 * round((st_xmin(a.geometry) - st_xmin(b.geometry)) / 360), 0)
            else b.geometry
        end as geometry_b,
        a.centroid_lon_deg as lon_a,
        a.centroid_lat_deg as lat_a,
        b.centroid_lon_deg as lon_b,
        b.centroid_lat_deg as lat_b,
        (a.centroid_lat_deg + b.centroid_lat_deg) / 2 as lat_deg,
        least(a.known_area_m2, b.known_area_m2) as smaller_m2
    from pairs
    inner join sites as a on pairs.key_a = a.observation_key
    inner join sites as b on pairs.key_b = b.observation_key
),

-- Ratios of areas are the same in degrees as in metres, so that only distances need metres
met as (
    select
        *,
        case when a_is_polygon and b_is_polygon then {{ shared_area("geometry_a", "geometry_b") }} end as shared_deg2,
        case when a_is_polygon then st_area(geometry_a) end as area_a_deg2,
        case when b_is_polygon then st_area(geometry_b) end as area_b_deg2
    from located
),

measured as (
    select
        key_a,
        key_b,
        is_suggested,
        search_radius_m,
        smaller_m2,
        area_a_deg2,
        area_b_deg2,
        shared_deg2,
        case
            when shared_deg2 > 0 then 0
            -- seen from afar, or points: no shape to regard
            when not (a_is_polygon or b_is_polygon)
                or {{ great_circle_m("lon_a", "lat_a", "lon_b", "lat_b") }} > 50000 and not st_intersects_extent(geometry_a, geometry_b)
            then {{ great_circle_m("lon_a", "lat_a", "lon_b", "lat_b") }}
            when abs(lat_deg) > 85 then st_distance(
                st_transform(geometry_a, 'EPSG:4326', '+proj=laea +lat_0=' || case when lat_deg > 0 then '90' else '-90' end),
                st_transform(geometry_b, 'EPSG:4326', '+proj=laea +lat_0=' || case when lat_deg > 0 then '90' else '-90' end)
            )
            else st_distance(
                st_scale(geometry_a, {{ metres_per_degree_east("lat_deg") }}, {{ metres_per_degree_north("lat_deg") }}),
                st_scale(geometry_b, {{ metres_per_degree_east("lat_deg") }}, {{ metres_per_degree_north("lat_deg") }})
            )
        end as distance_m
    from met
),

compared as (
    select
        key_a,
        key_b,
        distance_m,
        distance_m / (
            a.position_error_m + b.position_error_m
            + case
                when a.geometry_kind = 'polygon' and b.geometry_kind = 'polygon' then 0
                when a.geometry_kind = 'polygon' then 0.25 * coalesce(a.size_m, 0)
                when b.geometry_kind = 'polygon' then 0.25 * coalesce(b.size_m, 0)
                else 0.5 * coalesce(greatest(a.size_m, b.size_m), 0)
            end
        ) as scaled_distance,
        -- No further than areas are right: which of two equal links counts first is not for rounding errors to say
        round(coalesce(shared_deg2 / least(area_a_deg2, area_b_deg2), 0), 9) as overlap,
        round(coalesce(shared_deg2 / (area_a_deg2 + area_b_deg2 - shared_deg2), 0), 9) as iou,
        smaller_m2,
        area_a_deg2,
        area_b_deg2,
        {{ capacity_log_ratio("a", "b") }} as capacity_log_ratio,
        case when a.geometry_kind = 'point' or b.geometry_kind = 'point' then abs(ln(a.known_area_m2 / b.known_area_m2)) end as area_log_ratio,
        abs(a.installed_year - b.installed_year) as year_gap,
        {{ word_similarity("a.name_words", "b.name_words") }} as name_similarity,
        a.name_words = b.name_words and a.name_numerals = b.name_numerals as numerals_agree,
        len(a.name_numerals) > 0 and len(b.name_numerals) > 0 and a.name_numerals != b.name_numerals as numerals_differ,
        {{ word_similarity("a.operator_words", "b.operator_words") }} as operator_similarity,
        list_filter(map_keys(a.external_ids), lambda key: a.external_ids[key] = b.external_ids[key]) as shared_ids,
        list_filter(map_keys(a.external_ids), lambda key: a.external_ids[key] != b.external_ids[key]) as contradicting_ids,
        a.geometry_kind as kind_a,
        b.geometry_kind as kind_b,
        a.level as level_a,
        b.level as level_b,
        a.known_area_m2 as area_a_m2,
        b.known_area_m2 as area_b_m2,
        a.country_iso3 as country_a,
        b.country_iso3 as country_b
    from measured
    inner join sites as a on measured.key_a = a.observation_key
    inner join sites as b on measured.key_b = b.observation_key
    where is_suggested or distance_m <= measured.search_radius_m
),

levelled as (
    select
        *,
        {{ geometry_level() }} as geometry_level,
        {{ capacity_level() }} as capacity_level,
        {{ year_level() }} as year_level,
        {{ name_level() }} as name_level,
        {{ operator_level() }} as operator_level,
        {{ country_level() }} as country_level,
        {{ kind_level() }} as kind_level,
        {{ id_level() }} as id_level
    from compared
),

weighed as (
    select
        levelled.*,
        (select weight_bits from {{ ref("match_weights") }} where level = 'prior')
        {%- for comparison in comparisons() %}
        + coalesce({{ comparison }}.weight_bits, 0)
        {%- endfor %} as match_weight
    from levelled
    {%- for comparison in comparisons() %}
    left join {{ ref("match_weights") }} as {{ comparison }} on levelled.{{ comparison }}_level = {{ comparison }}.level
    {%- endfor %}
)

select
    key_a,
    key_b,
    distance_m,
    scaled_distance,
    overlap,
    iou,
    overlap * smaller_m2 as intersection_m2,
    exp(capacity_log_ratio) as capacity_ratio,
    exp(area_log_ratio) as area_ratio,
    year_gap,
    name_similarity,
    operator_similarity,
    shared_ids,
    {% for comparison in comparisons() %}
    {{ comparison }}_level,
    {%- endfor %}
    {{ rule_id() }} as rule_id,
    match_weight,
    1 / (1 + pow(2, -match_weight)) as match_probability,
    {{ part_key() }} as part_key
from weighed
