"""Chips as samples for machine learning: chosen, divided into parts, normalised, combined.

A :class:`ChipDataset` is a map-style dataset (``len()`` and ``[]``). ``torch.utils.data.DataLoader`` asks for no more; torch
itself is needed only where tensors are asked for. ``docs/machine-learning.md`` tells more.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Self

import numpy as np
import pandas as pd
import shapely
from icechunk import Session
from numpy.typing import NDArray

from dataflows.cubes.chip.group import chip_paths, opened_group
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.repository.store import AsOf
from dataflows.cubes.samples.batches import ChunkBatches
from dataflows.cubes.samples.combination import Intersection, Part, Union
from dataflows.cubes.samples.index import KEY, as_series, chip_index, in_bbox, in_cells, in_lake, in_months, in_polygon
from dataflows.cubes.samples.normalisation import BandStatistics
from dataflows.cubes.samples.source import CACHE_BYTES, Channel, ChipSource, Form, RawSample, StoredChips
from dataflows.cubes.samples.splits import FRACTIONS, RESOLUTION, assigned, blocks, within_reach
from db.errors import CubeError, CubeNotFoundError
from db.settings import Settings

# Samples in memory while statistics are computed
STATISTICS_BATCH = 16


@dataclass(frozen=True, eq=False)
class ChipDataset:
    """Samples: one chip and month each, or one chip with all months (``series``). See :meth:`open`.

    A sample is a dictionary:

    ================== ============================ ==========================================================================
    key                shape                        content
    ================== ============================ ==========================================================================
    image              [time,] band, y, x           digital numbers in the stored type; reflectances and normalised values as
                                                    float32, with ``fill`` where nothing was observed
    valid              [time,] y, x                 bool: the pixel shows the ground, not clouds, shadow, snow or nothing
    mask               y, x                         float32: share of the pixel that any installation covers
    own_mask           y, x                         float32: share that the chip's own installation covers
    transform          6                            float64: affine a, b, c, d, e, f; metres in the CRS ``epsg``
    installation_id    –                            text
    epsg, chip_number  –                            whole numbers
    period             –                            first day of the month; of a series, a tuple
    item_id            –                            the scene, "" where there is none; of a series, a tuple; of an intersection,
                                                    the first dataset's
    ================== ============================ ==========================================================================

    Datasets do not change: methods give new ones, which share what they read.

    Attributes:
        source: where samples are read from.
        rows: which of the source's samples, in order.
        fill: value of ``image`` where nothing was observed, wherever it is of floating point.
        tensors: whether arrays are torch tensors.
        statistics: what images are normalised by.
    """

    source: ChipSource
    rows: NDArray[np.int64]
    fill: float = np.nan
    tensors: bool = False
    statistics: BandStatistics | None = None

    @classmethod
    def open(
        cls,
        collection: str | None = None,
        *,
        bands: Sequence[str] | None = None,
        since: date | str | None = None,
        until: date | str | None = None,
        bbox: tuple[float, float, float, float] | None = None,
        polygon: shapely.Geometry | None = None,
        cells: Collection[int | str] | None = None,
        where: str | None = None,
        reflectance: bool = False,
        series: bool = False,
        missing: bool = False,
        fill: float = np.nan,
        tensors: bool = False,
        as_of: AsOf | None = None,
        lake: Settings | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> Self:
        """Chips of one collection that meet all conditions; only coordinates are read.

        Args:
            collection: STAC collection, or the path of one of its groups (``collection/epsg-32632``); may be omitted where
                the chips are of one collection only.
            bands: common names, in the order of the axis; all when omitted.
            since: first month, as a day of it or as ``2025-04``; the first there is when omitted.
            until: last month; the last there is when omitted.
            bbox: west, south, east, north in degrees (EPSG:4326) that the chip's centre lies in; west > east crosses the
                antimeridian.
            polygon: the same, longitude before latitude.
            cells: H3 cells, of resolution 8 or coarser, that the installation lies in, as numbers or text.
            where: SQL over the columns of ``curated.pv_installations``, such as ``capacity_mw > 5``; asked of the lake's
                snapshot that the chips were built from.
            reflectance: scale and offset applied (a share of 1; kelvin for thermal bands; digital numbers where a
                collection has no calibration); else digital numbers as published.
            series: one sample a chip, with all months between the first and the last; else one a chip and month.
            missing: months without a scene are samples, too; in a series they always are, as unobserved pixels.
            fill: value of unobserved pixels in images of floating point.
            tensors: arrays as torch tensors; else NumPy arrays, which torch's loader turns into tensors by itself.
            as_of: version of the chips; see :func:`dataflows.cubes.repository.store.open_readonly`. Whatever is built later,
                the dataset stays at the version that it was opened at.
            lake: settings; those of the process when omitted. They go along to workers: those of the process do not.
            cache_bytes: decoded chunks that are kept in memory, a process.

        Raises:
            CubeNotFoundError: there are no chips of that collection.
            SnapshotNotFoundError: there is no such version.
            CubeError: a band that is not there, a condition that cannot be evaluated, groups that differ.
        """
        if tensors:
            _torch()
        session = store.open_readonly(CubeName.CHIPS, as_of, lake=lake)
        paths = _paths(session, collection)
        form = _form(session, paths, bands, reflectance)
        index = chip_index(session, paths, missing=missing)
        met = in_months(index, since, until)
        for condition, rows_in in ((bbox, in_bbox), (polygon, in_polygon), (cells, in_cells)):
            if condition is not None:
                met &= rows_in(index, condition)
        if where is not None:
            built_from = _lake_snapshot(session, lake)
            met &= in_lake(index, where, snapshot_id=built_from, lake=lake)
        table = index[met].reset_index(drop=True)
        if series:
            table, months = as_series(table)
            form = form._replace(months=months)
        source = StoredChips(table, form, snapshot_id=session.snapshot_id, lake=lake, cache_bytes=cache_bytes)
        return cls(source, np.arange(len(table)), fill, tensors)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([range(len(self))[index]])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Several samples; torch's loader asks for a batch so. Chunks that they share are read once."""
        rows = self.rows[np.asarray(indices, np.int64)]
        raw = self._read(rows)
        transforms = self.source.transforms(rows)
        return [
            self._finished(row, sample, transform)
            for row, sample, transform in zip(rows.tolist(), raw, transforms, strict=True)
        ]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for index in range(len(self)):
            yield self[index]

    @property
    def bands(self) -> tuple[str, ...]:
        """Names along the axis of bands."""
        return self.source.form.bands

    @property
    def table(self) -> pd.DataFrame:
        """A row a sample: what :func:`dataflows.cubes.samples.index.chip_index` says of it."""
        return self.source.table.iloc[self.rows].reset_index(drop=True)

    @property
    def keys(self) -> list[tuple[str, int, int, str]]:
        """What a sample is known by: installation_id, EPSG code, number of the chip, (first) month."""
        table = self.table[list(KEY)]
        table["period"] = table["period"].dt.strftime("%Y-%m-%d")
        return list(table.itertuples(index=False, name=None))

    @property
    def chunks(self) -> NDArray[np.int64]:
        """Number of the chunk that a sample is read from, shape (samples,)."""
        return self.source.chunks[self.rows]

    def batches(self, batch_size: int, **options: Any) -> ChunkBatches:
        """Batches that read whole chunks; see :class:`~dataflows.cubes.samples.batches.ChunkBatches` for the options."""
        return ChunkBatches(self.chunks, batch_size, **options)

    def subset(self, chosen: NDArray[np.bool_] | Sequence[int]) -> Self:
        """Some samples: by number, or by a truth value for each, such as one computed from :attr:`table`."""
        return replace(self, rows=self.rows[np.asarray(chosen) if len(chosen) else np.empty(0, np.int64)])

    def splits(
        self,
        fractions: Mapping[str, float] = FRACTIONS,
        *,
        resolution: int = RESOLUTION,
        seed: int = 0,
        balanced: bool = False,
        apart: bool = False,
    ) -> dict[str, Self]:
        """Parts for training, validation and test, of which no two have samples of one H3 cell.

        Chips at the edge of a cell may still share pixels with chips of another part, unless they are to be ``apart``.

        Args:
            fractions: name and share of every part; they add up to 1.
            resolution: of the H3 cells that go to one part as a whole.
            seed: another one gives another division.
            balanced: shares near the asked ones also where there are few cells, at the price that new samples may move
                cells from one part to another; see :func:`dataflows.cubes.samples.splits.assigned`.
            apart: samples near enough to one of a later part to share pixels with it are in none; parts are in the order
                of ``fractions``, so that the last one stays whole.

        Raises:
            CubeError: the fractions do not add up to 1, or the resolution is finer than that of the chips' cells.
        """
        of_block = blocks(self.source.table["h3_r8"].to_numpy()[self.rows], resolution)
        part = assigned(of_block, fractions, seed=seed, balanced=balanced)
        if apart and len(self):
            place = self.source.table[["longitude", "latitude"]].to_numpy()[self.rows]
            edges = self.source.transforms(self.rows)[:, [0, 4]] * self.source.form.size
            diagonal_m = float(np.hypot(*edges.T).max())
            part = np.where(within_reach(*place.T, part, diagonal_m), -1, part)
        return {name: self.subset(part == number) for number, name in enumerate(fractions)}

    def band_statistics(self) -> BandStatistics:
        """Mean, standard deviation and extremes of usable pixels, of images as they are before normalisation.

        Chunk by chunk: memory does not grow with the number of samples.
        """
        ordered = self.rows[np.argsort(self.chunks, kind="stable")]
        parts = (ordered[at : at + STATISTICS_BATCH] for at in range(0, len(ordered), STATISTICS_BATCH))
        batches = (self._read(part, floating=True) for part in parts)
        return BandStatistics.over(batches, self.bands, reflectance=self.source.form.reflectance)

    def normalised(self, statistics: BandStatistics) -> Self:
        """Images less the mean, in standard deviations, as float32.

        Args:
            statistics: of the part that a model is trained on: those of the whole would tell it about the others.

        Raises:
            CubeError: the statistics are of other bands or units, or a band has no spread.
        """
        statistics.refuse_other(self.bands, reflectance=self.source.form.reflectance)
        return replace(self, statistics=statistics)

    def __or__(self, other: ChipDataset) -> Self:
        """Union: samples that at least one of the two has; those that both have are the first one's.

        Raises:
            CubeError: samples of the two cannot stand in one batch, or one is normalised.
        """
        return self._combined(Union, other)

    def __and__(self, other: ChipDataset) -> Self:
        """Intersection: samples that both have, with the bands of both; pixels are valid where they are in both.

        Raises:
            CubeError: samples of the two lie on other pixels, or one is normalised.
        """
        return self._combined(Intersection, other)

    def _combined(self, combination: type[Union] | type[Intersection], other: ChipDataset) -> Self:
        if not isinstance(other, ChipDataset):
            return NotImplemented
        if self.statistics is not None or other.statistics is not None:
            raise CubeError("A dataset to be combined is normalised.", remedy="Combine first, then normalise.")
        source = combination(Part(self.source, self.rows), Part(other.source, other.rows))
        return replace(self, source=source, rows=np.arange(len(source.table)))

    def _read(self, rows: NDArray[np.int64], *, floating: bool = False) -> list[RawSample]:
        return self.source.read(rows, floating=floating or self.statistics is not None)

    def _finished(self, row: int, raw: RawSample, transform: NDArray[np.float64]) -> dict[str, Any]:
        image = raw.image if self.statistics is None else self.statistics.applied(raw.image)
        if image.dtype.kind == "f" and not np.isnan(self.fill):
            image = np.nan_to_num(image, nan=self.fill, posinf=np.inf, neginf=-np.inf)
        arrays = {"image": image, "valid": raw.usable, "mask": raw.mask, "own_mask": raw.own_mask, "transform": transform}
        if self.tensors:
            arrays = {name: _torch().from_numpy(array) for name, array in arrays.items()}
        return {**arrays, **self._facts(row)}

    def _facts(self, row: int) -> dict[str, Any]:
        installation_id, epsg, number, period, item_id = (self.source.table[name].iat[row] for name in (*KEY, "item_id"))
        months = self.source.form.months
        return {
            "installation_id": installation_id,
            "epsg": int(epsg),
            "chip_number": int(number),
            "period": str(period.date()) if months is None else months,
            "item_id": item_id,
        }


