"""The DAGs there are, by name."""

from __future__ import annotations

from hamilton.driver import Driver

from dataflows.cubes import virtual
from dataflows.cubes.chip import dag as chips_dag
from dataflows.prepared import area_cover, clusters, nearest_areas
from dataflows.prepared.energy import dag as energy_dag
from dataflows.prepared.statistics import cell_statistics, monthly_series, point_patterns
from dataflows.raw import ingest_run, stac_items
from dataflows.raw.context_ingest import context_driver
from dataflows.raw.ingest import vector_driver
from dataflows.run import build_driver
from ingest.manifest import Format

CONTEXTS = {
    "context_vectors": "vector",
    "context_overture": "overture",
    "context_rasters": "raster",
    "context_irradiance": "nsrdb",
}
DAGS = (
    "doi_vectors",
    "ingest_run",
    "stac_items",
    *CONTEXTS,
    "clusters",
    "area_cover",
    "nearest_areas",
    "virtual",
    "chips",
    "cell_statistics",
    "point_patterns",
    "monthly_series",
    "energy_yield",
)


def dag_driver(name: str, kind: Format) -> Driver:
    """The driver of a DAG; ``kind`` is the published format where the DAG depends on it."""
    match name:
        case "doi_vectors":
            return vector_driver(kind)
        case "ingest_run":
            return build_driver(ingest_run, workers=1)
        case "stac_items":
            return build_driver(stac_items)
        case _ if name in CONTEXTS:
            return context_driver(CONTEXTS[name], kind, by_piece=name in ("context_rasters", "context_irradiance"))
        case "area_cover":
            return build_driver(area_cover)
        case "nearest_areas":
            return build_driver(nearest_areas)
        case "virtual":
            return build_driver(virtual)
        case "chips":
            return build_driver(chips_dag)
        case "cell_statistics":
            return build_driver(cell_statistics)
        case "point_patterns":
            return build_driver(point_patterns)
        case "monthly_series":
            return build_driver(monthly_series)
        case "energy_yield":
            return build_driver(energy_dag)
        case _:
            return build_driver(clusters)
