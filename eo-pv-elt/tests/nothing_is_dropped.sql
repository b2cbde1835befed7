-- Every landed row is an observation.
select dataset, rows_landed, n_observations
from {{ ref("dataset_summary") }}
where rows_landed != n_observations
    or n_observations != n_valid + n_repaired + n_without_geometry
