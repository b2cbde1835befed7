"""Stations of the National Solar Radiation Database next to places, out of NREL's public bucket.

A year is one HDF5 file of about two million stations and more than a terabyte. Its series are stored in chunks of some 2,000
times by 500 stations, so that a station costs those that it is in. What is read of the wanted stations is kept as a small HDF5
file in the same layout (``meta``, ``time_index`` and the series as stored, with their attributes), with their positions in the
published file (``gid``). Stations that were read before are not read again.

Sources: https://registry.opendata.aws/nrel-pds-nsrdb/ (open to everybody, without signing), NREL's description of its files
(https://nrel.github.io/rex/misc/examples.nrel_data.html) and its reader (``rex.Resource``).

Layout of the cache: ``<cache>/nsrdb/<key>/<identity of the file>/`` has ``stations.npy`` and a part an acquisition.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from db.errors import AcquisitionError, SchemaError, TooManyPlacesError
from ingest.acquired import AcquiredFile, Origin
from ingest.bucket import Bucket
from ingest.cache import SIDECAR_SUFFIX, write_atomically
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context, NsrdbBucket
from ingest.hdf5_ranges import hdf5
from ingest.pieces import Pieces
from ingest.places import nearest
from ingest.verification import verify

log = logging.getLogger(__name__)

FORMAT = 1
"""Of parts; raise it with a change of what they hold."""

GIGABYTE = 1e9
SAME_PLACE_DEG = 0.02
"""Half a cell of the grid: ``coordinates`` and ``meta`` that differ by more are of different stations."""


class _Sidecar(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    size: int
    gids: tuple[int, ...]


def stations(context: Context, origin: NsrdbBucket, places: np.ndarray, reach_km: float, access: ContextAccess) -> Pieces:
    """The stations nearest to places.

    Args:
        context: manifest entry.
        origin: its origin.
        places: float64 (n, 2): longitude and latitude in degrees.
        reach_km: a station farther than that from a place is not its own.
        access: cache, and whether the bucket may be asked.

    Returns:
        HDF5 files that hold all of them together; none where no station is within reach.

    Raises:
        TooManyPlacesError: more bytes than ``origin.max_gb`` would have to be read; no series has been.
        SchemaError: the file is not laid out as one of the NSRDB, or lacks a series.
        ReadError: it is no HDF5.
        RemoteError: the bucket does not answer, or refuses.
    """
    if not len(places):
        return Pieces()
    parts = _Parts(context.key, origin, access.cache_dir)
    where = None if access.refresh else parts.stations()
    if where is None and access.offline:
        return Pieces(missing=[f"{len(places):,} places"])
    bucket = Bucket.in_s3(
        origin.url, region=origin.region, endpoint=origin.endpoint, credentials=access.credentials, retry=access.retry
    )
    if where is None:
        with hdf5(bucket, bucket.file(origin.path)) as content:
            where = parts.keep_stations(_stations(content, origin))
    found = nearest(where, places, reach_km)
    wanted = np.unique(found[found >= 0])
    files, known = [], set()
    for file, gids in [] if access.refresh else parts.held():
        if not known.issuperset(set(gids).intersection(wanted.tolist())):
            files.append(file)
            known.update(gids)
    unread = np.array([gid for gid in wanted.tolist() if gid not in known], dtype=np.int64)
    if len(unread) and access.offline:
        return Pieces(files=files, missing=[f"{len(unread):,} stations"])
    if len(unread):
        with hdf5(bucket, bucket.file(origin.path)) as content:
            files.append(parts.take(content, unread, where))
        if access.refresh:
            parts.forget_but(files[-1].path)
        log.info(
            "%s: %d of %d stations read from %s, %s bytes in %s requests",
            *(context.key, len(unread), len(where), f"{bucket.shown}/{origin.path}"),
            *(f"{bucket.bytes_read:,}", f"{bucket.requests:,}"),
        )
    return Pieces(files=files)


class _Parts:
    """What has been read of one published file."""

    def __init__(self, key: str, origin: NsrdbBucket, cache_dir: Path) -> None:
        chosen = origin.model_dump_json(include={"url", "endpoint", "file", "year", "datasets"})
        identity = hashlib.sha256(f"{FORMAT}\n{chosen}".encode()).hexdigest()[:16]
        self._key, self._origin = key, origin
        self._folder = cache_dir / "nsrdb" / key / identity

    def stations(self) -> np.ndarray | None:
        """Longitude and latitude of all stations of the published file, float32 (n, 2), if they have been read."""
        try:
            return np.load(self._folder / "stations.npy", allow_pickle=False)
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            log.warning("The stations of %s in the cache are damaged and will be read again: %s", self._key, error)
            return None

    def keep_stations(self, where: np.ndarray) -> np.ndarray:
        with self._written("stations.npy") as part, part.open("wb") as sink:
            np.save(sink, where)
        return where

    def held(self) -> list[tuple[AcquiredFile, tuple[int, ...]]]:
        """The parts, verified, and which stations are in each."""
        found = []
        for path in sorted(self._folder.glob("part-*.h5")):
            try:
                sidecar = _Sidecar.model_validate_json(self._sidecar(path).read_bytes())
                verify(path, path.name, checksums=[f"sha256:{sidecar.sha256}"], size=sidecar.size)
            except (AcquisitionError, ValidationError, FileNotFoundError) as error:
                log.warning("The part %s is damaged and will be read again: %s", path, error)
                continue
            found.append((self._file(path, sidecar, "cache"), sidecar.gids))
        return found

    def take(self, content: h5py.File, gids: np.ndarray, where: np.ndarray) -> AcquiredFile:
        """Read stations, and keep them; there wholly or not at all."""
        names = list(self._origin.datasets)
        _check(content, self._origin, names, len(where))
        _check_cost(self._key, self._origin, [content[name] for name in names], gids)
        digest = hashlib.sha256(np.ascontiguousarray(gids).tobytes()).hexdigest()[:16]
        path = self._folder / f"part-{digest}.h5"
        with self._written(path.name) as part:
            with h5py.File(part, "w") as kept:
                kept["meta"] = _meta(content, gids, where)
                kept["time_index"] = content["time_index"][:]
                kept["gid"] = gids
                kept.attrs["stations_published"] = len(where)
                for name in names:
                    kept[name] = _columns(content[name], gids)
                    for attribute, value in content[name].attrs.items():
                        kept[name].attrs[attribute] = value
            sidecar = _Sidecar(sha256=verify(part, path.name), size=part.stat().st_size, gids=tuple(gids.tolist()))
        write_atomically(self._sidecar(path), sidecar.model_dump_json())
        return self._file(path, sidecar, "repository")

    def forget_but(self, newest: Path) -> None:
        """Remove the parts that were read before this one."""
        for path in self._folder.glob("part-*.h5"):
            if path != newest:
                self._sidecar(path).unlink(missing_ok=True)
                path.unlink(missing_ok=True)

    def _file(self, path: Path, sidecar: _Sidecar, origin: Origin) -> AcquiredFile:
        return AcquiredFile(self._origin.path, path, sidecar.sha256, sidecar.size, origin)

    def _sidecar(self, path: Path) -> Path:
        return path.with_name(f"{path.name}{SIDECAR_SUFFIX}")

    def _written(self, name: str) -> _Written:
        self._folder.mkdir(parents=True, exist_ok=True)
        return _Written(self._folder / name)


class _Written:
    """A file that appears by rename when the block has written it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")

    def __enter__(self) -> Path:
        return self._part

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def _stations(content: h5py.File, origin: NsrdbBucket) -> np.ndarray:
    """Longitude and latitude of all stations, float32 (n, 2).

    From ``coordinates`` (latitude and longitude alone) where there is one: ``meta`` has a record of a hundred bytes a station.
    """
    if "coordinates" in content and content["coordinates"].ndim == 2 and content["coordinates"].shape[1] == 2:
        where = content["coordinates"][:][:, ::-1]
    else:
        meta = content["meta"][:] if "meta" in content else np.empty(0)
        if not meta.dtype.names or not {"latitude", "longitude"} <= set(meta.dtype.names):
            raise SchemaError(f"{origin.path}: 'meta' has no latitude and longitude.", remedy="Is it a file of the NSRDB?")
        where = np.column_stack([meta["longitude"], meta["latitude"]])
    where = np.ascontiguousarray(where, dtype=np.float32)
    if len(where) and not (np.abs(where[:, 1]) <= 90).all():
        raise SchemaError(f"{origin.path}: latitudes of stations are beyond the poles.", remedy="Is it a file of the NSRDB?")
    return where


