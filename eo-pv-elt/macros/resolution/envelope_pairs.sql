{#-
  Pairs of observations whose search envelopes meet, in two ways that find the same pairs that matter: every pair whose
  distance is at most the larger of the two search radii (tests/unit/test_candidates.py compares both with brute force).
  `some` and `all` are relations with observation_key, dataset, one_row_per_site, west_deg, south_deg, east_deg, north_deg;
  `some` is a part of `all`. Both yield key_a < key_b, each pair once.
-#}
{% macro pair_keys() -%}
    least(one, other) as key_a, greatest(one, other) as key_b
{%- endmacro %}

{% macro pair_columns() -%}
    one.observation_key as one, other.observation_key as other,
    one.dataset as one_dataset, other.dataset as other_dataset, one.one_row_per_site as listed_once
{%- endmacro %}

{#- Observations of a source that lists every site once need not be compared with each other. -#}
{% macro may_be_one_site() -%}
    one != other and (one_dataset != other_dataset or not listed_once)
{%- endmacro %}

{% macro envelope_pairs_by_spatial_join(some, all) -%}
select distinct {{ pair_keys() }}
from (
    select {{ pair_columns() }}
    from ({{ envelopes(some) }}) as one
    inner join ({{ envelopes(all) }}) as other on st_intersects_extent(one.envelope, other.envelope)
    -- Without this barrier the conditions below move into the join, whose plan then is quadratic
    offset 0
)
where {{ may_be_one_site() }}
{%- endmacro %}

{#- Envelopes; those that reach over the antimeridian once more on its other side. -#}
{% macro envelopes(relation) -%}
    select observation_key, dataset, one_row_per_site, st_makeenvelope(west_deg + shift_deg, south_deg, east_deg + shift_deg, north_deg) as envelope
    from (
        select *, unnest(case
            when west_deg < -180 and east_deg > 180 then [-360, 0, 360]
            when west_deg < -180 then [0, 360]
            when east_deg > 180 then [-360, 0]
            else [0]
        end) as shift_deg
        from {{ relation }}
    )
{%- endmacro %}

{#-
  By H3: each envelope is filed under the cell of its centre at the finest resolution whose cells are so large that whatever
  it meets, and is no larger, has its centre in that cell or a neighbour of it.
-#}
{% macro envelope_pairs_by_h3(some, all) -%}
{%- set whole = some | string == all | string %}
with {{ circles_on_the_grid("all", all) }},

{% if not whole -%}
{{ circles_on_the_grid("some", some) }},

{% endif -%}
met as (
    {%- for asking, answering in ([("all", "all")] if whole else [("some", "all"), ("all", "some")]) %}
    {{ circle_pairs(asking ~ "_asking", answering ~ "_answering", "one.cell = other.cell") }}
    union all
    -- what no cell is large enough for is compared with everything
    {{ circle_pairs("(select * from " ~ asking ~ "_circles where resolution is null)", answering ~ "_circles", "true") }}
    {{- " union all" if not loop.last }}
    {%- endfor %}
)

select distinct {{ pair_keys() }}
from met
where {{ may_be_one_site() }}
{%- endmacro %}

{#- The larger circle of a pair asks its cell and the neighbours; the smaller one answers at the larger one's resolution. -#}
{% macro circles_on_the_grid(name, relation) -%}
{{ name }}_circles as ({{ circles(relation) }}),

{{ name }}_asking as (
    select *, unnest(h3_grid_disk(h3_latlng_to_cell(lat_deg, lon_deg, resolution), 1)) as cell
    from {{ name }}_circles
    where resolution is not null
),

{{ name }}_answering as (
    select circles.*, h3_latlng_to_cell(lat_deg, lon_deg, grid.resolution) as cell
    from {{ name }}_circles as circles
    inner join (select unnest(range(13))::integer as resolution) as grid on grid.resolution <= circles.resolution
    where grid.resolution in (select resolution from all_circles)
)
{%- endmacro %}

{% macro circle_pairs(some, all, condition) -%}
    select {{ pair_columns() }}
    from {{ some }} as one
    inner join {{ all }} as other on {{ condition }}
    where {{ great_circle_m("one.lon_deg", "one.lat_deg", "other.lon_deg", "other.lat_deg") }} <= one.radius_m + other.radius_m
{%- endmacro %}

{#- The circle around each envelope, and the H3 resolution that it is filed under; null where no cell is large enough. -#}
{% macro circles(relation) -%}
    select
        *,
        case
            {%- for edge_m in h3_edges_m() %}
            when 2 * radius_m <= {{ edge_m }} * {{ h3_reach() }} then {{ 12 - loop.index0 }}
            {%- endfor %}
        end::integer as resolution
    from (
        select
            observation_key,
            dataset,
            one_row_per_site,
            (west_deg + east_deg) / 2 as lon_deg,
            (south_deg + north_deg) / 2 as lat_deg,
            case
                when east_deg - west_deg >= 90 then 2.1e7
                -- the sphere is an approximation of the ellipsoid
                else 1.01 * greatest(
                    {{ great_circle_m("west_deg", "south_deg", "lon_deg", "lat_deg") }},
                    {{ great_circle_m("west_deg", "north_deg", "lon_deg", "lat_deg") }}
                )
            end as radius_m
        from {{ relation }}
    )
{%- endmacro %}

{#- Average edge lengths in metres of resolutions 12 to 0 (h3geo.org, table of cell statistics). -#}
{% macro h3_edges_m() -%}
    {{ return([
        10.830188, 28.663897, 75.863783, 200.786148, 531.414010, 1406.475763, 3724.532667, 9854.090990, 26071.759680,
        68979.221790, 182512.956500, 483056.839100, 1281256.011000
    ]) }}
{%- endmacro %}

{#-
  Points less than this share of the average edge apart lie in one cell or in neighbours: the least distance between cells that
  are no neighbours, over all cells (tests/unit/test_candidates.py measures it), with a margin.
-#}
{% macro h3_reach() -%}
    {{ return(0.5) }}
{%- endmacro %}
