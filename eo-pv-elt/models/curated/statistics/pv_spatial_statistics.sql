select
    statistic,
    area,
    measure,
    resolution,
    distance_m,
    value,
    expected,
    z_score,
    p_value,
    p_simulated,
    simulated_low,
    simulated_high,
    n,
    n_simulations,
    seed
from {{ ref("prep_area_statistics") }}
