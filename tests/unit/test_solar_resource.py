"""Solar resource at installations: pixels against rasterio, the nearest ones off a coast, stations; sources by preference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from land_sql import Land, Row, site
from numpy.typing import NDArray
from rasterio.transform import from_origin
from resolution_sql import GEOD

NODATA = -9999.0
MAX_DISTANCE_M = 5000
# The sphere is an approximation of the ellipsoid
SPHERE = 0.006


@pytest.fixture(scope="module")
def land() -> Land:
    found = Land()
    found.have("stg_solar_resource", [])
    return found


def raster(path: Path, values: NDArray[np.float64], west: float, north: float, width: float, height: float) -> Path:
    rows, columns = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=columns, height=rows, count=1, dtype="float64", nodata=NODATA, crs="EPSG:4326",
        transform=from_origin(west, north, width, height),
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def pixels(path: Path, variable: str = "ghi", source: str = "global_solar_atlas", release: str = "1") -> list[Row]:
    """Rows of stg_solar_resource: whatever has a value."""
    with rasterio.open(path) as file:
        values = file.read(1, masked=True)
        rows, columns = np.nonzero(~np.ma.getmaskarray(values))
        lons, lats = file.xy(rows, columns)
        width, height = file.res
    return [
        {
            "source": source, "release": release, "variable": variable, "value": float(value), "lon_deg": lon, "lat_deg": lat,
            "pixel_width_deg": width, "pixel_height_deg": height,
        }
        for value, lon, lat in zip(values[rows, columns].compressed(), lons, lats, strict=True)
    ]  # fmt: skip


def sampled(path: Path, places: list[tuple[float, float]]) -> list[float | None]:
    with rasterio.open(path) as file:
        return [None if value.mask[0] else float(value[0]) for value in file.sample(places, masked=True)]


def at(places: list[tuple[float, float]]) -> list[Row]:
    return [site(shapely.Point(place)) for place in places]


@pytest.mark.parametrize(("west", "north", "size"), [(9.7, 50.4, 1 / 120), (-180, 12.0, 0.25), (33.9083, -0.7, 0.0083333333)])
def test_pixels_are_those_that_rasterio_samples(land: Land, tmp_path: Path, west: float, north: float, size: float) -> None:
    random = np.random.default_rng(7)
    values = random.uniform(800, 2400, (40, 50))
    file = raster(tmp_path / "ghi.tif", values, west, north, size, size)
    inside = random.uniform([west, north - 40 * size], [west + 50 * size, north], (500, 2))
    places = [(float(lon), float(lat)) for lon, lat in inside]
    land.place(at(places))
    land.have("stg_solar_resource", pixels(file))
    found = land.build("prep_pv_resource")
    assert [found[f"s{number}"]["ghi_kwh_m2_year"] for number in range(500)] == sampled(file, places)
    assert {row["resource_distance_m"] for row in found.values()} == {0}
    assert {row["resource_source"] for row in found.values()} == {"global_solar_atlas"}


def test_a_site_on_the_line_between_pixels_is_in_the_one_that_gdal_takes(land: Land, tmp_path: Path) -> None:
    file = raster(tmp_path / "ghi.tif", np.arange(16.0).reshape(4, 4), 10, 50, 0.5, 0.5)
    places = [(10.5, 49.5), (10.5, 49.25), (11.25, 49.0), (10.0, 49.9)]
    land.place(at(places))
    land.have("stg_solar_resource", pixels(file))
    found = land.build("prep_pv_resource")
    assert [found[f"s{number}"]["ghi_kwh_m2_year"] for number in range(4)] == sampled(file, places)


def test_off_a_coast_the_nearest_pixel_with_a_value_counts(land: Land, tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    values = random.uniform(800, 2400, (60, 60))
    values[random.random(values.shape) < 0.7] = NODATA
    values[:, 30:] = NODATA
    file = raster(tmp_path / "ghi.tif", values, 10, 60, 1 / 120, 1 / 120)
    drawn = random.uniform([10, 59.5], [10.5, 60], (300, 2))
    places = [(float(lon), float(lat)) for lon, lat in drawn]
    rows = pixels(file)
    land.place(at(places))
    land.have("stg_solar_resource", rows)
    found = land.build("prep_pv_resource")
    lons, lats = (np.array([row[name] for row in rows]) for name in ("lon_deg", "lat_deg"))
    held = far = 0
    for number, (place, value) in enumerate(zip(places, sampled(file, places), strict=True)):
        got = found[f"s{number}"]
        if value is not None:
            held += 1
            assert (got["ghi_kwh_m2_year"], got["resource_distance_m"]) == (value, 0)
            continue
        _, _, distances = GEOD.inv(*np.broadcast_arrays(*place, lons, lats)[:2], lons, lats)
        least = distances.min()
        if least > MAX_DISTANCE_M * 1.03:
            far += 1
            assert got["ghi_kwh_m2_year"] is None
            assert got["resource_source"] is None
        elif least < MAX_DISTANCE_M * 0.97:
            assert got["resource_distance_m"] == pytest.approx(least, rel=SPHERE)
            near = distances <= least * (1 + 2 * SPHERE)
            assert got["ghi_kwh_m2_year"] in [row["value"] for row, is_near in zip(rows, near, strict=True) if is_near]
    assert held > 30
    assert far > 30


def test_the_nearest_pixel_may_be_on_the_other_side_of_the_antimeridian(land: Land) -> None:
    land.place(at([(179.999, 10.0)]))
    land.have("stg_solar_resource", [one_pixel(1, lon_deg=-179.99, lat_deg=10.0)])
    found = land.build("prep_pv_resource")["s0"]
    assert found["ghi_kwh_m2_year"] == 1
    assert found["resource_distance_m"] == pytest.approx(GEOD.inv(179.999, 10, -179.99, 10)[2], rel=SPHERE)


def one_pixel(value: float, variable: str = "ghi", **attributes: object) -> Row:
    held = {"source": "global_solar_atlas", "release": "1", "variable": variable, "value": value}
    return {**held, "lon_deg": 10.0, "lat_deg": 50.0, "pixel_width_deg": 0.01, "pixel_height_deg": 0.01, **attributes}


def test_variables_of_one_source_and_of_its_newest_release(land: Land) -> None:
    land.place(at([(10.0, 50.0)]))
    older = [one_pixel(1, release="2.0"), one_pixel(2, "pvout", release="2.0")]
    newer = [
        one_pixel(3, release="2.1"),
        one_pixel(4, "temperature", release="2.1"),
        one_pixel(float("nan"), "pvout", release="2.1"),
    ]
    land.have("stg_solar_resource", [*older, *newer])
    found = land.build("prep_pv_resource")["s0"]
    assert (found["ghi_kwh_m2_year"], found["pvout_kwh_kwp_year"], found["temperature_c"]) == (3, None, 4)


def test_sources_by_preference(land: Land) -> None:
    land.place(at([(10.0, 50.0)]))
    land.have("stg_solar_resource", [one_pixel(1), one_pixel(2, source="another"), one_pixel(3, source="yet_another")])
    assert land.build("prep_pv_resource")["s0"]["resource_source"] == "global_solar_atlas"
    with land.project.having(resource_sources=["yet_another", "global_solar_atlas"]):
        found = land.build("prep_pv_resource")["s0"]
    assert (found["resource_source"], found["ghi_kwh_m2_year"]) == ("yet_another", 3)


class TestStations:
    """The nearest station, against GeographicLib."""

    def test_nearest_within_reach(self, land: Land) -> None:
        random = np.random.default_rng(9)
        stations = random.uniform([179.2, 49], [180.8, 50], (40, 2))
        stations[:, 0] = (stations[:, 0] + 180) % 360 - 180
        drawn = random.uniform([179.0, 48.8], [181.0, 50.2], (300, 2))
        places = [(float((lon + 180) % 360 - 180), float(lat)) for lon, lat in drawn]
        land.place(at(places))
        land.have("stg_irradiance", [station(f"x{n}", lon, lat) for n, (lon, lat) in enumerate(stations.tolist())])
        found = land.build("prep_pv_resource")
        within = 0
        for number, place in enumerate(places):
            lons, lats = stations.T
            _, _, distances = GEOD.inv(np.full(40, place[0]), np.full(40, place[1]), lons, lats)
            nearest, got = int(distances.argmin()), found[f"s{number}"]
            if distances[nearest] < 24_000:
                within += 1
                assert got["irradiance_distance_m"] == pytest.approx(distances[nearest], rel=SPHERE)
                assert distances[int(got["irradiance_station_id"][1:])] <= distances[nearest] * (1 + 2 * SPHERE)
            elif distances[nearest] > 26_000:
                assert got["irradiance_station_id"] is None
        assert 50 < within < 300

    def test_better_sources_first_and_never_a_clear_sky(self, land: Land) -> None:
        land.place(at([(10.0, 50.0)]))
        near, far = station("near", 10.0, 50.0), station("far", 10.1, 50.0)
        land.have("stg_irradiance", [{**near, "source": "pvgis_tmy"}, far, {**near, "kind": "clear_sky"}])
        assert land.build("prep_pv_resource")["s0"]["irradiance_station_id"] == "far"
        land.have("stg_irradiance", [{**near, "source": "pvgis_tmy"}, {**near, "kind": "clear_sky"}])
        assert land.build("prep_pv_resource")["s0"]["irradiance_source"] == "pvgis_tmy"


def station(station_id: str, lon: float, lat: float) -> Row:
    return {"source": "nsrdb", "station_id": station_id, "kind": "series", "lon_deg": lon, "lat_deg": lat}
