"""Typical meteorological years as CSV files, one a site, through pvlib's readers."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from pvlib import iotools

from db.errors import ReadError, SchemaError
from ingest.acquire import AcquiredFile

HOURS = 8760  # of a typical year, which has no 29 February
WANTED = ("ghi", "dni", "dhi", "temp_air", "wind_speed")
LAYOUTS = {"pvgis": "of PVGIS", "tmy3": "in NREL's layout TMY3"}


def readings(file: AcquiredFile, layout: Literal["pvgis", "tmy3"]) -> pa.Table:
    """A typical year, a row an hour.

    Args:
        file: CSV as the PVGIS API gives it, or in NREL's layout TMY3.
        layout: which of the two.

    Returns:
        ``station`` (the file's name without its ending), ``latitude``, ``longitude`` (degrees), ``elevation`` (m),
        ``time_index`` (UTC, start of the hour; each month in the year that is typical of it) and the published series under the
        names that pvlib gives them: ``ghi``, ``dni``, ``dhi`` (W/m²), ``temp_air`` (°C), ``wind_speed`` (m/s) … ``source_row``
        is the 0-based position of the hour in the file.

    Raises:
        ReadError: pvlib cannot read it, or it is not of 8,760 hours.
        SchemaError: it lacks a series that is needed.
    """
    try:
        data, site = _pvgis(file) if layout == "pvgis" else _tmy3(file)
    except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
        raise ReadError(
            f"{file.name} cannot be read as a typical year {LAYOUTS[layout]} ({type(error).__name__}: {error}).",
            remedy="Check 'files' and 'format' in the manifest.",
        ) from error
    # pvlib takes the end of a file for hours without values
    if data.index.hasnans or len(data) != HOURS:
        raise ReadError(
            f"{file.name} is no whole year: {int(data.index.notna().sum())} of {HOURS} hours.", remedy="Fetch it again."
        )
    if missing := [name for name in WANTED if name not in data.columns]:
        raise SchemaError(f"{file.name} has no {missing[0]!r}; it has {', '.join(data.columns)}.", remedy="Fetch it again.")
    station = file.name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    series = data.select_dtypes("number")
    columns: dict[str, Any] = {
        "station": pa.repeat(pa.scalar(station), len(data)),
        **{name: pa.repeat(pa.scalar(float(site[name])), len(data)) for name in ("latitude", "longitude", "elevation")},
        "time_index": pa.array(data.index.tz_convert("UTC").tz_localize(None).to_numpy(), pa.timestamp("us")).cast(
            pa.timestamp("us", tz="UTC")
        ),
        **{name: pa.array(series[name].to_numpy(), pa.float64()) for name in series.columns},
        "source_file": pa.repeat(pa.scalar(file.name), len(data)),
        "source_sha256": pa.repeat(pa.scalar(file.sha256), len(data)),
        "source_row": pa.array(range(len(data)), pa.int64()),
    }
    return pa.table(columns)


def none_nearby() -> pa.Table:
    """The table of :func:`readings` where there is no typical year of any place: without rows."""
    floats = dict.fromkeys(("latitude", "longitude", "elevation", *WANTED), pa.float64())
    columns = {"station": pa.string(), **floats, "time_index": pa.timestamp("us", tz="UTC"), "source_row": pa.int64()}
    return pa.schema({**columns, "source_file": pa.string(), "source_sha256": pa.string()}).empty_table()


def _pvgis(file: AcquiredFile) -> tuple[pd.DataFrame, dict[str, float]]:
    data, meta = iotools.read_pvgis_tmy(file.path, pvgis_format="csv")
    return data, meta["inputs"]


def _tmy3(file: AcquiredFile) -> tuple[pd.DataFrame, dict[str, float]]:
    data, meta = iotools.read_tmy3(file.path, coerce_year=None, map_variables=True)
    # Its hours are named by their ends
    data.index = data.index - pd.Timedelta(hours=1)
    return data, {"latitude": meta["latitude"], "longitude": meta["longitude"], "elevation": meta["altitude"]}
