select
    installation_id,
    collection,
    variable,
    month,
    observed,
    is_interpolated,
    trend,
    seasonal,
    residual,
    anomaly_score
from {{ ref("prep_timeseries_components") }}
