"""Sites of a chosen area as a point pattern → Ripley's K, against random patterns in the same window.

pointpats' ``k`` takes the points' own bounding hull for the window, and all pairs at once; here it is the area's outline, and
pairs are counted in a k-d tree. With that hull for a window, both agree (tests/unit/test_point_patterns.py).
Draw it with ``eopv dag point_patterns -o dag.svg``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from hamilton.function_modifiers import tag
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.spatial import KDTree

from dataflows.prepared.statistics import schemas
from db.errors import BuildError

# Independent thinning leaves K as it is
MAX_POINTS = 5000
N_DISTANCES = 20
ENVELOPE = (0.025, 0.975)
# Longer edges of an outline are divided before they are projected: straight in degrees is not straight in metres
MAX_EDGE_DEG = 0.1
# The points that span a hull lie on its edge, where rounding decides
ON_THE_EDGE_M = 1.0


@dataclass(frozen=True)
class PointPattern:
    """Points in a window of the plane.

    Attributes:
        area: its name.
        window: in metres, in an equal-area projection centred on the points.
        points: in the same metres, shape (n, 2).
        distances_m: for which K is wanted, ascending, shape (distances,).
        n_simulations: random patterns.
        seed: of these.
    """

    area: str
    window: shapely.Geometry
    points: NDArray[np.float64]
    distances_m: NDArray[np.float64]
    n_simulations: int
    seed: int


@tag(layer="prepared")
def chosen_pattern(study_sites: pa.Table, study_areas: pa.Table) -> PointPattern | None:
    """Sites of the chosen area, projected; ``None`` where there is nothing, or less than two sites in the window."""
    if len(study_areas) == 0:
        return None
    chosen = study_areas.filter(pc.field("is_chosen")).to_pylist()
    if not chosen:
        raise BuildError("The lake has no installation in the area that 'study_area' names.", remedy="Name another one.")
    (area,) = chosen
    sites = study_sites.filter(pc.field("area") == area["area"]).sort_by("installation_id")
    places = np.column_stack([sites["centroid_lon_deg"].to_numpy(), sites["centroid_lat_deg"].to_numpy()])
    local = _local(places)
    outline = shapely.make_valid(shapely.segmentize(shapely.from_wkb(area["study_window"]), MAX_EDGE_DEG))
    window = shapely.make_valid(shapely.transform(outline, lambda degrees: np.column_stack(local.transform(*degrees.T))))
    points = np.column_stack(local.transform(*places.T))
    shapely.prepare(window)
    points = points[shapely.dwithin(window, shapely.points(points), ON_THE_EDGE_M)]
    if len(points) < 2 or window.area == 0:
        return None
    if len(points) > MAX_POINTS:
        points = points[np.random.default_rng(area["seed"]).choice(len(points), MAX_POINTS, replace=False)]
    west, south, east, north = window.bounds
    # Beyond, most of what is counted is edge
    farthest = min(east - west, north - south) / 4
    distances = np.linspace(0, min(area["max_distance_m"] or farthest, farthest), N_DISTANCES + 1)[1:]
    return PointPattern(area["area"], window, points, distances, area["random_patterns"], area["seed"])


@tag(layer="prepared")
def observed_k(chosen_pattern: PointPattern | None) -> NDArray[np.float64]:
    """K of the sites in m², by distance."""
    if chosen_pattern is None:
        return np.empty(0)
    return k_of(chosen_pattern.points, chosen_pattern.window.area, chosen_pattern.distances_m)


@tag(layer="prepared")
def simulated_k(chosen_pattern: PointPattern | None) -> NDArray[np.float64]:
    """K of as many points, uniformly random in the window, in m², shape (pattern, distance)."""
    if chosen_pattern is None:
        return np.empty((0, 0))
    random = np.random.default_rng(chosen_pattern.seed)
    n, window, distances = len(chosen_pattern.points), chosen_pattern.window, chosen_pattern.distances_m
    patterns = [k_of(uniform_points(window, n, random), window.area, distances) for _ in range(chosen_pattern.n_simulations)]
    return np.array(patterns)


@tag(layer="prepared")
def ripley_k(
    chosen_pattern: PointPattern | None, observed_k: NDArray[np.float64], simulated_k: NDArray[np.float64]
) -> pa.Table:
    """Ripley's K by distance, as rows of the statistics of areas.

    ``expected`` is πd², K of a pattern without any order in an endless plane. Pairs beyond the window's edge are not seen, so
    that K of observed and random patterns alike falls short of it at larger distances: compare with the envelope.
    """
    rows: list[dict[str, Any]] = []
    if chosen_pattern is not None:
        n_simulations = chosen_pattern.n_simulations
        larger = (simulated_k >= observed_k).sum(axis=0)
        # As esda has it: one-sided, towards what was found
        extreme = np.minimum(larger, n_simulations - larger)
        low, high = np.quantile(simulated_k, ENVELOPE, axis=0)
        rows = [
            {
                "statistic": "ripley_k",
                "area": chosen_pattern.area,
                "distance_m": distance,
                "value": observed_k[place],
                "expected": np.pi * distance**2,
                "p_simulated": (extreme[place] + 1) / (n_simulations + 1),
                "simulated_low": low[place],
                "simulated_high": high[place],
                "n": len(chosen_pattern.points),
                "n_simulations": n_simulations,
                "seed": chosen_pattern.seed,
            }
            for place, distance in enumerate(chosen_pattern.distances_m)
        ]
    return pa.Table.from_pylist(rows, schema=schemas.AREA_STATISTICS)


def k_of(points: NDArray[np.float64], area_m2: float, distances_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ripley's K without edge correction (Ripley 1976, 10.2307/3212829): pairs within a distance × area / (n (n − 1)).

    Args:
        points: in metres, shape (n, 2), n ≥ 2.
        area_m2: of the window.
        distances_m: ascending, shape (distances,).

    Returns:
        K in m², shape (distances,).
    """
    tree = KDTree(points)
    n = len(points)
    ordered_pairs = tree.count_neighbors(tree, distances_m) - n
    return ordered_pairs * area_m2 / (n * (n - 1))


def uniform_points(window: shapely.Geometry, n: int, random: np.random.Generator) -> NDArray[np.float64]:
    """``n`` places within a polygon, each as likely as any other, shape (n, 2)."""
    west, south, east, north = window.bounds
    share = window.area / ((east - west) * (north - south))
    found = np.empty((0, 2))
    while len(found) < n:
        thrown = random.uniform((west, south), (east, north), (int((n - len(found)) / share) + 16, 2))
        found = np.vstack([found, thrown[shapely.contains_xy(window, thrown)]])
    return found[:n]


def _local(places: NDArray[np.float64]) -> Transformer:
    """Degrees → metres of Lambert's azimuthal equal-area projection, centred on the mean of places on the sphere."""
    lon, lat = np.radians(places).T
    x, y, z = (np.cos(lat) * np.cos(lon)).mean(), (np.cos(lat) * np.sin(lon)).mean(), np.sin(lat).mean()
    centre_lon, centre_lat = np.degrees([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))])
    crs = f"+proj=laea +lon_0={centre_lon} +lat_0={centre_lat} +datum=WGS84 +units=m"
    return Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
