"""What the acquisition tests share: manifest entries, and short words for what came of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingest.acquire import Acquisition
from ingest.http import RetryPolicy
from ingest.manifest import Dataset

IMPATIENT = RetryPolicy(attempts=4, initial_s=0.02, max_s=0.1, retry_after_cap_s=2.0, connect_timeout_s=2.0, read_timeout_s=0.6)


def dataset(*distributions: dict[str, Any]) -> Dataset:
    """A manifest entry with the given distributions; names and formats are filled in."""
    return Dataset.model_validate(
        {
            "key": "demo",
            "title": "Demo",
            "url": "https://example.org/demo",
            "citation": "Nobody (2024)",
            "licence": {"id": "CC-BY-4.0", "commercial": "yes"},
            "vintage": "2024",
            "level": "plant",
            "geometry_kind": "polygon",
            "distributions": [
                {"name": f"form-{number}", "format": "geojson", **entry} for number, entry in enumerate(distributions, start=1)
            ],
        }
    )


def zenodo(record: int = 1, **more: Any) -> dict[str, Any]:
    return {"source": {"repository": "zenodo", "record": record}, **more}


def direct(*urls: str, **more: Any) -> dict[str, Any]:
    return {"source": {"repository": "direct", "urls": urls}, **more}


def contents(acquisition: Acquisition) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in acquisition.files}


def origins(acquisition: Acquisition) -> set[str]:
    return {file.origin for file in acquisition.files}


def write(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder
