select
    area,
    measure,
    resolution,
    cell,
    value,
    n_neighbours,
    gi_star_z,
    p_value,
    q_value,
    class
from {{ ref("prep_cell_hotspots") }}
