"""The manifest held against the real files of the mirror, read with GDAL (pyogrio), pyarrow and the standard library."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pyproj
import pytest
from published_files import HELD, MANIFEST, distribution_of, table_of

from ingest.manifest import Distribution

pytestmark = pytest.mark.realdata

held = pytest.mark.parametrize(("key", "name"), HELD, ids=lambda part: part)


def selected(mirror: Path, key: str, distribution: Distribution) -> set[str]:
    folder = mirror / key
    if not folder.is_dir():
        return set()
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in names if distribution.files.accepts(name)}


def test_each_distribution_takes_exactly_its_files_from_the_mirror(mirror: Path) -> None:
    found = {
        (dataset.key, distribution.name): names
        for dataset in MANIFEST.datasets.values()
        for distribution in dataset.distributions
        if (names := selected(mirror, dataset.key, distribution))
    }
    assert found == HELD


def test_every_vector_folder_of_the_mirror_has_an_entry(mirror: Path) -> None:
    context = {"climate", "natural_earth_v5", "overture_samples", "rasters", "solar_resource", "stac"}
    assert {path.name for path in mirror.iterdir() if path.is_dir()} - context == {key for key, _ in HELD}


@held
def test_checksums_are_those_of_the_files(mirror: Path, key: str, name: str) -> None:
    for file, checksum in distribution_of(key, name).checksums.items():
        algorithm, _, expected = checksum.partition(":")
        assert hashlib.new(algorithm, (mirror / key / file).read_bytes()).hexdigest() == expected


@held
def test_rows_crs_kind_and_coverage_are_as_stated(mirror: Path, key: str, name: str) -> None:
    dataset, distribution = MANIFEST[key], distribution_of(key, name)
    tables = [table_of(mirror / key / file, distribution) for file in sorted(HELD[key, name])]
    assert all(table.crs is not None for table in tables)
    rows = sum(map(len, tables))
    assert (distribution.expected_rows.min, distribution.expected_rows.max) == (rows, rows)

    # plain arrays: a shift between datums is metres, far below the margin of a bbox
    west, south, east, north = dataset.coverage.bbox
    for table in tables:
        placed = table[table.geometry.notna() & ~table.geometry.is_empty]
        bounds = placed.geometry.to_crs(pyproj.CRS("EPSG:4326")).total_bounds
        assert west <= bounds[0] <= bounds[2] <= east
        assert south <= bounds[1] <= bounds[3] <= north
        kind = {"Point": "point", "Polygon": "polygon", "MultiPolygon": "polygon"}
        assert set(placed.geom_type.map(kind)) == {distribution.geometry_kind or dataset.geometry_kind}


def test_the_two_rows_of_california_without_coordinates_are_those_the_notes_name(mirror: Path) -> None:
    table = pd.read_csv(mirror / "usa_cali_usgs_pv_2016" / "polygonDataExceptVertices.csv", encoding="utf-8-sig")
    assert table.loc[table.centroid_longitude.isna(), "polygon_id"].tolist() == [8722, 11251]
    assert table.polygon_id.isna().sum() == 1
