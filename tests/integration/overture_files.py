"""Files laid out like a release of Overture Maps: in the order of space, with boxes and GeoParquet metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import yaml

GEO = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}}}


def features(geometries: list[shapely.Geometry], attributes: dict[str, list[object]]) -> pa.Table:
    """Features with ids, boxes (float32, as published) and attributes; coordinates in degrees."""
    bounds = shapely.bounds(np.array(geometries)).astype(np.float32)
    boxes = [dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, row), strict=True)) for row in bounds]
    box = pa.struct([(edge, pa.float32()) for edge in ("xmin", "xmax", "ymin", "ymax")])
    ids = attributes.pop("id", [f"feature-{n:06d}" for n in range(len(geometries))])
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "geometry": pa.array(shapely.to_wkb(geometries), pa.binary()),
            "bbox": pa.array(boxes, box),
            **{name: pa.array(values) for name, values in attributes.items()},
        }
    )


def write_release(
    folder: Path,
    release: str,
    theme: str,
    kind: str,
    table: pa.Table,
    *,
    files: int = 2,
    row_group_rows: int = 100,
    metadata: dict[str, object] | None = GEO,
) -> list[Path]:
    """Write features into files of a release, west to east.

    Args:
        folder: of the releases.
        release: id.
        theme: of the type.
        kind: the type.
        table: as :func:`features` gives it.
        files: how many.
        row_group_rows: rows a row group.
        metadata: GeoParquet metadata, ``None`` for none.
    """
    if "bbox" in table.schema.names:
        order = np.argsort([box["xmin"] for box in table["bbox"].to_pylist()], kind="stable")
        table = table.take(pa.array(order))
    if metadata is not None:
        table = table.replace_schema_metadata({"geo": json.dumps(metadata)})
    place = folder / release / f"theme={theme}" / f"type={kind}"
    place.mkdir(parents=True, exist_ok=True)
    size = -(-table.num_rows // files)
    paths = []
    for number in range(files):
        path = place / f"part-{number:05d}.zstd.parquet"
        pq.write_table(table.slice(number * size, size), path, row_group_size=row_group_rows, compression="zstd")
        paths.append(path)
    return paths


def division_areas(folder: Path) -> pa.Table:
    """The examples of Overture's schema for ``division_area``, those with whole coordinates."""
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("division_area_*.yaml"))]
    shapes = [shapely.geometry.shape(document["geometry"]) for document in documents]
    names = ("subtype", "class", "is_land", "is_territorial", "division_id", "names", "country", "region")
    attributes = {name: [document["properties"].get(name) for document in documents] for name in names}
    attributes["names"] = [{"primary": entry["primary"]} for entry in attributes["names"]]
    return features(shapes, {"id": [document["id"] for document in documents], **attributes})
