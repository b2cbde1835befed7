-- Levels at which an installation has no area although there are some that it might be near to
with areas as (
    select area_id, level, {{ country_key() }} as country_key from {{ ref("stg_admin_areas") }}
),

covering as (
    select covering.installation_id, areas.level, areas.country_key
    from {{ ref("prep_pv_admin_covering") }} as covering
    inner join areas using (area_id)
),

countries as (
    select distinct installation_id, country_key from covering where level = 'country'
),

sites as (
    select installation_id, centroid_lon_deg as lon_deg, centroid_lat_deg as lat_deg
    from {{ ref("prep_pv_installations") }}
),

of_no_country as (
    select sites.installation_id, levels.level, sites.lon_deg, sites.lat_deg
    from sites
    inner join (select distinct level from areas) as levels on true
    where sites.installation_id not in (select installation_id from countries)
),

-- of a country that is divided, but by no area that covers the site
of_no_division as (
    select distinct sites.installation_id, divided.level, sites.lon_deg, sites.lat_deg
    from sites
    inner join countries using (installation_id)
    inner join (select distinct level, country_key from areas where level != 'country') as divided using (country_key)
    anti join covering
        on sites.installation_id = covering.installation_id
        and divided.level = covering.level
        and divided.country_key = covering.country_key
)

from of_no_country
union all
from of_no_division
