"""HDF5 files of the National Solar Radiation Database: the stations nearest to places, and their time series.

Layout: ``meta`` holds a record a station (``latitude``, ``longitude``, ``elevation`` …), ``time_index`` a text a time, and each
other dataset a value a time and station, whole numbers to be divided by the attribute ``scale_factor`` (``psm_scale_factor`` in
older files); ``units`` names the unit. Source: https://nsrdb.nrel.gov/data-sets/how-to-access-data and NREL's reader,
https://github.com/NREL/rex.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import h5py
import numpy as np
import pyarrow as pa

from db.errors import ReadError, SchemaError
from ingest.acquire import AcquiredFile
from ingest.places import nearest

log = logging.getLogger(__name__)

LOCATION = ("latitude", "longitude")
NUMERIC = "iuf"


def readings(file: AcquiredFile, places: np.ndarray, max_distance_km: float) -> pa.Table:
    """Time series of the stations that are nearest to a place.

    Args:
        file: an HDF5 file of the NSRDB.
        places: float64 (n, 2): longitude and latitude in degrees.
        max_distance_km: a station farther than that is nobody's; great-circle distance.

    Returns:
        A row a station and time: ``station`` (0-based position in the published file), the columns of ``meta``, ``time_index``
        (UTC), each series under its published name in its published unit, scaled; ``source_row`` is the 0-based position in the
        arrays of the series, time by time.

    Raises:
        ReadError: it is no HDF5.
        SchemaError: it lacks ``meta`` or ``time_index``, or has no series.
    """
    try:
        with h5py.File(file.path) as content:
            meta, times, names = _described(content, file)
            found = nearest(_locations(meta), places, max_distance_km)
            stations = np.unique(found[found >= 0])
            log.info("%s: %d of %d stations are nearest to PV", file.name, len(stations), len(meta))
            # An extract says where its stations are in the published file
            published = content["gid"][:][stations] if "gid" in content else stations
            width = int(content.attrs.get("stations_published", len(meta)))
            columns = {
                "station": np.repeat(published, len(times)),
                **{name: _attribute(meta[name][stations], len(times)) for name in meta.dtype.names},
                "time_index": pa.array(np.tile(times, len(stations)), pa.timestamp("us", tz="UTC")),
                **{name: _scaled(content[name], stations) for name in names},
                "source_row": (np.arange(len(times))[None, :] * width + published[:, None]).ravel(),
            }
    except OSError as error:
        raise ReadError(f"{file.name} cannot be read as HDF5: {str(error).rstrip('.')}.", remedy="Fetch it again.") from error
    table = pa.table(columns)
    for name, text in (("source_file", file.name), ("source_sha256", file.sha256)):
        table = table.append_column(name, pa.repeat(pa.scalar(text), table.num_rows))
    return table


def _described(content: h5py.File, file: AcquiredFile) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Records of the stations, times (UTC, microseconds) and names of the series."""
    if missing := [name for name in ("meta", "time_index") if name not in content]:
        raise SchemaError(
            f"{file.name} has no dataset {missing[0]!r}; it has {', '.join(content)}.", remedy="Is it a file of the NSRDB?"
        )
    meta = content["meta"][:]
    if not meta.dtype.names or not set(LOCATION) <= set(meta.dtype.names):
        raise SchemaError(f"{file.name}: 'meta' has no {' and '.join(LOCATION)}.", remedy="Is it a file of the NSRDB?")
    times = _times(content["time_index"][:], file)
    names = sorted(_series(content, (len(times), len(meta))))
    if not names:
        raise SchemaError(
            f"{file.name} has no series of {len(times)} times and {len(meta)} stations.", remedy="Is it complete?"
        )
    return meta, times, names


def _times(published: np.ndarray, file: AcquiredFile) -> np.ndarray:
    """Moments in UTC, datetime64[us]; the texts say UTC."""
    texts = published.astype(str)
    if not all(text.endswith("+00:00") or "+" not in text for text in texts):
        raise SchemaError(f"{file.name}: 'time_index' is not in UTC.", remedy="Is it a file of the NSRDB?")
    try:
        return np.array([text.removesuffix("+00:00") for text in texts], dtype="datetime64[us]")
    except ValueError as error:
        raise SchemaError(f"{file.name}: 'time_index' holds no times: {error}.", remedy="Is it a file of the NSRDB?") from error


def _series(content: h5py.File, shape: tuple[int, int]) -> Iterator[str]:
    for name, dataset in content.items():
        if isinstance(dataset, h5py.Dataset) and dataset.shape == shape and dataset.dtype.kind in NUMERIC:
            yield name


def none_nearby(datasets: Iterable[str]) -> pa.Table:
    """The table of :func:`readings` where no station of any file is near: without rows.

    Args:
        datasets: names of the series.
    """
    floats = dict.fromkeys((*LOCATION, "elevation", *datasets), pa.float64())
    columns = {"station": pa.int64(), **floats, "time_index": pa.timestamp("us", tz="UTC"), "source_row": pa.int64()}
    return pa.schema({**columns, "source_file": pa.string(), "source_sha256": pa.string()}).empty_table()


def _locations(meta: np.ndarray) -> np.ndarray:
    return np.column_stack([meta["longitude"], meta["latitude"]]).astype(np.float64)


def _attribute(values: np.ndarray, times: int) -> pa.Array:
    if values.dtype.kind == "S":
        values = np.array([value.decode("utf-8", errors="replace") for value in values], dtype=object)
    return pa.array(np.repeat(values, times))


def _scaled(dataset: h5py.Dataset, stations: np.ndarray) -> np.ndarray:
    """Values of stations in the published unit, station by station."""
    factor = float(dataset.attrs.get("scale_factor", dataset.attrs.get("psm_scale_factor", 1.0)))
    offset = float(dataset.attrs.get("add_offset", dataset.attrs.get("psm_add_offset", 0.0)))
    raw = dataset[:, stations] if len(stations) else np.empty((dataset.shape[0], 0))
    return (raw.T.astype(np.float64) / factor + offset).ravel()
