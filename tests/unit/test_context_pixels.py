"""Pixels around places: what is read by windows against the whole raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rasterio.transform import from_origin

from dataflows.raw.context_pixels import pixels
from db.errors import CrsError, ReadError
from ingest.acquired import AcquiredFile
from ingest.context_manifest import RasterVariable
from ingest.manifest import FileFilter

GHI = RasterVariable(name="ghi", files=FileFilter(), unit="kWh/m2", period="day", per_year=365.25)


def write(path: Path, values: np.ndarray, *, west: float, north: float, size: float, **more: object) -> AcquiredFile:
    scale, offset = more.pop("scale", 1.0), more.pop("offset", 0.0)
    profile = {"driver": "GTiff", "dtype": values.dtype, "count": 1, "crs": "EPSG:4326", "nodata": -32768, **more}
    height, width = values.shape
    with rasterio.open(
        path, "w", height=height, width=width, transform=from_origin(west, north, size, size), **profile
    ) as raster:
        raster.write(values, 1)
        raster.scales, raster.offsets = [scale], [offset]
    return AcquiredFile(path.name, path, "0" * 64, path.stat().st_size, "mirror")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    arrays.arrays(np.float64, st.tuples(st.integers(0, 8), st.just(2)), elements=st.floats(-1, 7, width=32)),
    st.sampled_from([{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}]),
)
def test_the_pixels_are_those_around_the_places(tmp_path: Path, places: np.ndarray, layout: dict[str, object]) -> None:
    values = np.arange(40 * 60, dtype=np.int16).reshape(40, 60)
    values[::7] = -32768
    file = write(tmp_path / "ghi.tif", values, west=0.0, north=4.0, size=0.1, **layout)
    table = pixels(file, GHI, places).to_pydict()
    wanted = set()
    for x, y in places:
        row, column = int(np.floor((4.0 - y) / 0.1)), int(np.floor(x / 0.1))
        wanted |= {(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)}
    expected = sorted((r, c) for r, c in wanted if 0 <= r < 40 and 0 <= c < 60 and values[r, c] != -32768)
    assert [divmod(position, 60) for position in table["source_row"]] == expected
    assert table["value"] == [float(values[r, c]) for r, c in expected]
    assert np.allclose(table["lon_deg"], [(c + 0.5) * 0.1 for _, c in expected])
    assert np.allclose(table["lat_deg"], [4.0 - (r + 0.5) * 0.1 for r, _ in expected])


def test_a_pixel_says_what_its_value_is(tmp_path: Path) -> None:
    file = write(tmp_path / "ghi.tif", np.full((3, 3), 45, np.int16), west=10, north=50, size=0.5, scale=0.1, offset=0.5)
    row = pixels(file, GHI, np.array([[10.75, 49.25]])).to_pylist()[4]
    assert row == {
        "variable": "ghi",
        "value": pytest.approx(5.0),
        "unit": "kWh/m2",
        "period": "day",
        "per_year": 365.25,
        "lon_deg": 10.75,
        "lat_deg": 49.25,
        "pixel_width_deg": 0.5,
        "pixel_height_deg": 0.5,
        "source_file": "ghi.tif",
        "source_sha256": "0" * 64,
        "source_row": 4,
    }


def test_a_raster_around_the_world_goes_on_beyond_the_antimeridian(tmp_path: Path) -> None:
    values = np.arange(18 * 36, dtype=np.int16).reshape(18, 36)
    file = write(tmp_path / "ghi.tif", values, west=-180, north=90, size=10)
    table = pixels(file, GHI, np.array([[179.0, 5.0]])).to_pydict()
    assert sorted(set(table["lon_deg"])) == [-175.0, 165.0, 175.0]


def test_no_value_is_no_row(tmp_path: Path) -> None:
    values = np.array([[np.nan, 1.0], [np.inf, 1.1754943508222875e-38]], dtype=np.float32)
    file = write(tmp_path / "pvout.tif", values, west=0, north=2, size=1, nodata=1.1754943508222875e-38)
    assert pixels(file, GHI, np.array([[0.5, 1.5]])).to_pydict()["value"] == [1.0]


def test_a_projected_raster_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "utm.tif", np.ones((2, 2), np.int16), west=500000, north=5000000, size=10, crs="EPSG:32632")
    with pytest.raises(CrsError, match="longitude and latitude"):
        pixels(file, GHI, np.array([[9.0, 45.0]]))


def test_what_is_no_raster_is_said(tmp_path: Path) -> None:
    path = tmp_path / "broken.tif"
    path.write_bytes(b"II*\0 and no more")
    with pytest.raises(ReadError, match=r"broken\.tif cannot be read"):
        pixels(AcquiredFile(path.name, path, "", 17, "mirror"), GHI, np.array([[9.0, 45.0]]))