def _paths(session: Session, collection: str | None) -> list[str]:
    """Groups of a collection, or one group by its path."""
    paths = chip_paths(session)
    names = sorted({path.rpartition("/")[0] for path in paths})
    if collection is None and len(names) == 1:
        return paths
    found = [path for path in paths if collection in (path, path.rpartition("/")[0])]
    if not found:
        wanted = "without saying which collection" if collection is None else f"of {collection!r}"
        raise CubeNotFoundError(f"No chips can be opened {wanted}.", remedy=f"There are: {', '.join(names) or 'none'}.")
    return found


def _form(session: Session, paths: list[str], bands: Sequence[str] | None, reflectance: bool) -> Form:
    collection = paths[0].rpartition("/")[0]
    found = set()
    for path in paths:
        group = opened_group(session, path)
        wanted = group.bands if bands is None else tuple(bands)
        absent = [band for band in wanted if band not in group.bands]
        if absent or not wanted:
            raise CubeError(f"{path} has no band {', '.join(absent) or 'at all'}.", remedy=f"It has {', '.join(group.bands)}.")
        dtype = np.dtype(np.float32) if reflectance else group["pixels"].dtype
        channels = tuple(Channel((collection,), band) for band in wanted)
        found.add(Form(channels, group.size, dtype, reflectance, None))
    if len(found) > 1:
        raise CubeError(
            f"The groups of {collection} differ in bands, size or type.", remedy="Name bands, or one group by its path."
        )
    return found.pop()


def _lake_snapshot(session: Session, lake: Settings | None) -> int | None:
    """The lake's snapshot that a version of the chips was built from; ``None`` where it does not say."""
    repository = store.repository(CubeName.CHIPS, lake=lake)
    metadata = CommitMetadata.of(repository.lookup_snapshot(session.snapshot_id))
    return metadata.ducklake_snapshot_id if metadata else None


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ModuleNotFoundError:
        raise CubeError("torch is not installed.", remedy="Install it, or open the dataset without tensors.") from None
