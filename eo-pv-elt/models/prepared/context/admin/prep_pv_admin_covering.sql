-- Every area that covers an installation's centroid: of each level at most one, unless areas overlap or the point is on a border
with sites as (
    select installation_id as point_id, centroid_lon_deg as lon_deg, centroid_lat_deg as lat_deg, h3_r8 as cell
    from {{ ref("prep_pv_installations") }}
)

select point_id as installation_id, area_id
from ({{ points_in_areas("sites", ref("stg_admin_areas"), ref("prep_h3_admin")) }})
