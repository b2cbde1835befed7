"""The one call of the dbt model ``prep_pv_clusters``."""

from __future__ import annotations

import pyarrow as pa

from dataflows.prepared import clusters as clusters_dag
from dataflows.run import build_driver


def clusters(observations: pa.Table | pa.RecordBatchReader, links: pa.Table | pa.RecordBatchReader) -> pa.Table:
    """Clusters of observations of one site.

    Args:
        observations: a row an observation: ``observation_key`` (uint64), ``dataset``, ``level``, ``trust`` (reference, normal
            or low), ``one_row_per_site``, ``lon_deg`` and ``lat_deg`` of the centroid (EPSG:4326), ``extent_cap_m``.
        links: a row a pair: ``key_a`` < ``key_b`` (uint64), ``match_probability``, ``iou`` (0 where not both are polygons),
            ``distance_m``, ``same_site``, ``by_attribute`` (by shared id or name), ``part_key`` (the end within the other one,
            or null). Other columns of both tables are ignored, and so is the order of rows.

    Returns:
        A row an observation, in key order: ``observation_key``, ``component_key``, ``cluster_key`` (least keys of both),
        ``parent_cluster_key`` (the outermost cluster around it, or null), ``link_key`` (other end of its strongest accepted
        link, or null), ``creates_installation`` (not all of the cluster is of low trust).

    Raises:
        BuildError: a column or value is missing, a key or pair occurs twice, or a link's end is no observation.
    """
    inputs = {name: _table(given) for name, given in (("observations", observations), ("links", links))}
    return build_driver(clusters_dag).execute(["clusters"], inputs=inputs)["clusters"]


def _table(given: pa.Table | pa.RecordBatchReader) -> pa.Table:
    return given if isinstance(given, pa.Table) else given.read_all()
