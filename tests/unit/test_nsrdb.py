"""HDF5 files of the NSRDB: the nearest stations, and their series scaled."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dataflows.raw.nsrdb import readings
from db.errors import ReadError, SchemaError
from ingest.acquired import AcquiredFile
from ingest.places import EARTH_RADIUS_KM, nearest

TIMES = [b"2018-06-20 11:30:00+00:00", b"2018-06-20 12:00:00+00:00", b"2018-06-20 12:30:00+00:00"]
STATIONS = [(39.77, -105.14), (39.73, -105.14), (39.69, -105.10), (39.65, -105.10)]


def write(path: Path, *, times: list[bytes] = TIMES) -> AcquiredFile:
    meta = np.array(
        [(lat, lng, 1669, -7, b"United States") for lat, lng in STATIONS],
        dtype=[("latitude", "<f4"), ("longitude", "<f4"), ("elevation", "<i2"), ("timezone", "<i2"), ("country", "S13")],
    )
    with h5py.File(path, "w") as content:
        content["meta"] = meta
        content["time_index"] = np.array(times)
        content["clearsky_ghi"] = np.arange(12, dtype=np.uint16).reshape(3, 4)
        content["clearsky_ghi"].attrs["scale_factor"] = 1.0
        content["air_temperature"] = np.arange(12, dtype=np.int16).reshape(3, 4) * 10
        content["air_temperature"].attrs["psm_scale_factor"] = 10.0
        content["coordinates"] = np.zeros((4, 2))
    return AcquiredFile(path.name, path, "ab" * 32, path.stat().st_size, "mirror")


def haversine_km(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    (lng1, lat1), (lng2, lat2) = np.radians(a).T[:, :, None], np.radians(b).T[:, None, :]
    root = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lng2 - lng1) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(root, 0, 1)))


def positions(least: int) -> st.SearchStrategy[np.ndarray]:
    count = st.integers(least, 12)
    lng = arrays.arrays(np.float64, count, elements=st.floats(-180, 180, width=32))
    return lng.flatmap(
        lambda east: arrays.arrays(np.float64, len(east), elements=st.floats(-90, 90, width=32)).map(
            lambda north: np.column_stack([east, north])
        )
    )


@given(positions(1), positions(0), st.floats(1, 25_000))
def test_the_nearest_is_the_nearest_on_the_globe(stations: np.ndarray, places: np.ndarray, reach_km: float) -> None:
    found = nearest(stations, places, reach_km)
    distances = haversine_km(stations, places) if len(places) else np.empty((len(stations), 0))
    least = distances.min(axis=0) if len(places) else np.empty(0)
    # each place within reach has its nearest one, and no other place has any
    for place, station in enumerate(found):
        if least[place] < reach_km - 0.01:
            assert distances[station, place] <= least[place] + 0.01
        elif least[place] > reach_km + 0.01:
            assert station == -1


def test_series_are_scaled_and_keep_their_names(tmp_path: Path) -> None:
    table = readings(write(tmp_path / "nsrdb_2018.h5"), np.array([[-105.1, 39.68], [0.0, 0.0]]), max_distance_km=10)
    rows = table.to_pylist()
    assert [row["station"] for row in rows] == [2, 2, 2]
    assert [row["clearsky_ghi"] for row in rows] == [2.0, 6.0, 10.0]
    assert [row["air_temperature"] for row in rows] == [2.0, 6.0, 10.0]
    assert [row["source_row"] for row in rows] == [2, 6, 10]
    assert rows[1]["time_index"] == datetime(2018, 6, 20, 12, tzinfo=UTC)
    assert (rows[0]["country"], rows[0]["elevation"], rows[0]["source_file"]) == ("United States", 1669, "nsrdb_2018.h5")
    assert "coordinates" not in table.schema.names


def test_an_extract_says_where_its_stations_are_published(tmp_path: Path) -> None:
    file = write(tmp_path / "nsrdb_2018.h5")
    with h5py.File(file.path, "a") as content:
        content["gid"] = np.array([3, 70, 500, 900])
        content.attrs["stations_published"] = 1000
    rows = readings(file, np.array([[-105.1, 39.68]]), max_distance_km=10).to_pylist()
    assert [row["station"] for row in rows] == [500, 500, 500]
    assert [row["source_row"] for row in rows] == [500, 1500, 2500]
    assert [row["clearsky_ghi"] for row in rows] == [2.0, 6.0, 10.0]


def test_no_station_is_near(tmp_path: Path) -> None:
    table = readings(write(tmp_path / "nsrdb_2018.h5"), np.array([[0.0, 0.0]]), max_distance_km=10)
    assert table.num_rows == 0
    assert "clearsky_ghi" in table.schema.names


def test_across_the_antimeridian() -> None:
    assert nearest(np.array([[179.9, 0.0], [-170.0, 0.0]]), np.array([[-179.9, 0.0]]), 50).tolist() == [0]


@pytest.mark.parametrize("missing", ["meta", "time_index"])
def test_what_a_file_lacks_is_named(tmp_path: Path, missing: str) -> None:
    file = write(tmp_path / "nsrdb_2018.h5")
    with h5py.File(file.path, "a") as content:
        del content[missing]
    with pytest.raises(SchemaError, match=f"has no dataset '{missing}'"):
        readings(file, np.array([[-105.1, 39.68]]), max_distance_km=10)


def test_times_of_another_zone_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "nsrdb_2018.h5", times=[time.replace(b"+00:00", b"+07:00") for time in TIMES])
    with pytest.raises(SchemaError, match="not in UTC"):
        readings(file, np.array([[-105.1, 39.68]]), max_distance_km=10)


def test_what_is_no_hdf5_is_said(tmp_path: Path) -> None:
    path = tmp_path / "nsrdb.h5"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ReadError, match=r"nsrdb\.h5 cannot be read as HDF5"):
        readings(AcquiredFile(path.name, path, "", 19, "mirror"), np.array([[0.0, 0.0]]), max_distance_km=10)
