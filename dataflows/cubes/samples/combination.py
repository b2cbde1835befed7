"""Two datasets of chips as one: side by side (union), or on top of each other (intersection).

After torchgeo (Stewart et al. 2022, TorchGeo: Deep Learning With Geospatial Data, https://doi.org/10.1145/3557915.3560953). A
sample is known by installation, CRS, chip number and month (:data:`dataflows.cubes.samples.index.KEY`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataflows.cubes.rasters.grid import TOLERANCE_PX
from dataflows.cubes.samples.index import KEY, ORDER
from dataflows.cubes.samples.source import Channel, ChipSource, Form, RawSample
from db.errors import CubeError


class Part(NamedTuple):
    """Some samples of a source."""

    source: ChipSource
    rows: NDArray[np.int64]

    @property
    def table(self) -> pd.DataFrame:
        """Their rows, numbered from 0."""
        return self.source.table.iloc[self.rows].reset_index(drop=True)


def _keys(table: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[list(KEY)])


class Union:
    """Samples that at least one of two sources has; those that both have are the first one's."""

    def __init__(self, first: Part, second: Part) -> None:
        """The samples are in the order of the store (:data:`dataflows.cubes.samples.index.ORDER`).

        Raises:
            CubeError: samples of the two cannot stand in one batch.
        """
        one, other = first.source.form, second.source.form
        _refuse_other_forms(_unnamed(one), _unnamed(other), "cannot stand in one batch")
        self._parts = (first, second)
        both = zip(one.channels, other.channels, strict=True)
        self.form = one._replace(
            channels=tuple(Channel(tuple(sorted({*a.collections, *b.collections})), a.band) for a, b in both)
        )
        tables = [part.table for part in self._parts]
        new = ~_keys(tables[1]).isin(_keys(tables[0]))
        joint = pd.concat([tables[0].assign(part=0, row=first.rows), tables[1][new].assign(part=1, row=second.rows[new])])
        joint = joint.sort_values(list(ORDER), kind="stable", ignore_index=True)
        self._part, self._row = joint.pop("part").to_numpy(), joint.pop("row").to_numpy()
        self.table = joint
        self.chunks = np.empty(len(joint), np.int64)
        self.chunks[self._part == 0] = first.source.chunks[self._row[self._part == 0]]
        beyond = int(first.source.chunks.max(initial=-1)) + 1
        self.chunks[self._part == 1] = second.source.chunks[self._row[self._part == 1]] + beyond

    def read(self, rows: NDArray[np.int64], *, floating: bool = False) -> list[RawSample]:
        """See :meth:`dataflows.cubes.samples.source.ChipSource.read`."""
        found: dict[int, RawSample] = {}
        for number, part in enumerate(self._parts):
            of_part = rows[self._part[rows] == number]
            found |= dict(zip(of_part.tolist(), part.source.read(self._row[of_part], floating=floating), strict=True))
        return [found[row] for row in rows.tolist()]

    def transforms(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`dataflows.cubes.samples.source.ChipSource.transforms`."""
        found = np.empty((len(rows), 6))
        for number, part in enumerate(self._parts):
            of_part = self._part[rows] == number
            found[of_part] = part.source.transforms(self._row[rows[of_part]])
        return found


class Intersection:
    """Samples that both of two sources have, with the channels of both; pixels are usable where they are in both."""

    def __init__(self, first: Part, second: Part) -> None:
        """The samples are in the order of the first; its channels come first, then those that it does not have.

        Raises:
            CubeError: samples of the two do not lie on the same pixels, or have no common type.
        """
        one, other = first.source.form, second.source.form
        _refuse_other_forms(one._replace(channels=()), other._replace(channels=()), "cannot be laid on top of each other")
        tables = first.table, second.table
        at = pd.Series(second.rows, index=_keys(tables[1])).reindex(_keys(tables[0])).to_numpy()
        both = ~np.isnan(at.astype(np.float64))
        self._first, self._second = first.source, second.source
        self._rows = first.rows[both], at[both].astype(np.int64)
        self._added = [at for at, channel in enumerate(other.channels) if not any(map(channel.same, one.channels))]
        self.form = one._replace(channels=(*one.channels, *(other.channels[index] for index in self._added)))
        self.table = tables[0][both].reset_index(drop=True)
        self.chunks = self._first.chunks[self._rows[0]]
        self._refuse_other_pixels()

    def _refuse_other_pixels(self) -> None:
        one, other = (source.transforms(rows) for source, rows in zip((self._first, self._second), self._rows, strict=True))
        away = np.abs(one - other).max(axis=1, initial=0) > TOLERANCE_PX * np.abs(one[:, 0])
        if away.any():
            key = self.table.iloc[int(np.flatnonzero(away)[0])]
            raise CubeError(
                f"{int(away.sum())} samples of the two datasets lie on different pixels, such as {key['installation_id']}.",
                remedy="Collections on different grids are brought onto one by open_region.",
            )

    def read(self, rows: NDArray[np.int64], *, floating: bool = False) -> list[RawSample]:
        """See :meth:`dataflows.cubes.samples.source.ChipSource.read`."""
        one = self._first.read(self._rows[0][rows], floating=floating)
        if not self._added:
            return one
        other = self._second.read(self._rows[1][rows], floating=floating)
        return [
            RawSample(
                np.concatenate([a.image, b.image[..., self._added, :, :]], axis=-3), a.usable & b.usable, a.mask, a.own_mask
            )
            for a, b in zip(one, other, strict=True)
        ]

    def transforms(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`dataflows.cubes.samples.source.ChipSource.transforms`."""
        return self._first.transforms(self._rows[0][rows])


def _unnamed(form: Form) -> Form:
    """A form whose channels may be of any collection."""
    return form._replace(channels=tuple(Channel((), channel.band) for channel in form.channels))


def _refuse_other_forms(one: Form, other: Form, consequence: str) -> None:
    differing = [name for name, a, b in zip(one._fields, one, other, strict=True) if a != b]
    if differing:
        raise CubeError(
            f"The datasets differ in {', '.join(differing)}: their samples {consequence}.",
            remedy="Open both with the same bands, months and values; what lies on another grid, with open_region.",
        )
