"""Dirty rows on purpose: a known number of each kind, never two on one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray


@dataclass(frozen=True)
class Defect:
    """So many rows with one defect.

    Args:
        kind: a key of ``GEOMETRY_DEFECTS`` or ``VALUE_DEFECTS``, or ``duplicate_row`` (an exact copy elsewhere in the file).
        rows: how many.
        column: the published column that a defect of a value is in.
    """

    kind: str
    rows: int
    column: str | None = None


DUPLICATE = "duplicate_row"


def bow_tie(geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    """Self-intersecting polygons: two corners of the rectangle around each outline swapped."""
    west, south, east, north = shapely.bounds(geometry).T
    corners = np.stack([west, south, east, north, east, south, west, north], axis=1).reshape(-1, 4, 2)
    return shapely.polygons(corners)


def _nothing(geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.full(len(geometry), None)


def _empty(geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    """Empty, of the same type."""
    types = ["POINT EMPTY", None, None, "POLYGON EMPTY", None, None, "MULTIPOLYGON EMPTY"]
    return shapely.from_wkt(np.array(types, dtype=object)[shapely.get_type_id(geometry)])


def _with_height(geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    return shapely.force_3d(geometry, z=12.5)


def _with_measure(geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    # shapely builds no measured geometry but from text
    text = shapely.to_wkt(_with_height(geometry), rounding_precision=-1)
    return shapely.from_wkt(np.char.replace(text.astype(str), " Z ", " M "))


GEOMETRY_DEFECTS: dict[str, tuple[str, Callable[[NDArray[np.object_]], NDArray[np.object_]]]] = {
    "null_geometry": ("null", _nothing),
    "missing_coordinates": ("null", _nothing),
    "empty_geometry": ("empty", _empty),
    "bow_tie": ("repaired", bow_tie),
    "z_coordinates": ("valid", _with_height),
    "m_coordinates": ("valid", _with_measure),
}
"""Kind → the ``geometry_status`` that staging must give it, and what is done to the geometry."""

VALUE_DEFECTS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "thousands_separator": lambda value: value.map("{:,}".format),
    "nan_text": lambda value: value.map(lambda _: "NaN"),
    "underscored_nan_text": lambda value: value.map(lambda _: "_NaN_"),
    "embedded_newline": lambda value: value.str.replace(" ", "\n", n=1),
    "year_zero": lambda value: value * 0,
    "non_ascii_text": lambda value: value.map(lambda _: "edited; Fläche geändert (größer)"),
}
"""Kind → what is done to the values of the column; their rows keep a valid geometry."""


def inject(frame: gpd.GeoDataFrame, defects: Sequence[Defect], rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Make rows dirty, each in one way at most, and shuffle.

    Args:
        frame: clean rows in the published schema and CRS, with ``site_id``; one without a value is a false positive and
            stays as it is.
        defects: which, how many.
        rng: the random stream.

    Returns:
        ``frame`` with the rows of the file in order, and the columns ``defect`` (kind or missing) and ``geometry_status``
        (valid|repaired|null|empty).
    """
    frame = frame.assign(defect=pd.Series(None, index=frame.index, dtype=object), geometry_status="valid")
    geometry = frame.geometry.to_numpy().astype(object)
    chosen = iter(rng.permutation(np.flatnonzero(frame["site_id"].notna())))
    copied: list[int] = []
    for defect in defects:
        rows = np.array([next(chosen) for _ in range(defect.rows)])
        if defect.kind == DUPLICATE:
            copied.extend(rows)
            continue
        frame.loc[rows, "defect"] = defect.kind
        if defect.kind in GEOMETRY_DEFECTS:
            status, change = GEOMETRY_DEFECTS[defect.kind]
            geometry[rows] = change(geometry[rows])
            frame.loc[rows, "geometry_status"] = status
        else:
            values = frame[defect.column].astype(object)
            values[rows] = VALUE_DEFECTS[defect.kind](frame.loc[rows, defect.column])
            is_text = values.map(lambda value: isinstance(value, str)).any()
            frame[defect.column] = values if is_text else values.astype(frame[defect.column].dtype)
    frame = frame.set_geometry(gpd.GeoSeries(geometry, index=frame.index, crs=frame.crs))
    frame = pd.concat([frame, frame.loc[copied]])
    frame = frame.iloc[rng.permutation(len(frame))]
    # a copy has its original's index label: of the two, the later in the file is the duplicate
    frame.loc[frame.index.duplicated(keep="first"), "defect"] = DUPLICATE
    return frame.reset_index(drop=True)
