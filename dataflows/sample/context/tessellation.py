"""Helia cut into parcels of which none cuts a site: what borders of provinces, counties and fields are made of.

The parcels are Voronoi cells of points along the sites' outlines and of points in the open country between them. All
parcels of an estate get the same labels, so that what is true of a site is true of all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.spatial import Voronoi

REACH_M = 160_000.0
"""Half the side of the square around the origin of ``LOCAL_CRS`` that is cut up: more than the island."""

SPACING_M = 4_000.0
"""Mean distance between neighbouring points of the open country."""

OUTLINE_STEP_M = 100.0
"""Largest distance between points along an outline. Estates are 60 m apart or more: to any place in an estate, points of its
own are nearer than those of another, which are at least 60 m from its outline where its own are at most 50 m."""

OPEN_CLEARANCE_M = 400.0
"""Least distance of the open country's points from a site: borders stay away from sites by half of it."""


@dataclass(frozen=True)
class Parcels:
    """Cells in ``LOCAL_CRS`` that fill the square of ``REACH_M`` and more.

    ``points_m`` is (n, 2), ``cells`` the n polygons around them, ``estate`` the estate of each, −1 in the open country.
    """

    points_m: NDArray[np.float64]
    cells: NDArray[np.object_]
    estate: NDArray[np.int64]

    def labels(self, of_estates: NDArray[np.object_], of_open_country: NDArray[np.object_]) -> NDArray[np.object_]:
        """Labels of all cells: of those of an estate by its number, of the others in their order."""
        labels = of_estates.astype(object)[self.estate]
        labels[self.estate < 0] = of_open_country
        return labels

    @property
    def open_points_m(self) -> NDArray[np.float64]:
        """Points of the open country."""
        return self.points_m[self.estate < 0]

    def dissolve(self, labels: NDArray[np.object_]) -> dict[str, shapely.Geometry]:
        """Label → all cells with it as one geometry, by name of the label; cells without a label are left out."""
        groups = pd.Series(np.arange(len(labels))).groupby(labels, sort=True)
        return {str(label): shapely.coverage_union_all(self.cells[rows]) for label, rows in groups}


def parcels_around(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> Parcels:
    """Cut the region up.

    Args:
        sites: of ``true_sites``.
        rng: the random stream.
    """
    outlines = shapely.segmentize(sites.geometry.to_numpy(), OUTLINE_STEP_M)
    points, index = shapely.get_coordinates(outlines, return_index=True)
    # a ring's first point is its last, and a plant's points are those of its phases
    points, first = np.unique(points, axis=0, return_index=True)
    estate = sites["estate"].to_numpy()[index[first]]
    along = np.arange(-REACH_M, REACH_M, SPACING_M) + SPACING_M / 2
    lattice = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    lattice += rng.uniform(-0.4, 0.4, lattice.shape) * SPACING_M
    tree = shapely.STRtree(sites.geometry.to_numpy())
    near = tree.query(shapely.points(lattice), predicate="dwithin", distance=OPEN_CLEARANCE_M)[0]
    lattice = np.delete(lattice, np.unique(near), axis=0)
    everything = np.concatenate([points, lattice])
    return Parcels(everything, _cells(everything), np.concatenate([estate, np.full(len(lattice), -1)]))


def _cells(points_m: NDArray[np.float64]) -> NDArray[np.object_]:
    """The Voronoi cell of each point; neighbours share their corners exactly, which GEOS' own diagram does not promise."""
    # four points far away close the cells of all others
    frame = 10 * REACH_M * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    diagram = Voronoi(np.concatenate([points_m, frame]))
    corners = [diagram.regions[region] for region in diagram.point_region[: len(points_m)]]
    # a ring ends where it began
    rings = np.concatenate([[*cell, cell[0]] for cell in corners])
    owner = np.repeat(np.arange(len(corners)), [len(cell) + 1 for cell in corners])
    return shapely.polygons(shapely.linearrings(diagram.vertices[rings], indices=owner))
