"""Statistics of chips: weighted by coverage for an installation, plain for a whole chip.

The weighted ones are those of exactextract with the mask as coverage fraction: ``mean`` and ``stdev`` weight every valid pixel
by its covered fraction (``stdev`` is that of the population), ``min`` and ``max`` take every valid pixel that is covered at
all; for the median see :func:`weighted_median`. The plain ones are ``variance`` of the population (ddof 0), ``skewness`` of
Fisher and Pearson without correction for bias (scipy.stats.skew), and Shannon's ``entropy`` in bits over the distinct values
(scipy.stats.entropy of their counts).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


@dataclass(frozen=True)
class WeightedStatistics:
    """Arrays of one shape; NaN where no valid pixel is covered, but for ``weight``, which is 0 there.

    Attributes:
        mean: weighted mean.
        stdev: weighted standard deviation of the population.
        min: least value.
        max: greatest value.
        weight: sum of the covered fractions of valid pixels, in pixels.
    """

    mean: NDArray[np.float64]
    stdev: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    weight: NDArray[np.float64]


def weighted(values: NDArray[np.floating], coverage: NDArray[np.floating]) -> WeightedStatistics:
    """Statistics over the pixels of an installation.

    Args:
        values: shape (…, pixels); NaN where not valid.
        coverage: covered fraction of each pixel, shape (pixels,).

    Returns:
        Arrays of shape (…).
    """
    covered = coverage > 0
    columns = values[..., covered].reshape(math.prod(values.shape[:-1]), -1 if covered.any() else 0).T
    found = weighted_by_zone(columns, coverage[covered], np.array([len(columns)]))
    return WeightedStatistics(*(getattr(found, each.name).reshape(values.shape[:-1]) for each in fields(found)))


def weighted_by_zone(
    values: NDArray[np.floating], coverage: NDArray[np.floating], lengths: NDArray[np.int64]
) -> WeightedStatistics:
    """Statistics of many installations at once, over the pixels that they cover.

    Args:
        values: shape (pixels, columns), one installation after the other; NaN where not valid.
        coverage: covered fraction of each pixel, more than 0, shape (pixels,).
        lengths: pixels of each installation, shape (zones,).

    Returns:
        Arrays of shape (zones, columns).
    """
    shape, edges = (len(lengths), values.shape[1]), np.r_[0, np.cumsum(lengths)]
    weights = csr_array((coverage.astype(np.float64), np.arange(len(coverage)), edges), (len(lengths), len(coverage)))
    values = values.astype(np.float64, copy=False)
    valid = ~np.isnan(values)
    filled = values if (whole := valid.all()) else np.where(valid, values, 0.0)
    weight = weights @ (np.ones_like(values[:, :1]) if whole else valid.astype(np.float64)) + np.zeros(shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(weight > 0, weights @ filled / weight, np.nan)
        # About the mean: the difference of squares loses all digits where values are large and alike
        deviation = filled - np.repeat(mean, lengths, axis=0)
        np.square(deviation, out=deviation)
        if not whole:
            deviation[~valid] = 0.0
        stdev = np.where(weight > 0, np.sqrt(weights @ deviation / weight), np.nan)
    least, greatest = np.full(shape, np.nan), np.full(shape, np.nan)
    # One after the other: ufunc.reduceat takes ten times as long. Where pixels are not valid, fmin and fmax pass them over
    lower, upper = (np.minimum, np.maximum) if whole else (np.fmin, np.fmax)
    for zone in np.flatnonzero(lengths):
        own = values[edges[zone] : edges[zone + 1]]
        lower.reduce(own, axis=0, out=least[zone])
        upper.reduce(own, axis=0, out=greatest[zone])
    return WeightedStatistics(mean, stdev, least, greatest, weight)


def weighted_median(values: NDArray[np.floating], coverage: NDArray[np.floating]) -> NDArray[np.float64]:
    """The median over the pixels of an installation, as exactextract has it; medians of parts do not combine.

    Of the n distinct values v, in order, with weights w (equal values count as one), the k-th stands at
    S = k·w + (n − 1)·(sum of the weights before it), k from 0; the median is interpolated at half of the last S. With equal
    weights that is numpy's.

    Args:
        values: shape (…, pixels); NaN where not valid.
        coverage: covered fraction of each pixel, shape (pixels,).

    Returns:
        Shape (…); NaN where no valid pixel is covered.
    """
    covered = coverage > 0
    rows = values[..., covered].astype(np.float64, copy=False).reshape(-1, int(covered.sum()))
    found = np.full(len(rows), np.nan)
    if rows.size:
        order = np.argsort(rows, axis=1)
        ordered = np.take_along_axis(rows, order, axis=1)
        weights = np.where(np.isnan(ordered), 0.0, coverage[covered].astype(np.float64)[order])
        some = weights.any(axis=1)
        found[some] = _medians(ordered[some], weights[some])
    return found.reshape(values.shape[:-1])


def _medians(ordered: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of rows in order, NaN and without weight at their ends."""
    upto = np.cumsum(weights, axis=1)
    begins = np.ones(ordered.shape, np.bool_)
    begins[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]) & ~np.isnan(ordered[:, 1:])
    ends = np.ones_like(begins)
    ends[:, :-1] = begins[:, 1:]
    # What all pixels of one value share: its rank, and the weights before and up to it
    rank = np.cumsum(begins, axis=1) - 1
    before = np.maximum.accumulate(np.where(begins, upto - weights, 0.0), axis=1)
    through = np.minimum.accumulate(np.where(ends, upto, np.inf)[:, ::-1], axis=1)[:, ::-1]
    last = rank[:, -1:]
    stands = rank * (through - before) + last * before
    half = last[:, 0] * upto[:, -1] / 2
    valid = ~np.isnan(ordered)
    row = np.arange(len(ordered))
    low = ((stands <= half[:, None]) & valid).sum(axis=1) - 1
    high = np.minimum(low + 1, valid.sum(axis=1) - 1)
    width = stands[row, high] - stands[row, low]
    share = np.divide(half - stands[row, low], width, out=np.zeros_like(half), where=width > 0)
    return ordered[row, low] + share * (ordered[row, high] - ordered[row, low])


