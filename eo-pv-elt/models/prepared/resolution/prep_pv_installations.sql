{{ config(
    materialized="partial",
    pre_hook="{{ delete_rows(['installation_id'], ['prep_pv_touched_installations'], installation_id('installation_key')) }}",
) }}
-- depends_on: {{ ref("prep_pv_touched_installations") }}
{% set part = replaces_part() -%}
with members as (
    select
        {{ observation_key("observation_id") }} as observation_key,
        {{ installation_key_of("installation_id") }} as installation_key,
        match_probability
    from {{ ref("prep_pv_installation_observations") }}
    {%- if part %}
    where installation_id in (select {{ installation_id("installation_key") }} from {{ ref("prep_pv_touched_installations") }})
    {%- endif %}
),

{% set keys = "select observation_key from members" -%}
published as {{ rows_for(part, ref("prep_pv_observations"), keys, observation_key("observation_id")) }},

footprints as {{ rows_for(part, ref("prep_pv_footprints"), keys) }},

{#- Only what decides: whatever is chosen is fetched afterwards, so that geometries are not carried along -#}
observations as (
    select
        members.installation_key,
        members.observation_key,
        observations.dataset,
        observations.geometry_kind,
        observations.trust,
        observations.licence,
        observations.commercial_use,
        members.match_probability,
        clusters.parent_cluster_key,
        coalesce(list_max(regexp_extract_all(observations.vintage, '(?:19|20)\d\d')::integer[]), 0) as vintage_year,
        {%- for attribute, fetched in fused_attributes().items() %}
        {{ fetched.known }} as has_{{ attribute }},
        {%- endfor %}
        true as has_geometry
    from members
    inner join footprints on members.observation_key = footprints.observation_key
    inner join published as observations on members.observation_key = observations.observation_key
    left join {{ ref("prep_pv_clusters") }} as clusters on members.observation_key = clusters.observation_key
),

kinds as (
    select distinct dataset, geometry_kind from observations
),

precedences as (
    {{ precedences("kinds") }}
),

-- Precedence, then the newest vintage, then any observation, always the same one: its key is what the rank ends with
ranked as (
    select
        installation_key,
        observation_key,
        dataset,
        trust,
        licence,
        commercial_use,
        match_probability,
        parent_cluster_key,
        {%- for attribute in ranked_attributes() %}
        case when has_{{ attribute }} then
            (coalesce({{ attribute }}_precedence, 99) * 10000 + 9999 - vintage_year)::hugeint * {{ two_to_64() }} + observation_key
        end as {{ attribute }}_rank{{ "," if not loop.last }}
        {%- endfor %}
    from observations
    inner join precedences using (dataset, geometry_kind)
),

chosen as (
    select
        installation_key,
        {%- for attribute in ranked_attributes() %}
        (min({{ attribute }}_rank) & ({{ two_to_64() }}::hugeint - 1))::ubigint as {{ attribute }}_key,
        {%- endfor %}
        count(*) as n_observations,
        list_sort(list_distinct(list(dataset))) as datasets,
        -- the chance that not all of the independent sources err
        round(1 - product(1 - match_probability * {{ reliability("trust") }}), 6) as confidence,
        array_to_string(list_sort(list_distinct(list(licence))), ' AND ') as licence,
        case
            when bool_or(commercial_use = 'no') then 'no'
            when bool_or(commercial_use = 'unknown') then 'unknown'
            else 'yes'
        end as commercial_use,
        min(parent_cluster_key) as parent_cluster_key
    from ranked
    group by installation_key
),

-- Each chosen observation once, mostly the same one for several attributes
picked as (
    select distinct unnest([{% for attribute in ranked_attributes() %}{{ attribute }}_key{{ ", " if not loop.last }}{% endfor %}]) as observation_key
    from chosen
),

fetched as (
    select
        members.installation_key,
        members.observation_key,
        observations.observation_id,
        {%- for attribute, fetched in fused_attributes().items() %}
        {%- for column, expression in fetched.columns.items() %}
        {{ expression }} as {{ column }}{{ "," if not loop.last }}
        {%- endfor %}{{ "," if not loop.last }}
        {%- endfor %}
    from members
    inner join footprints on members.observation_key = footprints.observation_key
    inner join published as observations on members.observation_key = observations.observation_key
    where members.observation_key in (select observation_key from picked)
),

fused as (
    select
        chosen.installation_key,
        {%- for attribute, fetched in fused_attributes().items() %}
        {%- for column in fetched.columns %}
        any_value(fetched.{{ column }}) filter (observation_key = {{ attribute }}_key) as {{ column }},
        {%- endfor %}
        any_value(observation_id) filter (observation_key = {{ attribute }}_key) as {{ attribute }}_source{{ "," if not loop.last }}
        {%- endfor %}
    from chosen
    inner join fetched using (installation_key)
    group by chosen.installation_key
),

located as (
    select
        chosen.installation_key,
        observations.observation_id as geometry_source,
        {%- for column in located_columns() %}
        observations.{{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    from chosen
    inner join published as observations on chosen.geometry_key = observations.observation_key
),

history as (
    select
        installation_key,
        min(valid_from_snapshot) as first_seen_snapshot,
        max(greatest(valid_from_snapshot, coalesce(valid_to_snapshot, 0))) as last_changed_snapshot
    from {{ ref("prep_pv_memberships") }}
    where installation_key in (select installation_key from members)
    group by installation_key
),

parents as (
    select observation_key as parent_cluster_key, installation_key as parent_key
    from {{ ref("prep_pv_memberships") }}
    where valid_to_snapshot is null and installation_key is not null
)

select
    {{ installation_id("chosen.installation_key") }} as installation_id,
    -- where
    located.geometry,
    located.geometry_source,
    located.geometry_kind,
    located.centroid_lon_deg,
    located.centroid_lat_deg,
    located.h3_r5,
    located.h3_r8,
    located.h3_r10,
    located.h3_r12,
    fused.country_iso3,
    fused.country_iso3_source,
    case when parents.parent_key is not null then {{ installation_id("parents.parent_key") }} end as part_of,
    -- what
    fused.level,
    fused.level_source,
    fused.name,
    fused.name_source,
    fused.operator,
    fused.operator_source,
    fused.area_m2,
    fused.area_m2_source,
    fused.capacity_mw,
    fused.capacity_mw_source,
    fused.capacity_basis,
    fused.capacity_mw_dc,
    fused.capacity_mw_dc_source,
    fused.installed_year,
    fused.installed_year_source,
    fused.axis,
    fused.tilt_deg,
    fused.azimuth_deg,
    fused.orientation_source,
    fused.reported_mount,
    fused.reported_mount_source,
    -- on whose word
    chosen.n_observations::integer as n_observations,
    chosen.datasets,
    chosen.confidence,
    chosen.licence,
    chosen.commercial_use,
    -- since when
    history.first_seen_snapshot,
    history.last_changed_snapshot
from chosen
inner join fused using (installation_key)
inner join located using (installation_key)
inner join history using (installation_key)
left join parents using (parent_cluster_key)
