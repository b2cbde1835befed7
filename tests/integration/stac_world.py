"""STAC items made for tests, with what a test needs to spoil."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from ingest.stac_manifest import Catalog

FOOTPRINT = {"type": "Polygon", "coordinates": [[[10.0, 50.0], [11.0, 50.0], [11.0, 51.0], [10.0, 51.0], [10.0, 50.0]]]}


def stac_item(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A valid item of STAC 1.0; ``changes`` replace top-level fields, ``properties`` and ``assets`` are merged into."""
    west = 10.0 + number % 5
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v1.1.0/schema.json"],
        "id": f"scene-{number:03d}",
        "collection": "scenes",
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[west, 50.0], [west + 1, 50.0], [west + 1, 51.0], [west, 51.0], [west, 50.0]]],
        },
        "bbox": [west, 50.0, west + 1, 51.0],
        "properties": {
            "datetime": f"2024-{number % 12 + 1:02d}-05T10:00:00Z",
            "eo:cloud_cover": number * 7 % 100,
            "proj:epsg": 32632,
            "proj:shape": [100, 200],
            "proj:transform": [10, 0, 600000, 0, -10, 5600000],
        },
        "assets": {
            "red": {
                "href": f"https://example.org/{number}/red.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "eo:bands": [{"name": "B04", "common_name": "red"}],
                "raster:bands": [{"data_type": "uint16", "nodata": 0, "scale": 0.0001, "offset": -0.1}],
            },
            "thumbnail": {"href": f"https://example.org/{number}/small.png", "roles": ["thumbnail"]},
        },
        "links": [{"rel": "collection", "href": "https://example.org/collection.json"}],
    }
    for name, value in copy.deepcopy(changes).items():
        if name in ("properties", "assets") and isinstance(value, dict):
            item[name].update(value)
        else:
            item[name] = value
    return item


def catalog(kind: str = "files", *, search: dict[str, Any] | None = None, **more: Any) -> Catalog:
    """A manifest entry; further source fields and entry fields by name."""
    entry_fields = {name: more.pop(name) for name in ("auth", "collections", "status", "reason") if name in more}
    return Catalog.model_validate(
        {
            "key": "demo",
            "title": "Demo",
            "documentation": "https://example.org",
            "licence": {"id": "CC0-1.0", "commercial": "yes"},
            "source": {"kind": kind, **more},
            "search": search or {},
            **entry_fields,
        }
    )


def write_ndjson(path: Path, items: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in items))
    return path