def combined(parts: WeightedStatistics, group: NDArray[np.int64], groups: int) -> WeightedStatistics:
    """Statistics of groups from those of their parts, as if over all pixels at once (Chan et al. 1979, STAN-CS-79-773).

    Args:
        parts: arrays of shape (parts, …).
        group: of each part, shape (parts,).
        groups: number of groups.

    Returns:
        Arrays of shape (groups, …).
    """
    shape = (groups, *parts.mean.shape[1:])
    weight, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    least, greatest = np.full(shape, np.inf), np.full(shape, -np.inf)
    there = parts.weight > 0
    mean = np.where(there, parts.mean, 0.0)
    np.add.at(weight, group, parts.weight)
    np.add.at(total, group, parts.weight * mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        joint = np.where(weight > 0, total / weight, np.nan)
        apart = np.where(there, mean - joint[group], 0.0)
        np.add.at(squares, group, parts.weight * (np.square(np.where(there, parts.stdev, 0.0)) + np.square(apart)))
        stdev = np.where(weight > 0, np.sqrt(squares / weight), np.nan)
    np.minimum.at(least, group, np.where(there, parts.min, np.inf))
    np.maximum.at(greatest, group, np.where(there, parts.max, -np.inf))
    some = weight > 0
    return WeightedStatistics(joint, stdev, np.where(some, least, np.nan), np.where(some, greatest, np.nan), weight)


@dataclass(frozen=True)
class ChipStatistics:
    """Plain statistics of one band of one chip at one time, in digital numbers.

    Attributes:
        n_pixels: valid pixels.
        min: least number, NaN without valid pixels, like the others.
        max: greatest number.
        mean: mean.
        variance: variance of the population.
        skewness: of Fisher and Pearson; NaN where all numbers are equal.
        entropy_bits: Shannon entropy over the distinct numbers.
    """

    n_pixels: int
    min: float
    max: float
    mean: float
    variance: float
    skewness: float
    entropy_bits: float


STATISTICS = tuple(field.name for field in fields(ChipStatistics))


def plain(numbers: NDArray[np.generic]) -> ChipStatistics:
    """Statistics of the valid pixels of a chip, shape (n,)."""
    if numbers.size == 0:
        return ChipStatistics(0, *[np.nan] * 6)
    distinct, counts = np.unique(numbers, return_counts=True)
    share = counts / numbers.size
    # Everything follows from the histogram, which is an order of magnitude shorter than the pixels
    mean = float(distinct.astype(np.float64) @ share)
    deviation = distinct.astype(np.float64) - mean
    variance = float(np.square(deviation) @ share)
    skewness = float(deviation**3 @ share) / variance**1.5 if len(distinct) > 1 else np.nan
    entropy = float(-(share * np.log2(share)).sum()) if len(distinct) > 1 else 0.0
    return ChipStatistics(numbers.size, float(distinct[0]), float(distinct[-1]), mean, variance, skewness, entropy)
