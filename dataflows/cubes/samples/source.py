"""Where the samples of a dataset come from: chips of one version of the repository, read a chunk at a time."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataflows.cubes.chip.group import ChipGroup, opened_group
from dataflows.cubes.pixels import quality
from dataflows.cubes.pixels.reflectance import calibrated
from dataflows.cubes.repository import store
from dataflows.cubes.repository.storage import CubeName
from db.errors import CubeError
from db.settings import Settings

CACHE_BYTES = 128 * 1024 * 1024

UNOBSERVED = (quality.Quality.MISSING, quality.Quality.NODATA)


class Channel(NamedTuple):
    """A band, and the collections that it is of."""

    collections: tuple[str, ...]
    band: str

    def same(self, other: Channel) -> bool:
        """Whether two channels show the same: one band of one collection."""
        return self.band == other.band and not set(self.collections).isdisjoint(other.collections)


class Form(NamedTuple):
    """What samples must have in common to stand in one batch.

    Attributes:
        channels: along the axis of bands.
        size: pixels along an edge.
        dtype: of the images.
        reflectance: whether they are reflectances; else digital numbers.
        months: first days of the months of a series; ``None`` where a sample is one month.
    """

    channels: tuple[Channel, ...]
    size: int
    dtype: np.dtype
    reflectance: bool
    months: tuple[str, ...] | None

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the channels; with their collection where two have the same band."""
        bands = [channel.band for channel in self.channels]
        return tuple(
            band if bands.count(band) == 1 else f"{'+'.join(collections)}/{band}" for collections, band in self.channels
        )


@dataclass(frozen=True)
class RawSample:
    """One sample as it is stored; a series has a first axis more, time, in all but the masks.

    Attributes:
        image: digital numbers or reflectances, shape (band, y, x).
        usable: pixels that show the ground, shape (y, x).
        mask: share covered by any installation, shape (y, x).
        own_mask: share covered by the chip's installation, shape (y, x).
    """

    image: NDArray[Any]
    usable: NDArray[np.bool_]
    mask: NDArray[np.float32]
    own_mask: NDArray[np.float32]