def _check(content: h5py.File, origin: NsrdbBucket, names: list[str], stations: int) -> None:
    if missing := [name for name in ("meta", "time_index", *names) if name not in content]:
        raise SchemaError(
            f"{origin.path} has no dataset {missing[0]!r}; it has {', '.join(content)}.",
            remedy="Correct 'datasets' or 'file' of the origin in the manifest.",
        )
    shape = (len(content["time_index"]), stations)
    for name in names:
        if content[name].shape != shape:
            raise SchemaError(
                f"{origin.path}: {name!r} is of {content[name].shape}, not of {shape[0]:,} times and {shape[1]:,} stations.",
                remedy="Is it a file of the NSRDB?",
            )


def _check_cost(key: str, origin: NsrdbBucket, series: list[h5py.Dataset], gids: np.ndarray) -> None:
    """Raise where more would be read than is allowed; nothing has been read yet."""
    cost = sum(
        dataset.shape[0] * (high - low) * dataset.dtype.itemsize for dataset in series for low, high, _ in _bands(dataset, gids)
    )
    if cost > origin.max_gb * GIGABYTE:
        raise TooManyPlacesError(
            f"{key}: {len(gids):,} stations of {origin.path} take {cost / GIGABYTE:,.3g} GB; {origin.max_gb:g} GB may be read.",
            remedy="Raise 'max_gb' in the manifest, name fewer 'datasets', or put an extract into the mirror.",
        )


