"""The staging macro on a real lake, compared with pyproj, shapely and h3; identities across shuffled, renamed, split files."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from publishing import Publisher, entry, write_geojson
from shapely.geometry import GeometryCollection, LineString, MultiPoint, MultiPolygon, Point, Polygon, box

from dataflows.elt import run_dbt
from db import Settings, connect

BY_CONTENT = "deu_ufz_open_field_pv_2015"  # no column is unique: the content identifies a feature; kW, m², years
BY_ID = "global_harmonized_large_solar_farms_2020"  # sol_id; MW, km²
WGS84 = pyproj.Geod(ellps="WGS84")
BOWTIE = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])

STATUS = {
    "polygon": (box(10, 50, 10.01, 50.01), "valid"),
    "clockwise": (box(10, 50, 10.01, 50.01, ccw=False), "valid"),
    "point": (Point(10, 50), "valid"),
    "height": (Point(10, 51, 300), "valid"),
    "points": (MultiPoint([(10, 50), (11, 51)]), "valid"),
    "mixture": (GeometryCollection([Point(1, 2), box(0, 0, 1, 1)]), "valid"),
    "bowtie": (BOWTIE, "repaired"),
    "overlap": (MultiPolygon([box(0, 0, 2, 2), box(1, 1, 3, 3)]), "repaired"),
    "null": (None, "null"),
    "void": ({"type": "Polygon", "coordinates": []}, "empty"),
    "collection_void": ({"type": "GeometryCollection", "geometries": []}, "empty"),
    "line": (LineString([(0, 0), (1, 1)]), "unusable"),
    "flat": (Polygon([(0, 0), (1, 1), (0, 0)]), "unusable"),
    "beyond_east": (box(179.9, 0, 180.1, 1), "out_of_bounds"),
    "metres": (Point(500000, 5500000), "out_of_bounds"),
    "pole": (Point(0, 90), "valid"),
    "antimeridian": (Point(-180, 10), "valid"),
}
YEARS = {0: None, -9999: None, 1899: None, 1949: None, 1950: 1950, 2015: 2015, 2100: 2100, 2101: None, None: None}
YEARS |= {"2016": 2016, "2016.0": 2016, " 2017 ": 2017, "n/a": None, "NaN": None, "": None}
POWERS_KW = {5: 0.005, 0: 0.0, 1500.5: 1.5005, None: None, "1,234.5": 1.2345, "-": None, -9999: None, "unknown": None}


def random_polygons(count: int, seed: int) -> list[Polygon | MultiPolygon]:
    """Rotated rectangles of 10 m to 5 km anywhere between 80° S and 80° N; some with holes, some in two parts."""
    random = np.random.default_rng(seed)
    shapes: list[Polygon | MultiPolygon] = []
    for number in range(count):
        lon, lat = random.uniform(-178, 178), random.uniform(-80, 80)
        size = 10 ** random.uniform(-4, -1.3)
        outer = shapely.affinity.rotate(box(lon, lat, lon + size, lat + size / 2, ccw=bool(number % 2)), random.uniform(0, 90))
        if number % 3 == 0:
            outer = outer.difference(shapely.affinity.scale(outer, 0.4, 0.4))
        if number % 5 == 0:
            outer = MultiPolygon([outer, shapely.affinity.translate(outer, 3 * size)])
        shapes.append(outer)
    return shapes


def features() -> list[tuple[dict, object]]:
    plain = {"Year": 2000, "Power_kW": 10, "Area_sqm": 100}
    found = [({"label": f"status {name}", **plain}, shape) for name, (shape, _) in STATUS.items()]
    found += [({"label": f"year {year!r}", **plain, "Year": year}, Point(n, 20)) for n, year in enumerate(YEARS)]
    found += [({"label": f"power {power!r}", **plain, "Power_kW": power}, Point(n, 30)) for n, power in enumerate(POWERS_KW)]
    found += [({"label": f"random {number}", **plain}, shape) for number, shape in enumerate(random_polygons(400, 1))]
    found += [({"label": "copy", **plain}, box(20, 50, 20.01, 50.01))] * 3
    # The same numbers in other columns
    found += [({"label": "ambiguous first", **plain, "Power_kW": 5000, "Area_sqm": None}, Point(5, 6))]
    found += [({"label": "ambiguous second", **plain, "Power_kW": None, "Area_sqm": 5}, Point(5, 6))]
    return found


def farms() -> list[tuple[dict, object]]:
    found = [
        ({"sol_id": f"f{number}", "power": number / 7, "landscape.area": number / 3, "GID_0": "DEU"}, shape)
        for number, shape in enumerate(random_polygons(50, 2))
    ]
    # An id that the publisher gave twice
    return [*found, ({**found[0][0], "power": 99.0}, found[0][1]), ({**found[0][0], "power": 98.0}, Point(1, 1))]


def staged(lake: Settings, dataset: str) -> pd.DataFrame:
    """Staged rows with the label (or other published columns) of the landed row they come from."""
    with connect(read_only=True, lake=lake) as con:
        rows = con.sql(
            f"SELECT s.* REPLACE (ST_AsWKB(s.geometry) AS geometry), COLUMNS(l.* EXCLUDE (geometry, source_file, source_sha256,"
            f" source_row, ingested_at, ingest_run_id)) AS 'published_\\0' FROM staging.stg_{dataset} AS s"
            f" JOIN landing.{dataset} AS l USING (source_file, source_row)"
        ).to_arrow_table()
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in rows.to_pydict().items()})


def build(lake: Settings) -> None:
    results = run_dbt("run", lake, arguments=("--select", f"+stg_{BY_CONTENT}", f"+stg_{BY_ID}"))
    assert not [result for result in results if result.failed], results


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[pd.DataFrame]]:
    """Both datasets staged three times: as published, shuffled under another file name, and split over two files."""
    folder = tmp_path_factory.mktemp("staging")
    lake = Settings(home=folder / "home", _env_file=None)
    found: dict[str, list[pd.DataFrame]] = {BY_CONTENT: [], BY_ID: []}
    for number, names in enumerate([["a"], ["renamed"], ["part1", "part2"]]):
        mirror = folder / f"mirror{number}"
        with connect(lake=lake) as con:
            publisher = Publisher(lake, mirror, con)
            for key, rows in ((BY_CONTENT, features()), (BY_ID, farms())):
                order = np.random.default_rng(number).permutation(len(rows)) if number else np.arange(len(rows))
                shuffled = [rows[position] for position in order]
                for part, name in enumerate(names):
                    write_geojson(publisher.folder(key) / f"{name}.geojson", shuffled[part :: len(names)])
                germany = {"coverage": {"countries": ["DEU"]}}
                assert publisher.ingest(entry(key, "geojson", dataset=germany)).status == "landed"
        build(lake)
        for key, tables in found.items():
            tables.append(staged(lake, key))
    return found


@pytest.fixture(scope="module")
def observations(rounds) -> pd.DataFrame:
    return rounds[BY_CONTENT][0].set_index("published_label", drop=False)


def described(table: pd.DataFrame, label: str) -> dict[str, tuple]:
    canonical = ["geometry", "geometry_status", "capacity_mw", "reported_area_m2", "installed_year", "country_iso3", "h3_r12"]
    rows = table[["observation_id", label, *canonical]].itertuples(index=False)
    return {row[0]: tuple(row[1:]) for row in rows if not str(row[1]).startswith("ambiguous")}


@pytest.mark.parametrize("other", [1, 2], ids=["shuffled and renamed", "split over two files"])
@pytest.mark.parametrize(("dataset", "label"), [(BY_CONTENT, "published_label"), (BY_ID, "published_sol_id")])
def test_an_observation_keeps_its_id_whatever_the_files_look_like(rounds, dataset: str, label: str, other: int) -> None:
    first, again = (described(rounds[dataset][number], label) for number in (0, other))
    assert len(first) >= 50
    assert again == first


def test_the_same_number_in_another_column_is_another_content(rounds) -> None:
    tables = [table[table["published_label"].str.startswith("ambiguous")] for table in rounds[BY_CONTENT]]
    ids = [dict(zip(table["observation_id"], table["published_label"], strict=True)) for table in tables]
    assert ids[0] == ids[1] == ids[2]


def test_ids_are_unique_among_copies_and_repeated_ids(rounds) -> None:
    for dataset, tables in rounds.items():
        for table in tables:
            assert table["observation_id"].is_unique, dataset
    assert (rounds[BY_CONTENT][0]["published_label"] == "copy").sum() == 3
    assert (rounds[BY_ID][0]["source_feature_id"] == "f0").sum() == 3


def test_a_feature_without_an_id_is_named_by_file_and_row(observations) -> None:
    assert (observations["source_feature_id"] == "a.geojson#" + observations["source_row"].astype(str)).all()


@pytest.mark.parametrize("name", STATUS)
def test_status_of_a_geometry(observations, name: str) -> None:
    published, status = STATUS[name]
    row = observations.loc[f"status {name}"]
    assert row["geometry_status"] == status
    usable = status in ("valid", "repaired")
    assert (row["geometry"] is not None) == usable
    if not usable:
        assert {row[column] for column in ("geometry_kind", "area_m2", "centroid_lon_deg", "h3_r5")} == {None}
        return
    found = shapely.from_wkb(row["geometry"])
    assert found.is_valid
    assert not found.has_z
    assert row["geometry_kind"] == ("point" if shapely.get_dimensions(published) == 0 else "polygon")
    assert (row["area_m2"] is None) == (row["geometry_kind"] == "point")
    if status == "repaired":
        assert found.equals(shapely.make_valid(published)) or found.area == pytest.approx(shapely.make_valid(published).area)


def randoms(observations: pd.DataFrame) -> gpd.GeoDataFrame:
    rows = observations[observations["published_label"].str.startswith("random")]
    return gpd.GeoDataFrame(rows.drop(columns="geometry"), geometry=shapely.from_wkb(rows["geometry"]), crs="EPSG:4326")


def test_areas_are_those_of_pyproj(observations) -> None:
    rows = randoms(observations)
    assert len(rows) == 400
    # pyproj subtracts a hole only where it runs the other way round
    expected = [abs(WGS84.geometry_area_perimeter(shapely.orient_polygons(shape))[0]) for shape in rows.geometry]
    errors = np.abs(rows["area_m2"].astype(float).to_numpy() / expected - 1)
    assert errors.max() <= 1e-9


def test_centroids_are_those_of_shapely(observations) -> None:
    rows = randoms(observations)
    found = rows[["centroid_lon_deg", "centroid_lat_deg"]].astype(float).to_numpy()
    np.testing.assert_allclose(found, shapely.get_coordinates(shapely.centroid(rows.geometry.values)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("resolution", [5, 8, 10, 12])
def test_cells_are_those_of_h3(rounds, resolution: int) -> None:
    table = pd.concat([rounds[BY_CONTENT][0], rounds[BY_ID][0]])
    table = table[table["centroid_lat_deg"].notna()]
    assert len(table) > 450
    places = zip(table["centroid_lat_deg"], table["centroid_lon_deg"], strict=True)
    expected = [h3.str_to_int(h3.latlng_to_cell(lat, lon, resolution)) for lat, lon in places]
    assert table[f"h3_r{resolution}"].tolist() == expected


@pytest.mark.parametrize("year", YEARS)
def test_years_that_are_none_are_null(observations, year: object) -> None:
    assert observations.loc[f"year {year!r}", "installed_year"] == YEARS[year]


@pytest.mark.parametrize("power", POWERS_KW)
def test_kilowatts_become_megawatts(observations, power: object) -> None:
    found = observations.loc[f"power {power!r}", "capacity_mw"]
    assert found == (None if POWERS_KW[power] is None else pytest.approx(POWERS_KW[power], rel=1e-15))


def test_square_kilometres_become_square_metres(rounds) -> None:
    table = rounds[BY_ID][0]
    assert table["reported_area_m2"].tolist() == [value * 1e6 for value in table["published_landscape.area"]]
    assert table["capacity_mw"].tolist() == table["published_power"].tolist()
    assert set(table["country_iso3"]) == {"DEU"}


ANTIMERIDIAN = {
    # As RFC 7946 wants it: cut at the antimeridian
    "cut": MultiPolygon([box(179.9, -17, 180, -16.9), box(-180, -17, -179.9, -16.9)]),
    # As many write it: one ring, whose edges of 359.8° are geodesics of 0.2°
    "wrapped": Polygon([(179.9, -17), (-179.9, -17), (-179.9, -16.9), (179.9, -16.9)]),
}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder: Path = tmp_path_factory.mktemp("far")
    lake = Settings(home=folder / "home", _env_file=None)
    shapes = ANTIMERIDIAN | {"polar": shapely.box(10, 89.9, 20, 90)}
    with connect(lake=lake) as con:
        publisher = Publisher(lake, folder / "mirror", con)
        properties = {"Year": 2000, "Power_kW": 1, "Area_sqm": 1}
        write_geojson(
            publisher.folder(BY_CONTENT) / "a.geojson",
            [({"label": name, **properties}, shape) for name, shape in shapes.items()],
        )
        assert publisher.ingest(entry(BY_CONTENT, "geojson")).status == "landed"
    results = run_dbt("run", lake, arguments=("--select", f"+stg_{BY_CONTENT}"))
    assert not [result for result in results if result.failed], results
    return staged(lake, BY_CONTENT).set_index("published_label")


@pytest.mark.parametrize("name", ANTIMERIDIAN)
def test_a_polygon_across_the_antimeridian_has_its_true_area(far: pd.DataFrame, name: str) -> None:
    whole = WGS84.geometry_area_perimeter(box(-0.1, -17, 0.1, -16.9))[0]  # the same, elsewhere
    assert far.loc[name, "geometry_status"] == "valid"
    assert far.loc[name, "area_m2"] == pytest.approx(whole, rel=1e-6)  # the cut edge is no geodesic of the whole


@pytest.mark.parametrize("name", ANTIMERIDIAN)
def test_a_polygon_across_the_antimeridian_is_where_it_is(far: pd.DataFrame, name: str) -> None:
    assert abs(far.loc[name, "centroid_lon_deg"]) == pytest.approx(180, abs=0.01)


def test_a_polygon_at_the_pole(far: pd.DataFrame) -> None:
    row = far.loc["polar"]
    assert row["geometry_status"] == "valid"
    assert row["area_m2"] == pytest.approx(abs(WGS84.geometry_area_perimeter(box(10, 89.9, 20, 90))[0]), rel=1e-9)
    assert (row["centroid_lon_deg"], row["centroid_lat_deg"]) == (15, 89.95)
