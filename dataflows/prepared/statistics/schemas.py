"""Columns of the tables of statistics."""

from __future__ import annotations

import pyarrow as pa

HOTSPOTS = pa.schema(
    [
        ("area", pa.string()),
        ("measure", pa.string()),
        ("resolution", pa.uint8()),
        ("cell", pa.uint64()),
        ("value", pa.float64()),
        ("n_neighbours", pa.int32()),
        ("gi_star_z", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("class", pa.string()),
    ]
)

AREA_STATISTICS = pa.schema(
    [
        ("statistic", pa.string()),
        ("area", pa.string()),
        ("measure", pa.string()),
        ("resolution", pa.uint8()),
        ("distance_m", pa.float64()),
        ("value", pa.float64()),
        ("expected", pa.float64()),
        ("z_score", pa.float64()),
        ("p_value", pa.float64()),
        ("p_simulated", pa.float64()),
        ("simulated_low", pa.float64()),
        ("simulated_high", pa.float64()),
        ("n", pa.int64()),
        ("n_simulations", pa.int32()),
        ("seed", pa.int64()),
    ]
)
