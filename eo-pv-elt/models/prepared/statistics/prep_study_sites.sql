{% set chosen = chosen_study() -%}
with sites as (
    select * from {{ ref("pv_installations") }}
    where {{ stands_alone() }} and h3_r8 is not null
)

{% set columns = "installation_id, centroid_lon_deg, centroid_lat_deg, h3_r8" -%}
select 'country' as kind, country_code as area, country_id as area_id, {{ columns }}
from sites
where country_code is not null
{%- if chosen.kind == "region" %}
union all
select 'region', region_code, region_id, {{ columns }}
from sites
where region_code = '{{ chosen.area }}'
{%- elif chosen.kind == "box" %}
{%- set west, south, east, north = var("study_area") %}
union all
select 'box', '{{ chosen.area }}', null, {{ columns }}
from sites
where centroid_lat_deg between {{ south }} and {{ north }}
    and {% if west <= east %}centroid_lon_deg between {{ west }} and {{ east }}
    {%- else %}(centroid_lon_deg >= {{ west }} or centroid_lon_deg <= {{ east }}){% endif %}
{%- endif %}
