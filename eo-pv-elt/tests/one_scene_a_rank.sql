-- A cube has one place for each.
select installation_id, collection, period, rank
from {{ ref("pv_scenes") }}
group by all
having count(*) > 1
