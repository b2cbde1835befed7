"""The ``geo`` metadata of exports, held against the specification's required fields."""

from __future__ import annotations

import json

import pyproj
import pytest
from shapely import geometry

from dataflows.raw.geoparquet import _standard_name, holds, metadata

# https://geoparquet.org/releases/v1.1.0/: 7 types, each with an optional " Z"
SINGLE = {"Point", "LineString", "Polygon", "GeometryCollection"}
TYPES = [name for name in dir(geometry) if name in SINGLE or name.startswith("Multi")]


def test_names_of_types_are_those_of_the_specification() -> None:
    assert len(TYPES) == 7
    for name in TYPES:
        assert _standard_name(name.upper()) == name
        assert _standard_name(f"{name.upper()} Z") == f"{name} Z"


def test_metadata_have_what_version_1_1_requires() -> None:
    geo = json.loads(json.dumps(metadata(["Point", "Polygon Z"])))
    assert geo["version"] == "1.1.0"
    column = geo["columns"][geo["primary_column"]]
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["Point", "Polygon Z"]
    assert pyproj.CRS.from_json_dict(column["crs"]).equals("OGC:CRS84")
    assert column["covering"]["bbox"] == {edge: ["bbox", edge] for edge in ("xmin", "ymin", "xmax", "ymax")}


@pytest.mark.parametrize("content", [b"", b"text", b"PAR1PAR1"])
def test_a_file_that_is_not_parquet_is_no_export(tmp_path, content: bytes) -> None:
    path = tmp_path / "x.parquet"
    assert not holds(path, "f")
    path.write_bytes(content)
    assert not holds(path, "f")
