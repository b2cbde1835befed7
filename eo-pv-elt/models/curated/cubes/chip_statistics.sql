-- Of an installation that entity resolution has dissolved since, the next build of the cubes knows no more
select *
from {{ ref("raw_cube_chip_statistics") }}
where installation_id in (select installation_id from {{ ref("pv_installations") }})
