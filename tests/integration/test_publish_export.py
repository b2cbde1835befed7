"""Exports, read back with GeoPandas, GDAL and pandas: rows, values, shapes; what a format lacks; nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from command_line import ran
from shapely import MultiPolygon, Point, Polygon, box

from dataflows.publish.descriptions import Description, describe, unit
from dataflows.publish.export import Exported, Request, export
from dataflows.publish.formats import SUFFIXES, ExportFormat
from dataflows.publish.source import Source
from db import connect
from db.errors import EopvError, PublishError
from db.settings import Settings, using

CLOCKWISE = Polygon([(10, 50), (10, 51), (11, 51), (11, 50)])
JUMPING = Polygon([(179.9, -17), (-179.8, -17), (-179.8, -16), (179.9, -16)])
BEYOND = box(179.5, 10, 180.5, 11)
SHAPES = {
    "point": Point(8.25, 49.5),
    "clockwise": CLOCKWISE,
    "multi": MultiPolygon([box(0, 0, 1, 1), box(2, 2, 3, 3)]),
    "jumping": JUMPING,
    "beyond": BEYOND,
    "none": None,
}
CELL = h3.str_to_int("881fa1d585fffff")
TEXT = 'ü, "quoted"\nline'
# At the antimeridian: the Fiji islands' side of it
FIJI = [h3.str_to_int(h3.latlng_to_cell(-17, lon, 3)) for lon in (179.99, 178.0)]


@dataclass(frozen=True)
class Lake:
    settings: Settings
    folder: Path

    def export(self, kind: ExportFormat, table: str = "odd", **more) -> Exported:
        return export(Request(table, kind, self.folder / f"{table}-{kind}{SUFFIXES[kind]}", **more), self.settings)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a table of every awkward type and shape, one of cells, and one without geometry."""
    folder = tmp_path_factory.mktemp("exports [x]")
    settings = Settings(home=folder / "home", _env_file=None)
    # As after a build of a project that has none of these tables; without, each would be looked for by dbt
    manifest = settings.home / "dbt" / "target" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"nodes": {}, "sources": {}}))
    with connect(lake=settings) as con:
        con.execute(
            """
            CREATE TABLE lake.curated.odd (id VARCHAR, n BIGINT, h3_r8 UBIGINT, tags VARCHAR[], facts MAP(VARCHAR, INTEGER),
                part STRUCT(a DOUBLE, b VARCHAR), huge UBIGINT, exact DECIMAL(9, 3), small UTINYINT, flag BOOLEAN, day DATE,
                "at" TIMESTAMPTZ, raw BLOB, text VARCHAR, area_m2 DOUBLE, geometry GEOMETRY)
            """
        )
        for n, (name, shape) in enumerate(SHAPES.items()):
            con.execute(
                "INSERT INTO lake.curated.odd VALUES (?, ?, ?, ['a', 'b;c'], MAP {'k': 1}, {'a': 0.5, 'b': 'x'},"
                " 18446744073709551615, 1.125, 200, true, '2024-02-29', '2024-02-29 12:30:00+00',"
                " '\\x00\\xFF', ?, 0.1, ST_GeomFromWKB(?))",
                [name, n, CELL, TEXT, None if shape is None else shapely.to_wkb(shape)],
            )
        con.execute("CREATE TABLE lake.curated.counts AS SELECT 1 AS n")
        cells = "SELECT unnest(?::UBIGINT[]) AS cell, 3 AS n, NULL::UBIGINT AS parent_cell"
        con.execute(f"CREATE TABLE lake.curated.cells AS {cells}", [FIJI])
    return Lake(settings, folder)


def read(file: Path, kind: ExportFormat) -> gpd.GeoDataFrame:
    if kind is ExportFormat.GEOPARQUET:
        return gpd.read_parquet(file).set_index("id")
    if kind is ExportFormat.CSV:
        found = pd.read_csv(file, keep_default_na=False)
        shapes = [shapely.from_wkt(text) if text else None for text in found.geometry]
        return gpd.GeoDataFrame(found.drop(columns="geometry"), geometry=shapes, crs=4326).set_index("id")
    return pyogrio.read_dataframe(file).set_index("id")


def parsed(value: object) -> object:
    """JSON, which GDAL has taken apart already where the file is JSON itself."""
    if isinstance(value, str):
        return json.loads(value)
    return value.tolist() if isinstance(value, np.ndarray) else value


def true_area(shape: shapely.Geometry) -> float:
    """In square degrees, of a shape that may cross the antimeridian."""
    return 0.3 if shape is JUMPING else shape.area


WHOLE = [kind for kind in ExportFormat if kind is not ExportFormat.PMTILES]


