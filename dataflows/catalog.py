"""The DAGs there are, by name."""

from __future__ import annotations

from hamilton.driver import Driver

from dataflows.cubes import virtual
from dataflows.cubes.chip import dag as chips_dag
from dataflows.prepared import clusters
from dataflows.raw import ingest_run, stac_items
from dataflows.raw.ingest import vector_driver
from dataflows.run import build_driver
from ingest.manifest import Format

DAGS = ("doi_vectors", "ingest_run", "stac_items", "clusters", "virtual", "chips")


def dag_driver(name: str, kind: Format) -> Driver:
    """The driver of a DAG; ``kind`` is the published format where the DAG depends on it."""
    match name:
        case "doi_vectors":
            return vector_driver(kind)
        case "ingest_run":
            return build_driver(ingest_run, workers=1)
        case "stac_items":
            return build_driver(stac_items)
        case "virtual":
            return build_driver(virtual)
        case "chips":
            return build_driver(chips_dag)
        case _:
            return build_driver(clusters)
