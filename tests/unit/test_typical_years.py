"""Typical years as published: TMY3 as pvlib ships one, and the CSV of PVGIS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pvlib
import pytest

from dataflows.raw.typical_years import readings
from db.errors import ReadError
from ingest.acquired import AcquiredFile


def acquired(path: Path) -> AcquiredFile:
    return AcquiredFile(path.name, path, "cd" * 32, path.stat().st_size, "mirror")


@pytest.fixture
def pvgis(tmp_path: Path) -> Path:
    """A file laid out as the answer of PVGIS' API 5.3 is; GHI counts the hours of the year, so that each can be told."""
    years = {month: 2005 + month for month in range(1, 13)}
    lines = ["Latitude (decimal degrees): 45.000", "Longitude (decimal degrees): 8.000", "Elevation (m): 250.0"]
    lines += ["Irradiance Time Offset (h): 0.1761", "month,year", *(f"{month},{year}" for month, year in years.items())]
    lines.append("time(UTC),T2m,RH,G(h),Gb(n),Gd(h),IR(h),WS10m,WD10m,SP")
    for hour in range(8760):
        at = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        lines.append(f"{at.replace(year=years[at.month]):%Y%m%d:%H%M},-1.5,80.0,{hour}.0,2.0,3.0,250.0,4.5,90.0,99000.0")
    lines += ["", "T2m: 2-m air temperature (degree Celsius)"]
    path = tmp_path / "tmy_45.000_8.000_2005_2023.csv"
    path.write_bytes("\r\n".join(lines).encode())
    return path


def test_a_typical_year_of_pvgis(pvgis: Path) -> None:
    table = readings(acquired(pvgis), "pvgis")
    assert table.num_rows == 8760
    row = table.slice(31 * 24 + 6, 1).to_pylist()[0]
    assert row["time_index"] == datetime(2007, 2, 1, 6, tzinfo=UTC)
    assert (row["ghi"], row["dni"], row["dhi"], row["temp_air"], row["wind_speed"]) == (750.0, 2.0, 3.0, -1.5, 4.5)
    assert (row["station"], row["latitude"], row["longitude"], row["elevation"]) == (
        "tmy_45.000_8.000_2005_2023",
        45.0,
        8.0,
        250.0,
    )
    assert row["source_row"] == 750


def test_a_typical_year_of_nrel() -> None:
    path = Path(pvlib.__file__).parent / "data" / "723170TYA.CSV"
    table = readings(acquired(path), "tmy3")
    assert table.num_rows == 8760
    # Read off the published file by eye: Greensboro, 1988-01-01, hour ending 10:00 (local, UTC-5)
    row = table.slice(9, 1).to_pylist()[0]
    published = path.read_text(encoding="latin-1").splitlines()[2 + 9].split(",")
    assert published[:2] == ["01/01/1988", "10:00"]
    assert row["time_index"] == datetime(1988, 1, 1, 14, tzinfo=UTC)
    assert (row["ghi"], row["dni"], row["dhi"]) == tuple(float(published[column]) for column in (4, 7, 10))
    assert (row["latitude"], row["longitude"]) == (36.1, -79.95)


def test_a_file_that_is_cut_short_is_refused(pvgis: Path) -> None:
    lines = pvgis.read_bytes().splitlines(keepends=True)
    pvgis.write_bytes(b"".join(lines[:500]))
    with pytest.raises(ReadError, match=r"no whole year: \d+ of 8760 hours"):
        readings(acquired(pvgis), "pvgis")


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    for layout in ("pvgis", "tmy3"):
        with pytest.raises(ReadError, match=r"table\.csv"):
            readings(acquired(path), layout)
