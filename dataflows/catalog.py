"""The DAGs there are, by name."""

from __future__ import annotations

from hamilton.driver import Driver

from dataflows.raw import ingest_run
from dataflows.raw.ingest import vector_driver
from dataflows.run import build_driver
from ingest.manifest import Format

DAGS = ("doi_vectors", "ingest_run")


def dag_driver(name: str, kind: Format) -> Driver:
    """The driver of a DAG; ``kind`` is the published format where the DAG depends on it."""
    return vector_driver(kind) if name == "doi_vectors" else build_driver(ingest_run, workers=1)
