"""Writes a release as Overture Maps publishes it: GeoParquet in the order of space, in files and row groups."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from dataflows.sample.context.overture_schema import BUILDING, DIVISION_AREA, INFRASTRUCTURE, LAND_COVER, LAND_USE
from dataflows.sample.region import BBOX_DEG

RELEASE = "2026-11-18.0"
UPDATED = "2026-10-31T00:00:00.000Z"
LICENCE = "CC0-1.0"


@dataclass(frozen=True)
class FeatureType:
    """One feature type of a release.

    Args:
        theme: that it belongs to.
        name: of the type.
        schema: of its files.
        dataset: where its features are said to come from.
        files: how many it is split into.
        row_group_size: features a row group, small enough for a reader to skip some.
    """

    theme: str
    name: str
    schema: pa.Schema
    dataset: str
    files: int
    row_group_size: int

    @property
    def folder(self) -> Path:
        """Below the release's."""
        return Path(f"theme={self.theme}", f"type={self.name}")


DIVISION_AREAS = FeatureType("divisions", "division_area", DIVISION_AREA, "OpenStreetMap", files=2, row_group_size=6)
BUILDINGS = FeatureType("buildings", "building", BUILDING, "OpenStreetMap", files=2, row_group_size=128)
INFRASTRUCTURES = FeatureType("base", "infrastructure", INFRASTRUCTURE, "OpenStreetMap", files=2, row_group_size=16)
LAND_USES = FeatureType("base", "land_use", LAND_USE, "OpenStreetMap", files=2, row_group_size=256)
LAND_COVERS = FeatureType("base", "land_cover", LAND_COVER, "ESA WorldCover", files=2, row_group_size=256)


def write_features(features: gpd.GeoDataFrame, kind: FeatureType, seed: int, release: Path) -> None:
    """Write all files of one feature type.

    Args:
        features: in EPSG:4326. Columns of the type's schema are taken, those that are missing are empty; ``id``, ``bbox``,
            ``version`` and ``sources`` are made.
        kind: of the features.
        seed: of the world, from which ids follow.
        release: the release's folder.
    """
    features = features.iloc[np.argsort(features.hilbert_distance(total_bounds=BBOX_DEG), kind="stable")]
    table = _table(features.reset_index(drop=True), kind, seed)
    folder = release / kind.folder
    folder.mkdir(parents=True)
    borders = np.linspace(0, len(table), kind.files + 1).astype(int)
    for number, (start, end) in enumerate(pairwise(borders)):
        part = table.slice(start, end - start)
        name = f"part-{number:05d}-{uuid5(NAMESPACE_URL, f'{RELEASE}/{kind.name}')}-c000.zstd.parquet"
        metadata = {"geo": json.dumps(_geo(features.geometry.to_numpy()[start:end]))}
        pq.write_table(
            part.replace_schema_metadata(metadata), folder / name, compression="zstd", row_group_size=kind.row_group_size
        )


def _table(features: gpd.GeoDataFrame, kind: FeatureType, seed: int) -> pa.Table:
    shapes = features.geometry.to_numpy()
    ids = [str(uuid5(NAMESPACE_URL, f"{seed}/{kind.name}/{number}")) for number in range(len(features))]
    source = {"property": "", "dataset": kind.dataset, "license": LICENCE, "update_time": UPDATED}
    made = {
        "id": ids,
        "geometry": shapely.to_wkb(shapes),
        "bbox": _boxes(shapes),
        "version": np.ones(len(features), dtype=np.int32),
        "sources": [[source | {"record_id": f"w{number + 1}@1"}] for number in range(len(features))],
    }
    columns = []
    for field in kind.schema:
        if field.name in made:
            columns.append(pa.array(made[field.name], type=field.type))
        elif field.name in features:
            columns.append(pa.array(features[field.name], type=field.type, from_pandas=True))
        else:
            columns.append(pa.nulls(len(features), type=field.type))
    return pa.Table.from_arrays(columns, schema=kind.schema)


def _boxes(shapes: NDArray[np.object_]) -> pa.StructArray:
    """Single-precision boxes, rounded outwards so that they hold what they are the boxes of."""
    west, south, east, north = shapely.bounds(shapes).T
    below, above = np.float32(-np.inf), np.float32(np.inf)
    sides = {
        "xmin": np.nextafter(west.astype(np.float32), below),
        "xmax": np.nextafter(east.astype(np.float32), above),
        "ymin": np.nextafter(south.astype(np.float32), below),
        "ymax": np.nextafter(north.astype(np.float32), above),
    }
    return pa.StructArray.from_arrays([pa.array(side) for side in sides.values()], names=list(sides))


def _geo(shapes: NDArray[np.object_]) -> dict[str, object]:
    """Metadata of GeoParquet 1.1; without a CRS it is longitude and latitude on WGS 84."""
    sides = {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}
    column = {
        "encoding": "WKB",
        "geometry_types": sorted({shape.geom_type for shape in shapes}),
        "bbox": shapely.total_bounds(shapes).tolist(),
        "covering": {"bbox": sides},
    }
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
