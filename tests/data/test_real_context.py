"""Context of the mirror: Natural Earth, Global Solar Atlas and NSRDB around published PV, against other readers."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import h5py
import numpy as np
import pytest
import rasterio
import shapely
from published_files import MANIFEST

from dataflows.elt import run_dbt
from dataflows.raw.context_ingest import ContextOptions, ContextOutcome, ingest_contexts
from dataflows.raw.ingest import Options
from dataflows.raw.ingest_run import ingest
from db import connect
from db.settings import Settings
from ingest.context_manifest import load_context_manifest

pytestmark = [pytest.mark.realdata, pytest.mark.xdist_group("real_context")]

KEYS = ["natural_earth_admin_0", "natural_earth_admin_1", "global_solar_atlas", "nsrdb"]
NAMELESS = {"Somaliland", "N. Cyprus", "Siachen Glacier"}


@pytest.fixture(scope="module")
def lake(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, ContextOutcome]]:
    """A lake with GPPD and USPVDB, the mirror's context, and its staging."""
    settings = Settings(home=tmp_path_factory.mktemp("real_context") / "home", _env_file=None)
    datasets = [MANIFEST[key] for key in ("global_wri_gppd_2021", "usa_uspvdb_v3_2025")]
    ingest(datasets, Options(settings, mirror=str(mirror), offline=True, export=False))
    manifest = load_context_manifest()
    outcomes = ingest_contexts([manifest[key] for key in KEYS], ContextOptions(settings, mirror=str(mirror), offline=True))
    # Tests that compare with models above these would find none
    chosen = ("--select", "countries", "raw.context", "staging.context", "--indirect-selection", "cautious")
    results = run_dbt("build", settings, arguments=chosen)
    assert not [result for result in results if result.failed]
    return settings, {outcome.context: outcome for outcome in outcomes}


def asked(lake: tuple[Settings, dict[str, ContextOutcome]], query: str) -> list[tuple[object, ...]]:
    with connect(read_only=True, lake=lake[0]) as con:
        return con.execute(query).fetchall()


def test_all_of_it_lands(lake) -> None:
    assert {key: outcome.status for key, outcome in lake[1].items()} == dict.fromkeys(KEYS, "landed")
    assert (lake[1]["natural_earth_admin_0"].rows, lake[1]["natural_earth_admin_1"].rows) == (242, 294)


def test_codes_of_countries(lake) -> None:
    found = asked(
        lake, "SELECT name, country_iso2, country_iso3, is_disputed FROM staging.stg_admin_areas WHERE level = 'country'"
    )
    by_name = {name: rest for name, *rest in found}
    # -99 in iso_a2
    assert by_name["France"] == ["FR", "FRA", False]
    assert by_name["Norway"] == ["NO", "NOR", False]
    # CN-TW in iso_a2
    assert by_name["Taiwan"] == ["TW", "TWN", True]
    assert by_name["Kosovo"] == ["XK", "XKX", True]
    assert by_name["W. Sahara"] == ["EH", "ESH", True]
    assert {name for name, (iso2, *_) in by_name.items() if iso2 is None} == NAMELESS
    assert {name for name, (_, iso3, _) in by_name.items() if iso3 is None} == NAMELESS
    assert by_name["Germany"] == ["DE", "DEU", False]


def test_points_of_view_are_those_of_the_file(lake, mirror: Path) -> None:
    frame = gpd.read_parquet(mirror / "natural_earth_v5" / "ne_50m_admin_0_countries_v5.parquet")
    frame = frame.drop(columns="geometry").astype(object).fillna("").set_index("adm0_a3", drop=False)
    # version 5 names states by their codes, and two organisations without any content
    views = [name[8:] for name in frame.columns if name.startswith("adm0_a3_") and name[8:] not in ("un", "wb")]
    assert len(views) == 31
    columns = "area_id, country_iso3, country_by_view, unrecognized_by"
    found = asked(lake, f"SELECT {columns} FROM staging.stg_admin_areas WHERE level = 'country'")
    iso3 = {area: code for area, code, *_ in found}
    for area, _, seen, unrecognized in found:
        row = frame.loc[area]
        others = {view: iso3.get(row[f"adm0_a3_{view}"]) for view in views if row[f"adm0_a3_{view}"] != area}
        assert seen == {view: code for view, code in others.items() if code is not None}, area
        assert unrecognized == sorted(view for view in views if row.get(f"fclass_{view}") == "Unrecognized"), area
    by_area = {area: seen for area, _, seen, _ in found}
    assert by_area["SAH"]["ma"] == "MAR"
    assert by_area["TWN"]["cn"] == "CHN"
    assert "us" not in by_area["TWN"]
    assert (by_area["KAS"]["in"], by_area["KAS"]["pk"]) == ("IND", "PAK")
    (arunachal,) = asked(
        lake, "SELECT unrecognized_by, is_disputed FROM staging.stg_admin_areas WHERE name = 'Arunachal Pradesh'"
    )
    assert arunachal == (["cn"], True)


def test_regions_are_of_their_countries(lake) -> None:
    found = asked(
        lake,
        """
        SELECT country_iso3, count(*), count(region_code), count(*) FILTER (region_code NOT LIKE country_iso2 || '-%')
        FROM staging.stg_admin_areas WHERE level = 'region' GROUP BY ALL
        """,
    )
    counts = {code: rest for code, *rest in found}
    assert set(counts) == {"AUS", "BRA", "CAN", "CHN", "IDN", "IND", "RUS", "USA", "ZAF"}
    assert counts["USA"] == [51, 51, 0]
    # Jervis Bay has a code of Natural Earth's own, with a tilde
    assert counts["AUS"] == [9, 8, 0]