@pytest.mark.parametrize("kind", WHOLE)
def test_rows_values_and_shapes_survive(lake: Lake, kind: ExportFormat) -> None:
    done = lake.export(kind)
    assert (done.rows, done.without_geometry) == (len(SHAPES), 1)
    found = read(done.file, kind)
    assert set(found.index) == set(SHAPES)
    assert found.n.astype(int).to_dict() == {name: n for n, name in enumerate(SHAPES)}
    assert set(found.text) == {TEXT}
    assert set(found.area_m2.astype(float)) == {0.1}
    assert {float(value) for value in found.exact} == {1.125}
    assert {int(value) for value in found.small} == {200}
    assert {str(value).lower() for value in found.flag} <= {"true", "1"}
    assert {pd.Timestamp(value).date() for value in found.day} == {date(2024, 2, 29)}
    times = pd.to_datetime(found["at"], utc=True)
    assert set(times) == {pd.Timestamp(datetime(2024, 2, 29, 12, 30, tzinfo=UTC))}
    if kind is not ExportFormat.GEOPARQUET:
        assert set(found.h3_r8) == {h3.int_to_str(CELL)}
        assert parsed(found.tags.iloc[0]) == ["a", "b;c"]
        assert parsed(found.facts.iloc[0]) == {"k": 1}
        assert parsed(found.part.iloc[0]) == {"a": 0.5, "b": "x"}
        if kind is not ExportFormat.CSV:
            assert set(found.huge) == {str(2**64 - 1)}
    else:
        assert set(found.h3_r8) == {CELL}
        assert list(found.tags.iloc[0]) == ["a", "b;c"]
    for name, shape in SHAPES.items():
        got = found.geometry[name]
        if shape is None:
            assert got is None
        elif kind is ExportFormat.GEOJSON:
            assert got.area == pytest.approx(true_area(shape), abs=1e-7)
        else:
            assert shapely.equals_exact(shapely.normalize(got), shapely.normalize(_as_written(shape, got)), 1e-12), name


def _as_written(shape: shapely.Geometry, got: shapely.Geometry) -> shapely.Geometry:
    """Single polygons become multiple ones where a layer has to have one type."""
    return MultiPolygon([shape]) if got.geom_type == "MultiPolygon" and shape.geom_type == "Polygon" else shape


def test_geojson_is_what_its_standard_says(lake: Lake) -> None:
    content = json.loads(lake.export(ExportFormat.GEOJSON).file.read_text(encoding="utf-8"))
    assert "crs" not in content
    for feature in content["features"]:
        if feature["geometry"] is None:
            continue
        for part in shapely.get_parts(shapely.geometry.shape(feature["geometry"])):
            west, _, east, _ = part.bounds
            assert -180 <= west <= east <= 180
            assert east - west < 180
            if part.geom_type == "Polygon":
                assert part.exterior.is_ccw


def test_csv_has_a_point_inside(lake: Lake) -> None:
    found = read(lake.export(ExportFormat.CSV).file, ExportFormat.CSV)
    for name in ("point", "clockwise", "multi"):
        assert SHAPES[name].intersects(Point(float(found.lon_deg[name]), float(found.lat_deg[name])))
    assert found.lon_deg["none"] == ""


def test_tiles_hold_every_shape(lake: Lake) -> None:
    done = lake.export(ExportFormat.PMTILES, maxzoom=6)
    assert done.rows == len(SHAPES) - 1
    found = pyogrio.read_dataframe(done.file)
    assert set(found.id) == set(SHAPES) - {"none"}
    shapes = found.to_crs(4326).dissolve("id").geometry
    # A tile of zoom 6 has 4096 steps: some 0.0014°
    assert shapely.hausdorff_distance(shapes["clockwise"], CLOCKWISE) < 0.01
    west, _, east, _ = shapes["clockwise"].bounds
    assert (west, east) == pytest.approx((10, 11), abs=0.01)
    assert shapes["beyond"].area == pytest.approx(1.0, abs=0.05)
    assert shapes["jumping"].area == pytest.approx(0.3, abs=0.05)
    assert set(found.h3_r8) == {h3.int_to_str(CELL)}


