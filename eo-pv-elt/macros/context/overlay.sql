{#-
  Installations as sites to lay over areas: `site` in parts where it crosses the antimeridian, `site_deg2` (null for points), and
  whether a ratio of areas in degrees is one of areas on the ellipsoid to 1e-4, as it is where a degree of longitude is as long
  at the northern end as at the southern one: its relative change is tan(latitude) a radian.
-#}
{% macro sites_of_installations(columns=[]) -%}
    select
        *,
        case when st_dimension(site) = 2 then st_area(site) end as site_deg2,
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

  The join of boxes runs as SPATIAL_JOIN with the smaller side (the sites, as a rule) as its index; whatever compares both sides stands
  after a window, from where no filter moves into the join. What convex polygons share says whether they meet, too. A small site on one area is settled by the ratio
  of areas; of others shares_in_order finds which of their areas overlap, and cuts those alone.
-#}
{% macro shares_of_sites(sites, areas) -%}
with met as (
    select
        installation_id,
        area_id,
        kind,
        layer,
        area_rank,
        is_small,
        site_deg2,
        case
            when site_deg2 is null then st_intersects(site, geometry)::integer
            else coalesce(
                convex_intersection_area(st_aswkb(site)::blob, st_aswkb(geometry)::blob),
                case when st_intersects(site, geometry) then st_area(st_intersection(site, geometry)) end
            )
        end as shared_deg2
    from {{ sites }} as sites
    inner join {{ areas }} as areas on st_intersects_extent(sites.site, areas.geometry)
),

layered as (
    select *, max(layer) over (partition by installation_id) as finest_layer
    from met
    where shared_deg2 > 0
),

placed as (
    select *, count(*) over (partition by installation_id) as n_areas
    from layered
    where layer = finest_layer
),

-- Of areas with many corners, as large ones have, what lies on the site is carried along, not the whole
had as (
    select
        installation_id,
        any_value(st_aswkb(sites.site)::blob) as site,
        list(
            {
                'kind': placed.kind,
                'shared_deg2': placed.shared_deg2,
                'area': st_aswkb(
                    case
                        when st_npoints(areas.geometry) > 17 then st_collectionextract(st_intersection(sites.site, areas.geometry), 3)
                        else areas.geometry
                    end
                )::blob
            } order by placed.area_rank, placed.kind, area_id
        ) as areas
    from placed
    inner join {{ sites }} as sites using (installation_id)
    inner join (select area_id, geometry from {{ areas }}) as areas using (area_id)
    where placed.n_areas > 1 or not placed.is_small
    group by installation_id
)

select
    installation_id,
    kind,
    n_areas,
    -- rounding may leave a little less than the whole
    case when shared_deg2 / site_deg2 < 1 - 1e-9 then shared_deg2 / site_deg2 else 1 end as share
from placed
where n_areas = 1 and is_small
union all
select installation_id, kind, any_value(n_areas) as n_areas, sum(share) as share
from (
    select
        installation_id,
        len(areas) as n_areas,
        unnest(list_transform(areas, lambda area: area.kind)) as kind,
        unnest(shares_in_order(
            site, list_transform(areas, lambda area: area.area), list_transform(areas, lambda area: area.shared_deg2)
        )) as share
    from had
)
where share > 0
group by installation_id, kind
{%- endmacro %}
