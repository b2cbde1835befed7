{#-
  Installations as sites to lay over areas: `site` in parts where it crosses the antimeridian, `site_m2` (null for points), `site_deg2`,
  and whether a ratio of areas in degrees is one of areas on the ellipsoid to 1e-4, as it is where a degree of longitude is as long
  at the northern end as at the southern one: its relative change is tan(latitude) a radian.
-#}
{% macro sites_of_installations(columns=[]) -%}
    select
        *,
        case when st_dimension(site) = 2 then st_area_spheroid(site) end as site_m2,
        st_area(site) as site_deg2,
        tan(radians(least(89.9, greatest(abs(st_ymin(site)), abs(st_ymax(site)))))) * radians(st_ymax(site) - st_ymin(site)) < 1e-4 as is_small
    from (
        select installation_id, {{ cut_at_antimeridian("geometry") }} as site{% for column in columns %}, {{ column }}{% endfor %}
        from {{ ref("prep_pv_installations") }}
        where geometry is not null
    )
{%- endmacro %}

{#-
  Share of each site on each kind of area: rows of installation_id, kind, share (0 to 1; the shares of a site add up to 1 at most) and
  n_areas (of all kinds). A point has share 1 of the one area that has its place. What only touches a site is left out.

  `sites` is a CTE of sites_of_installations. `areas` is one of area_id (unique), kind, layer, area_rank, geometry (valid polygons):
  of several layers the greatest that a site meets counts for it; where areas overlap, the place belongs to the one of the least
  area_rank, then of the first kind. Declare `areas` NOT MATERIALIZED: it may be larger than memory.

  The join is a bare st_intersects, which runs as SPATIAL_JOIN with the smaller side (the sites, as a rule) as its index; whatever
  compares both sides stands after a window, from where no filter moves into the join. Most sites are settled by ratios of areas;
  others, on several areas or large, by the union of what they share, on the ellipsoid.
-#}
{% macro shares_of_sites(sites, areas) -%}
with met as (
    select
        installation_id,
        area_id,
        kind,
        layer,
        area_rank,
        site_m2 is null as is_point,
        is_small,
        case
            when site_m2 is null then 1
            when site_deg2 > 0 then {{ shared_area("site", "geometry") }} / site_deg2
        end as ratio
    from {{ sites }} as sites
    inner join {{ areas }} as areas on st_intersects(sites.site, areas.geometry)
),

layered as (
    select *, max(layer) filter (where ratio > 0) over (partition by installation_id) as finest_layer
    from met
),

placed as (
    select
        *,
        ratio > 1 - 1e-9 as is_covered,
        dense_rank() over (partition by installation_id order by area_rank, kind) as place,
        count(*) over (partition by installation_id) as n_areas
    from layered
    where layer = finest_layer and ratio > 0
),

-- Whatever ranks after an area that covers the whole site has no place left
had as (
    select *, min(place) filter (where is_covered) over (partition by installation_id) as last_place
    from placed
    qualify place <= coalesce(last_place, place)
),

judged as (
    select
        *,
        coalesce(last_place = 1, false) or (is_small and count(*) over (partition by installation_id) = 1) as is_settled
    from had
),

pieces as (
    select
        installation_id,
        judged.kind,
        judged.n_areas,
        judged.place,
        sites.site_m2,
        st_union_agg(st_collectionextract(st_intersection(sites.site, areas.geometry), 3)) as piece
    from judged
    inner join {{ sites }} as sites using (installation_id)
    inner join {{ areas }} as areas using (area_id)
    where not judged.is_settled
    group by all
),

reached as (
    select
        *,
        -- rounding may leave more than the whole
        least(1, coalesce(
            st_area_spheroid(st_union_agg(piece) over (partition by installation_id order by place rows unbounded preceding)) / site_m2, 0
        )) as reach
    from pieces
)

select installation_id, kind, any_value(n_areas) as n_areas, max(case when is_covered then 1 else ratio end) as share
from judged
where is_settled
group by installation_id, kind
union all
select installation_id, kind, any_value(n_areas) as n_areas, sum(share) as share
from (
    -- or a little less than before
    select *, greatest(0, reach - coalesce(lag(reach) over (partition by installation_id order by place), 0)) as share
    from reached
)
group by installation_id, kind
{%- endmacro %}