class ChipSource(Protocol):
    """Samples, by number.

    Attributes:
        table: one row a sample: the columns of :func:`dataflows.cubes.samples.index.chip_index`.
        form: what the samples have in common.
        chunks: samples of the same number are read together, shape (samples,).
    """

    table: pd.DataFrame
    form: Form
    chunks: NDArray[np.int64]

    def read(self, rows: NDArray[np.int64], *, floating: bool) -> list[RawSample]:
        """Samples, in the order of ``rows``.

        Args:
            rows: numbers of rows of ``table``.
            floating: as 32-bit floating-point numbers; else as the form has them. Floating-point numbers are NaN where nothing
                was observed.
        """
        ...

    def transforms(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Affines a, b, c, d, e, f of samples, shape (rows, 6)."""
        ...


class _Chunk(NamedTuple):
    """Chips of one chunk and month; arrays begin with the axis of chips."""

    pixels: NDArray[Any]
    classes: NDArray[np.uint8]
    offset: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self)


class _Masks(NamedTuple):
    mask: NDArray[np.float32]
    own_mask: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self)


@dataclass(frozen=True)
class _Opened:
    """A group, and what of it every sample needs."""

    group: ChipGroup
    together: int
    bands: tuple[str, ...]
    place_of: dict[str, int]
    scale: NDArray[np.float64]
    transforms: NDArray[np.float64]

    @classmethod
    def of(cls, group: ChipGroup) -> _Opened:
        months = group.months.astype("datetime64[M]").astype(str).tolist()
        return cls(
            group,
            group.chips_per_chunk,
            group.bands,
            {month: place for place, month in enumerate(months)},
            np.asarray(group["reflectance_scale"][:]),
            np.asarray(group["transform"][:]),
        )


class StoredChips:
    """Chips of one version of the repository.

    A chunk holds neighbouring chips of one month; it is decoded whole, and kept for the next samples as long as
    ``cache_bytes`` allow. What is open stays in the process: a copy in another one (a worker of a loader) opens the same
    version anew.
    """

    def __init__(
        self, table: pd.DataFrame, form: Form, *, snapshot_id: str, lake: Settings | None, cache_bytes: int = CACHE_BYTES
    ) -> None:
        """Nothing is read before :meth:`read`.

        Args:
            table: see :class:`ChipSource`; of a series, one row a chip.
            form: of the samples.
            snapshot_id: of the repository of chips.
            lake: settings; those of the process when ``None``.
            cache_bytes: decoded chunks that are kept in memory.
        """
        self.table = table
        self.form = form
        self.snapshot_id = snapshot_id
        self._lake = lake
        self._cache_bytes = cache_bytes
        self._forget()
        keys = [
            pd.factorize(table["path"])[0],
            *(table[name].to_numpy() for name in ("block", "time")[: 1 if form.months else 2]),
        ]
        self.chunks = np.unique(np.stack(keys), axis=1, return_inverse=True)[1].reshape(-1)

    def _forget(self) -> None:
        # Icechunk's threads do not live on in a forked process: there, reading would wait for ever
        self._process = os.getpid()
        self._groups: dict[str, _Opened] = {}
        self._in_use: dict[tuple[Any, ...], _Chunk | _Masks] = {}
        self._held: OrderedDict[tuple[Any, ...], _Chunk | _Masks] = OrderedDict()
        self._held_bytes = 0

    def __getstate__(self) -> dict[str, Any]:
        opened = ("_groups", "_in_use", "_held", "_held_bytes")
        return {name: value for name, value in self.__dict__.items() if name not in opened}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _group(self, path: str) -> _Opened:
        if path not in self._groups:
            session = store.open_readonly(CubeName.CHIPS, self.snapshot_id, lake=self._lake)
            self._groups[path] = _Opened.of(opened_group(session, path))
        return self._groups[path]

    def _kept(self, kind: type[_Chunk] | type[_Masks], path: str, block: int, month: int = -1) -> Any:
        """A chunk or its masks, from memory where they are there."""
        key = (kind, path, block, month)
        if key not in self._in_use:
            if key not in self._held:
                self._hold(key, self._decoded(kind, path, block, month))
            self._held.move_to_end(key)
            self._in_use[key] = self._held[key]
            self._drop_oldest()
        return self._in_use[key]

    def _decoded(self, kind: type[_Chunk] | type[_Masks], path: str, block: int, month: int) -> _Chunk | _Masks:
        opened = self._group(path)
        chips = slice(block * opened.together, (block + 1) * opened.together)
        names = ("mask", "own_mask") if kind is _Masks else ("pixels", "quality", "reflectance_offset")
        where = (chips,) if kind is _Masks else (chips, month)
        return kind(*(np.asarray(opened.group[name][where]) for name in names))

    def _hold(self, key: tuple[Any, ...], found: _Chunk | _Masks) -> None:
        self._held[key] = found
        self._held_bytes += found.nbytes

    def _drop_oldest(self) -> None:
        while self._held_bytes > self._cache_bytes:
            self._held_bytes -= self._held.popitem(last=False)[1].nbytes

    def read(self, rows: NDArray[np.int64], *, floating: bool = False) -> list[RawSample]:
        """Samples, in the order of ``rows``; chunk by chunk, each once. See :meth:`ChipSource.read`.

        Raises:
            CubeError: in a process that was forked after the chips were opened.
        """
        if os.getpid() != self._process:
            raise CubeError(
                "The chips were opened before this process was forked.",
                remedy="Give the loader multiprocessing_context='spawn' or 'forkserver'.",
            )
        found: dict[int, RawSample] = {}
        chunk = -1
        for row in rows[np.argsort(self.chunks[rows], kind="stable")].tolist():
            if self.chunks[row] != chunk:
                # Whatever the cache holds, what the samples of one chunk share is read once
                self._in_use.clear()
                chunk = self.chunks[row]
            if row not in found:
                found[row] = self._sample(row, floating or self.form.reflectance)
        self._in_use.clear()
        return [found[row] for row in rows.tolist()]

    def _sample(self, row: int, floating: bool) -> RawSample:
        path, chip, time = (self.table[name].iat[row] for name in ("path", "chip", "time"))
        opened = self._group(path)
        block, place = divmod(int(chip), opened.together)
        # Copies: who changes a sample must not change what is kept
        masks = [np.array(masks[place]) for masks in self._kept(_Masks, path, block)]
        if self.form.months is None:
            return RawSample(*self._month(path, block, place, int(time), floating), *masks)
        months = [opened.place_of.get(month[:7]) for month in self.form.months]
        images, usable = zip(*(self._month(path, block, place, month, floating) for month in months), strict=True)
        return RawSample(np.stack(images), np.stack(usable), *masks)

    def _month(
        self, path: str, block: int, place: int, month: int | None, floating: bool
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Image (band, y, x) and usable pixels (y, x) of a chip; a month that the group does not reach is unobserved."""
        opened, form = self._group(path), self.form
        dtype = np.dtype(np.float32) if floating else form.dtype
        if month is None:
            fill = np.nan if dtype.kind == "f" else opened.group["pixels"].fill_value
            return np.full((len(form.channels), form.size, form.size), fill, dtype), np.zeros((form.size, form.size), np.bool_)
        chunk = self._kept(_Chunk, path, block, month)
        bands = [opened.bands.index(channel.band) for channel in form.channels]
        image, classes = chunk.pixels[place, bands], chunk.classes[place]
        if form.reflectance:
            image = calibrated(image, opened.scale[bands], chunk.offset[place, bands])
        image = image.astype(dtype, copy=False)
        if dtype.kind == "f":
            image[:, np.isin(classes, UNOBSERVED)] = np.nan
        return image, quality.usable(classes)

    def transforms(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`ChipSource.transforms`."""
        paths, chips = self.table["path"].to_numpy()[rows], self.table["chip"].to_numpy()[rows]
        found = np.empty((len(rows), 6))
        for path in pd.unique(paths):
            of_path = paths == path
            found[of_path] = self._group(path).transforms[chips[of_path]]
        return found
