"""The one call of each dbt model of statistics."""

from __future__ import annotations

import pyarrow as pa

from dataflows.prepared.statistics import cell_statistics, point_patterns, schemas
from dataflows.run import build_driver


def hotspots(study_cells: pa.Table) -> pa.Table:
    """Hot and cold spots among the cells of each studied area.

    Args:
        study_cells: a row an area and H3 cell, the empty ones too: ``area``, ``resolution``, ``cell`` (uint64),
            ``n_installations``, ``capacity_mw``, ``cell_area_km2``, ``permutations``, ``seed``, ``false_discovery_rate``. The
            order of rows does not matter.

    Returns:
        Rows as :data:`dataflows.prepared.statistics.schemas.HOTSPOTS` has them; none of a measure that is the same everywhere.
    """
    return build_driver(cell_statistics).execute(["hotspots"], inputs={"study_cells": study_cells})["hotspots"]


def area_statistics(study_cells: pa.Table, study_sites: pa.Table, study_areas: pa.Table) -> pa.Table:
    """Statistics of whole areas: Moran's I of each, Ripley's K of the chosen one.

    Args:
        study_cells: as for :func:`hotspots`.
        study_sites: a row an area and installation: ``area``, ``installation_id``, ``centroid_lon_deg``, ``centroid_lat_deg``
            (EPSG:4326).
        study_areas: a row an area: ``area``, ``is_chosen``, ``study_window`` (WKB, EPSG:4326, within ±180°),
            ``random_patterns``, ``seed``, ``max_distance_m`` (or null).

    Returns:
        Rows as :data:`dataflows.prepared.statistics.schemas.AREA_STATISTICS` has them.

    Raises:
        BuildError: there are areas, but the chosen one is none of them.
    """
    inputs = {"study_cells": study_cells, "study_sites": study_sites, "study_areas": study_areas}
    found = build_driver(cell_statistics, point_patterns).execute(["global_moran", "ripley_k"], inputs=inputs)
    return pa.concat_tables([found["global_moran"], found["ripley_k"]]).cast(schemas.AREA_STATISTICS)