def _bands(dataset: h5py.Dataset, gids: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """First and last column + 1 of each band of chunks that holds a station, and its stations; all columns without chunks."""
    width = dataset.chunks[1] if dataset.chunks else dataset.shape[1]
    for band in np.unique(gids // width):
        yield int(band * width), int(min((band + 1) * width, dataset.shape[1])), gids[gids // width == band]


def _columns(dataset: h5py.Dataset, gids: np.ndarray) -> np.ndarray:
    """Values of stations as stored, (times, stations): whole chunks are read, and once; a few rows of them at a time."""
    values = np.empty((dataset.shape[0], len(gids)), dtype=dataset.dtype)
    rows = dataset.chunks[0] if dataset.chunks else max(1, (1 << 24) // max(1, dataset.shape[1] * dataset.dtype.itemsize))
    for low, high, inside in _bands(dataset, gids):
        target = np.searchsorted(gids, inside)
        for start in range(0, dataset.shape[0], rows):
            values[start : start + rows, target] = dataset[start : start + rows, low:high][:, inside - low]
    return values


def _meta(content: h5py.File, gids: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Records of the stations, which are where they are believed to be."""
    meta = content["meta"]
    records = np.concatenate([meta[gid : gid + 1] for gid in gids.tolist()])
    told = np.column_stack([records["longitude"], records["latitude"]])
    if (np.abs(told - where[gids]) > SAME_PLACE_DEG).any():
        raise SchemaError("'coordinates' and 'meta' are of different stations.", remedy="Report it to the publisher.")
    return records