def test_boundaries_are_those_of_the_file(lake, mirror: Path) -> None:
    for file, code in (
        ("ne_50m_admin_0_countries_v5.parquet", "adm0_a3"),
        ("ne_50m_admin_1_states_provinces_v5.parquet", "adm1_code"),
    ):
        frame = gpd.read_parquet(mirror / "natural_earth_v5" / file)
        published = dict(zip(frame[code], frame.geometry, strict=True))
        found = asked(lake, "SELECT area_id, geometry_status, ST_AsWKB(geometry) FROM staging.stg_admin_areas")
        ours = {area: (status, shapely.from_wkb(bytes(shape))) for area, status, shape in found if area in published}
        assert set(ours) == set(published)
        for area, (status, shape) in ours.items():
            assert status == ("valid" if published[area].is_valid else "repaired")
            if status == "valid":
                assert shapely.equals_exact(shape, published[area], 0)
            else:
                assert shape.is_valid
                assert shape.area == pytest.approx(shapely.make_valid(published[area]).area, rel=1e-9)


def test_countries_across_the_antimeridian_have_parts_at_both_ends(lake) -> None:
    found = asked(lake, "SELECT name, ST_AsWKB(geometry) FROM staging.stg_admin_areas WHERE area_id IN ('RUS', 'FJI')")
    for _, shape in found:
        west, _, east, _ = shapely.from_wkb(bytes(shape)).bounds
        assert (west, east) == (-180.0, 180.0)
    fiji = shapely.from_wkb(bytes(dict(found)["Fiji"]))
    assert fiji.area < 10  # degrees²: it does not go round the world


def test_pixels_are_what_rasterio_samples(lake, mirror: Path) -> None:
    found = asked(lake, "SELECT source_file, value, lon_deg, lat_deg FROM lake.landing.global_solar_atlas")
    assert len(found) > 20  # nine around each of the few plants there, each once
    for file in {row[0] for row in found}:
        rows = [row[1:] for row in found if row[0] == file]
        with rasterio.open(mirror / "solar_resource" / file) as raster:
            sampled = [float(value[0]) for value in raster.sample([(lon, lat) for _, lon, lat in rows])]
        assert [value for value, *_ in rows] == sampled


def test_every_site_on_a_raster_has_its_pixel(lake, mirror: Path) -> None:
    sites = [row[:2] for row in asked(lake, "SELECT ST_X(geometry), ST_Y(geometry) FROM lake.landing.global_wri_gppd_2021")]
    with rasterio.open(mirror / "solar_resource" / "kenya_PVOUT.tif") as raster:
        west, south, east, north = raster.bounds
        inside = [(lon, lat) for lon, lat in sites if west < lon < east and south < lat < north]
        expected = {
            raster.index(lon, lat) for (lon, lat), value in zip(inside, raster.sample(inside), strict=True) if value[0] > 1
        }
    query = """
        SELECT source_row // 1200, source_row % 1200 FROM lake.landing.global_solar_atlas WHERE source_file = 'kenya_PVOUT.tif'
    """
    assert expected
    assert expected <= set(asked(lake, query))


def test_series_are_what_h5py_reads(lake, mirror: Path) -> None:
    found = asked(
        lake,
        "SELECT station, epoch(time_index)::BIGINT, clearsky_ghi, clearsky_dni, solar_zenith_angle FROM lake.landing.nsrdb"
        " ORDER BY station, time_index",
    )
    with h5py.File(mirror / "climate" / "test_nsrdb_clearsky_2018.h5") as content:
        times = np.array([text.decode()[:19] for text in content["time_index"]], dtype="datetime64[s]").astype(np.int64)
        for name, column, factor in (("clearsky_ghi", 2, 1), ("clearsky_dni", 3, 1), ("solar_zenith_angle", 4, 100)):
            values = content[name][:]
            expected = [values[list(times).index(row[1]), row[0]] / factor for row in found[:2000]]
            assert [row[column] for row in found[:2000]] == pytest.approx(expected)
    assert {count for (count,) in asked(lake, "SELECT count(*) FROM staging.stg_irradiance GROUP BY station_id")} == {672}
    assert asked(lake, "SELECT DISTINCT kind FROM staging.stg_irradiance") == [("clear_sky",)]


def test_every_site_among_the_stations_has_its_nearest(lake, mirror: Path) -> None:
    sites = np.array(
        asked(lake, "SELECT ST_X(geometry), ST_Y(geometry) FROM lake.landing.usa_uspvdb_v3_2025 WHERE geometry IS NOT NULL")
    )
    with h5py.File(mirror / "climate" / "test_nsrdb_clearsky_2018.h5") as content:
        stations = gpd.GeoDataFrame(
            geometry=gpd.points_from_xy(content["meta"]["longitude"], content["meta"]["latitude"]), crs=4326
        )
    frame = gpd.GeoDataFrame(geometry=gpd.points_from_xy(*sites.T), crs=4326).cx[-105.15:-104.37, 39.0:39.78].to_crs(26913)
    nearest = frame.sjoin_nearest(stations.to_crs(26913))["index_right"]
    landed = {station for (station,) in asked(lake, "SELECT DISTINCT station FROM lake.landing.nsrdb")}
    assert len(nearest) >= 20
    assert set(nearest) <= landed
