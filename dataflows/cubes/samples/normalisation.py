"""Statistics of bands over the pixels that a model may learn from, and images in units of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.pixels.statistics import WeightedStatistics, combined, weighted
from dataflows.cubes.samples.source import RawSample
from db.errors import CubeError


@dataclass(frozen=True)
class BandStatistics:
    """Statistics of usable pixels, one number a band.

    Attributes:
        bands: names, as a dataset has them.
        reflectance: of reflectances; else of digital numbers.
        mean: mean; NaN for a band without a usable pixel, like the others.
        stdev: standard deviation of the population.
        min: least value.
        max: greatest value.
        n_pixels: usable pixels.
    """

    bands: tuple[str, ...]
    reflectance: bool
    mean: tuple[float, ...]
    stdev: tuple[float, ...]
    min: tuple[float, ...]
    max: tuple[float, ...]
    n_pixels: tuple[int, ...]

    @classmethod
    def over(cls, samples: Iterable[list[RawSample]], bands: tuple[str, ...], *, reflectance: bool) -> Self:
        """Statistics over all samples of several batches, of which one at a time is in memory.

        Args:
            samples: batches, floating.
            bands: names of the channels.
            reflectance: whether the images are reflectances.
        """
        total = _statistics(np.empty((len(bands), 0)))
        for batch in samples:
            parts = [total, _statistics(np.concatenate([_pixels(sample) for sample in batch], axis=1))]
            stacked = WeightedStatistics(*(np.stack([getattr(part, name) for part in parts]) for name in vars(total)))
            joint = combined(stacked, np.zeros(len(parts), np.int64), 1)
            total = WeightedStatistics(*(getattr(joint, name)[0] for name in vars(total)))
        numbers = {name: tuple(getattr(total, name).tolist()) for name in ("mean", "stdev", "min", "max")}
        return cls(tuple(bands), reflectance, **numbers, n_pixels=tuple(np.rint(total.weight).astype(int).tolist()))

    def applied(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """An image, shape (…, band, y, x), with mean 0 and standard deviation 1 over the pixels that this is of."""
        mean, stdev = (np.array(values, np.float64)[:, None, None] for values in (self.mean, self.stdev))
        return ((image - mean) / stdev).astype(np.float32)

    def refuse_other(self, bands: tuple[str, ...], *, reflectance: bool) -> None:
        """Raise where images cannot be normalised by this.

        Raises:
            CubeError: other bands or units, or a band that has no spread.
        """
        if bands != self.bands or reflectance != self.reflectance:
            units = {True: "reflectance", False: "digital numbers"}
            raise CubeError(
                f"The statistics are of {', '.join(self.bands)} in {units[self.reflectance]}, the images are "
                f"{', '.join(bands)} in {units[reflectance]}.",
                remedy="Compute them over the training part of the same dataset.",
            )
        flat = [band for band, stdev in zip(bands, self.stdev, strict=True) if not stdev > 0]
        if flat:
            raise CubeError(
                f"The pixels of {', '.join(flat)} have no spread.", remedy="Compute the statistics over more samples."
            )

    def as_json(self) -> str:
        """As text, to be kept beside the model that was trained with it."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Self:
        """The reverse of :meth:`as_json`."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()})


def _pixels(sample: RawSample) -> NDArray[Any]:
    """Values of the usable pixels, shape (band, pixels)."""
    return np.moveaxis(sample.image, -3, 0)[:, sample.usable]


def _statistics(pixels: NDArray[Any]) -> WeightedStatistics:
    return weighted(pixels, np.ones(pixels.shape[1]))