@pytest.mark.parametrize("kind", [ExportFormat.GEOPARQUET, ExportFormat.GPKG])
def test_cells_have_their_outline_cut_at_the_antimeridian(lake: Lake, kind: ExportFormat) -> None:
    done = lake.export(kind, "cells")
    found = gpd.read_parquet(done.file) if kind is ExportFormat.GEOPARQUET else pyogrio.read_dataframe(done.file)
    keys = [h3.int_to_str(cell) if isinstance(cell, int | np.integer) else cell for cell in found.cell]
    for key, shape in zip(keys, found.geometry, strict=True):
        boundary = np.array([(lng, lat) for lat, lng in h3.cell_to_boundary(key)])
        if np.ptp(boundary[:, 0]) > 180:
            boundary[:, 0] = np.where(boundary[:, 0] < 0, boundary[:, 0] + 360, boundary[:, 0])
            assert len(shapely.get_parts(shape)) == 2
            assert shape.bounds[0] == -180
        assert shape.area == pytest.approx(Polygon(boundary).area, rel=1e-9)


def test_a_condition_and_columns(lake: Lake) -> None:
    done = lake.export(ExportFormat.GEOJSON, where="n < 2 -- the first ones", columns=("id", "n"))
    found = pyogrio.read_dataframe(done.file)
    assert sorted(found.id) == ["clockwise", "point"]
    assert set(found.columns) == {"id", "n", "geometry"}
    assert [column["name"] for column in done.metadata["columns"]] == ["id", "n"]


@pytest.fixture
def here(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with using(lake.settings):
        yield tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("curated.od",), "Did you mean curated.odd"),
        (("odd", "--columns", "id,tag"), "Did you mean 'tags'"),
        (("odd", "--where", "m < 1"), '"m"'),
        (("odd", "--where", "true) OR (true"), "syntax error"),
        (("counts",), "no geometry and no H3 cell"),
        (("odd", "-o", "nowhere/x.parquet"), "There is no folder nowhere"),
        (("odd", "-o", "."), "is a folder"),
        (("odd", "-f", "pmtiles", "--minzoom", "9", "--maxzoom", "3"), "are no zooms"),
        (("odd", "--licence", "commercial"), "cannot be exported for commercial use"),
        (("odd", "--as-of", "99999"), "no snapshot"),
        (("odd", "-f", "gpkg", "--where", "CAST(text AS INTEGER) > 0"), "Could not convert"),
        (("odd", "-f", "csv", "--where", "CAST(text AS INTEGER) > 0"), "Could not convert"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(here: Path, arguments: tuple[str, ...], told: str) -> None:
    done = ran("export", *arguments)
    assert done.code == 1
    assert told in done.err
    assert done.out == ""
    assert list(here.iterdir()) == []


def test_a_failure_leaves_the_earlier_file(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "x.fgb"
    export(Request("odd", ExportFormat.FLATGEOBUF, file), lake.settings)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"x.fgb", "x.fgb.metadata.json", "x.fgb.CITATION.txt"}
    with pytest.raises(EopvError):
        export(Request("odd", ExportFormat.FLATGEOBUF, file, where="CAST(text AS INTEGER) > 0"), lake.settings)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_table_without_geometry_is_csv_only(lake: Lake) -> None:
    done = lake.export(ExportFormat.CSV, "counts")
    assert done.file.read_text() == "n\n1\n"
    for kind in set(ExportFormat) - {ExportFormat.CSV}:
        with pytest.raises(PublishError, match="csv"):
            lake.export(kind, "counts")


def test_the_lake_as_it_was(lake: Lake, tmp_path: Path) -> None:
    with connect(lake=lake.settings) as con:
        (before,) = con.execute("SELECT id FROM lake.current_snapshot()").fetchone()
        con.execute("CREATE TABLE lake.curated.late AS SELECT 1 AS n UNION ALL SELECT 2")
        con.execute("DELETE FROM lake.curated.late WHERE n = 2")
        (after,) = con.execute("SELECT id FROM lake.current_snapshot()").fetchone()
    for as_of, rows in ((after, 1), (after - 1, 2)):
        done = export(Request("late", ExportFormat.CSV, tmp_path / "late.csv", as_of=as_of), lake.settings)
        assert (done.rows, done.metadata["snapshot"]["id"]) == (rows, as_of)
    with pytest.raises(PublishError, match="no table"):
        export(Request("late", ExportFormat.CSV, tmp_path / "late.csv", as_of=before), lake.settings)


def test_columns_are_described_before_there_was_a_build(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", _env_file=None)
    found = describe(Source("curated", "pv_installations", ()), settings)
    assert "golden record" in found.text
    assert found.columns["area_m2"]
    assert describe(Source("curated", "unheard_of", ()), settings) == Description()


@pytest.mark.parametrize(
    ("column", "expected"),
    [("capacity_mw_dc_estimated_low", "MW"), ("area_m2", "m²"), ("ghi_kwh_m2_year", "kWh/m²/year"), ("name", None)],
)
def test_units_are_those_of_the_suffix(column: str, expected: str | None) -> None:
    assert unit(column) == expected
