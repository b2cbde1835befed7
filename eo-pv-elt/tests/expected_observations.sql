-- Counts of a known vintage are those that were checked by hand once; an unknown vintage is not judged.
select
    expected.*,
    summary.n_observations as got_observations,
    summary.n_valid as got_valid,
    summary.n_repaired as got_repaired,
    summary.n_without_geometry as got_without_geometry
from {{ ref("expected_observations") }} as expected
inner join {{ ref("dataset_summary") }} as summary
    on expected.dataset = summary.dataset
    and expected.vintage = summary.vintage
    and expected.distribution = summary.distribution
where (expected.n_observations, expected.n_valid, expected.n_repaired, expected.n_without_geometry)
    is distinct from (summary.n_observations, summary.n_valid, summary.n_repaired, summary.n_without_geometry)
