"""A generated world: true sites in rows of neighbours, and what four datasets of different kinds publish of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely

from benchmarks.entity_resolution.placing import METRES_PER_DEGREE, degrees, wrapped
from benchmarks.entity_resolution.words import word

SEED = 20_261_120
SIDE_M = (np.sqrt(10), np.sqrt(1e7))
ROW_WIDTH_M = 60_000.0
NEIGHBOURS = (2, 5)
LEVELS = {"rooftop": 1e3, "array": 2e4, "plant": np.inf}
M2_PER_MW = 20_000.0
# Vertices are drawn within this share of the site's size, beside the displacement of the whole
DRAWING_ERROR = 0.02
DRAWN_SHARE = (0.3, 0.8)
PHASES = ("", " II", " III", " IV", " V")
# A register's spelling: the same words, other words of kind, other numerals
REGISTERED = {" Solar Farm": " PV Park", " II$": " 2", " III$": " 3", " IV$": " 4", " V$": " 5"}


@dataclass(frozen=True)
class Setting:
    """What is hard about a world.

    Attributes:
        name: says what is varied.
        jitter: standard deviation of an observation's displacement on each axis, in sizes (√area) of its site.
        partial: share of the outlines that show a part of the site only (30 % to 80 %).
        gap: distance between neighbouring sites, edge to edge, in sizes.
        density: share of the groups that are rows of two to five neighbours; the others are sites alone.
        lon: of the middle, degrees.
        lat: of the southern edge, degrees.
        groups: how many.
    """

    name: str
    jitter: float = 0.1
    partial: float = 0.2
    gap: float = 0.5
    density: float = 0.5
    lon: float = 10.0
    lat: float = 45.0
    groups: int = 200


@dataclass(frozen=True)
class View:
    """How a dataset sees the world.

    Attributes:
        dataset: key.
        share: of the sites that it has.
        points: whether it gives points, else outlines.
        attributes: whether it gives name, capacity and year of what is larger than a rooftop.
    """

    dataset: str
    share: float
    points: bool
    attributes: bool


VIEWS = (
    View("world_outlines", 0.8, points=False, attributes=False),
    View("world_plants", 0.7, points=False, attributes=True),
    View("world_register", 0.7, points=True, attributes=True),
    View("world_places", 0.6, points=True, attributes=False),
)


def sites(setting: Setting, first_word: int = 0) -> pd.DataFrame:
    """True sites.

    Returns:
        Beside area, level, name and year: the place of the site's group (``group_lon``, ``group_lat`` in degrees), the group's
        ``turn`` (radians), and in the turned frame the site's place (``east_m``, ``north_m``) and ``width_m``, ``height_m``.
    """
    random = np.random.default_rng(SEED)
    groups = []
    for number in range(setting.groups):
        members = random.integers(NEIGHBOURS[0], NEIGHBOURS[1] + 1) if random.random() < setting.density else 1
        size = np.exp(random.uniform(*np.log(SIDE_M)))
        side = np.clip(size * random.uniform(0.7, 1.4, members), *SIDE_M)
        aspect = random.uniform(0.6, 1.6, members)
        width, height = side * np.sqrt(aspect), side / np.sqrt(aspect)
        east = np.cumsum(width + setting.gap * size) - width / 2
        shares_a_name = random.random() < 0.5
        names = [
            f"{word(first_word + number)} Solar Farm{PHASES[member]}"
            if shares_a_name
            else f"{word(first_word + number)} {word(first_word + setting.groups * (member + 1) + number)} Solar Farm"
            for member in range(members)
        ]
        groups.append(
            pd.DataFrame(
                {
                    "group": number,
                    "east_m": east - east.mean(),
                    "north_m": 0.0,
                    "turn": random.uniform(0, np.pi),
                    "width_m": width,
                    "height_m": height,
                    "area_m2": width * height,
                    "reach_m": 2 * np.ptp(east) + 6 * side.max() + 50,
                    "name": names,
                    "installed_year": random.integers(2008, 2024, members),
                }
            )
        )
    known = pd.concat(groups, ignore_index=True)
    known["level"] = np.array(list(LEVELS))[np.searchsorted(list(LEVELS.values()), known["area_m2"], side="right")]
    return known.merge(_places(known.groupby("group")["reach_m"].first(), setting), on="group")


def _places(reach: pd.Series, setting: Setting) -> pd.DataFrame:
    """Places of groups, on shelves from the south, so far apart that no group meets another."""
    east, north, shelf = 0.0, 0.0, 0.0
    rows = []
    for group, width in reach.sort_values().items():
        if east + width > ROW_WIDTH_M and east > 0:
            east, north, shelf = 0.0, north + shelf, 0.0
        rows.append((group, east + width / 2 - ROW_WIDTH_M / 2, width / 2, north))
        east, shelf = east + width, max(shelf, width)
    groups, easts, norths, shelves = (np.array(column) for column in zip(*rows, strict=True))
    place = degrees(easts, norths, setting.lon, setting.lat + shelves / METRES_PER_DEGREE)
    return pd.DataFrame({"group": groups, "group_lon": place[:, 0], "group_lat": place[:, 1]})


def observed(setting: Setting, first_word: int = 0) -> pd.DataFrame:
    """What the datasets publish.

    Returns:
        Canonical columns, ``geometry`` as Shapely objects with longitudes beyond 180°; and the truth: ``setting``, ``site``.
    """
    random = np.random.default_rng(SEED + 1)
    known = sites(setting, first_word)
    return pd.concat([_seen(known, view, setting, random) for view in VIEWS], ignore_index=True)


def published(observations: pd.DataFrame) -> pd.DataFrame:
    """Observations as a benchmark file has them: WKB within ±180°, and an id."""
    geometry = [wrapped(shape) for shape in observations["geometry"]]
    return observations.assign(geometry=shapely.to_wkb(np.array(geometry, dtype=object)))


def _seen(known: pd.DataFrame, view: View, setting: Setting, random: np.random.Generator) -> pd.DataFrame:
    seen = known[random.random(len(known)) < view.share]
    side = np.sqrt(seen["area_m2"].to_numpy())
    shift = random.normal(0, setting.jitter, (2, len(seen))) * side
    if view.points:
        geometry = shapely.points(_located(seen, np.zeros((2, len(seen), 1)), shift)[:, 0])
    else:
        geometry = shapely.polygons(_located(seen, _corners(seen, setting, random), shift))
    told = (seen["level"] != "rooftop") & view.attributes
    names = seen["name"].replace(REGISTERED, regex=True) if view.points else seen["name"]
    capacity = seen["area_m2"] / M2_PER_MW * random.normal(1, 0.03, len(seen))
    return pd.DataFrame(
        {
            "setting": setting.name,
            "site": seen.index,
            "dataset": view.dataset,
            "source_feature_id": setting.name + "/" + seen.index.astype(str),
            "geometry": geometry,
            "level": seen["level"],
            "name": names.where(told),
            "capacity_mw": capacity.round(2).where(told),
            "installed_year": seen["installed_year"].astype("Int64").where(told),
        }
    )


def _corners(seen: pd.DataFrame, setting: Setting, random: np.random.Generator) -> np.ndarray:
    """Offsets (2, sites, vertices) in metres from the site's middle, along its axes: two vertices a side."""
    along = np.array([-1, 0, 1, 1, 1, 0, -1, -1]) / 2
    across = np.array([-1, -1, -1, 0, 1, 1, 1, 0]) / 2
    drawn = np.where(random.random(len(seen)) < setting.partial, random.uniform(*DRAWN_SHARE, len(seen)), 1.0)
    width, height = seen["width_m"].to_numpy(), seen["height_m"].to_numpy()
    # A part begins at one end of the site
    offsets = np.stack([along * (drawn * width)[:, None] - ((1 - drawn) * width / 2)[:, None], across * height[:, None]])
    return offsets + random.uniform(-DRAWING_ERROR, DRAWING_ERROR, offsets.shape) * np.sqrt(width * height)[None, :, None]


def _located(seen: pd.DataFrame, offsets: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Degrees (sites, vertices, 2)."""
    along = seen["east_m"].to_numpy()[:, None] + offsets[0]
    across = seen["north_m"].to_numpy()[:, None] + offsets[1]
    turn = seen["turn"].to_numpy()[:, None]
    east = along * np.cos(turn) - across * np.sin(turn) + shift[0][:, None]
    north = along * np.sin(turn) + across * np.cos(turn) + shift[1][:, None]
    return degrees(east, north, seen["group_lon"].to_numpy()[:, None], seen["group_lat"].to_numpy()[:, None])
