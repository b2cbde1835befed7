"""The true sites of the sample world: what an all-knowing surveyor would write down."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from dataflows.sample.footprints import PLANS, SIMPLE_PLANS, affine
from dataflows.sample.placement import place
from dataflows.sample.region import LOCAL_CRS, OPERATORS, SITE_TYPES, SITE_WORDS, TOWNS, generator
from db.errors import SettingsError

MIN_SITES = 100
"""Below this, the seven datasets are too short to hold their dirty rows."""

FIRST_YEAR, LAST_YEAR = 2005, 2024

UNPUBLISHED = ["province", "registry_id", "town", "estate"]
"""Columns of the true sites that only the generator needs."""

SORTS = pd.DataFrame(
    {
        "median_m2": [80.0, 8e3, 1.5e5, 8e4],
        "sigma": [1.1, 1.0, 1.2, 0.8],
        "min_m2": [10.0, 300.0, 2e4, 2e4],
        "max_m2": [5e3, 1e5, 8e6, 2e6],
        "spread_m": [2_500.0, 6_000.0, 12_000.0, 12_000.0],
        # totals of USPVDB v3.0 and UFZ 2015 give 55 and 47 W of modules per m² of ground; a rooftop's footprint is modules
        # without gaps, so there it is the module efficiency at 1 kW/m²
        "dc_w_per_m2": [170.0, 50.0, 50.0, 50.0],
        "max_dc_ac_ratio": [1.15, 1.4, 1.4, 1.4],
    },
    index=["rooftop", "array", "plant", "phase"],
)
"""By sort of site: log-normal footprint areas, clipped; distance from town, power density, inverter loading."""

GAP_M = (10.0, 30.0)
"""Between the bounding rectangles of adjacent plants, and of the phases of one plant."""


def true_sites(sites: int, seed: int) -> gpd.GeoDataFrame:
    """The sites of Helia.

    A plant built in phases is one row of level ``plant`` whose geometry is the union of its phases, and one row of level
    ``array`` a phase, with ``part_of``. All other pairs of sites are disjoint.

    Args:
        sites: number of rows, at least ``MIN_SITES``.
        seed: any non-negative integer; the same one gives the same sites.

    Returns:
        Columns ``site_id``, ``level`` (rooftop|array|plant), ``name`` and ``operator`` (none on rooftops),
        ``installed_year``, ``capacity_mw`` (AC), ``capacity_mw_dc``, ``area_m2`` (ellipsoidal), ``part_of``, ``province``,
        ``registry_id`` (number in Helia's imagined register of plants), ``town`` (whose outskirts it is in), ``estate``
        (number that adjacent plants share, and a plant and its phases) and ``geometry`` in ``LOCAL_CRS``.

    Raises:
        SettingsError: ``sites`` is too small, or too large for the region.
    """
    if sites < MIN_SITES:
        raise SettingsError(
            f"A sample world of {sites} sites cannot hold its dirty rows.", remedy=f"Ask for {MIN_SITES} or more."
        )
    rng = generator(seed, "world")
    table = _composition(sites)
    table["town"] = rng.choice(len(TOWNS), size=table["estate"].max() + 1, p=TOWNS["weight"])[table["estate"]]
    table["installed_year"] = _years(table, rng)
    table["geometry"] = _geometries(table, rng)
    table["area_m2"] = shapely.area(table["geometry"].to_numpy())
    table["capacity_mw_dc"], table["capacity_mw"] = _capacities_mw(table, rng)
    table["name"], table["operator"] = _labels(table, rng)
    table["province"] = TOWNS["province"].to_numpy()[table["town"]]
    table["level"] = table["sort"].replace("phase", "array")

    table["town"] = TOWNS["town"].to_numpy()[table["town"]]

    number = rng.permutation(sites) + 1
    table["site_id"] = [f"HEL-{n:06d}" for n in number]
    table["part_of"] = table["site_id"].reindex(table["plant_row"]).where(table["sort"].eq("phase").to_numpy()).to_numpy()
    table["registry_id"] = 60_000 + number
    columns = ["site_id", "level", "name", "operator", "installed_year", "capacity_mw", "capacity_mw_dc", "area_m2", "part_of"]
    table = table.sort_values("site_id", ignore_index=True)[[*columns, *UNPUBLISHED, "geometry"]]
    return gpd.GeoDataFrame(table, geometry="geometry", crs=LOCAL_CRS)


def _composition(sites: int) -> pd.DataFrame:
    """One row a site: its sort, the estate it stands on, its slot there, and the row of its plant (its own but for phases)."""
    phased, pairs, rooftops = max(1, sites // 50), max(1, sites // 40), sites // 4
    phases = np.where(np.arange(phased) % 2 == 0, 2, 3)
    arrays = 3 * sites // 10 - phases.sum()
    plants = sites - rooftops - arrays - phases.sum() - phased - 2 * pairs
    alone = rooftops + arrays + plants
    phased_estates = alone + pairs + np.arange(phased)
    table = pd.DataFrame(
        {
            "sort": np.repeat(
                ["rooftop", "array", "plant", "phase", "plant"], [rooftops, arrays, plants + 2 * pairs, phases.sum(), phased]
            ),
            "estate": np.concatenate(
                [
                    np.arange(alone),
                    alone + np.repeat(np.arange(pairs), 2),
                    np.repeat(phased_estates, phases),
                    phased_estates,
                ]
            ),
        }
    )
    table["slot"] = table.groupby("estate").cumcount()
    table["has_phases"] = table.index >= sites - phased
    table["plant_row"] = table.index.where(table["sort"] != "phase", table["estate"] - phased_estates[0] + sites - phased)
    return table


def _years(table: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Installation years: more of the later ones, phases a year after one another.

    They are stratified by sort, so that the number of sites up to a year hardly depends on the seed.
    """
    group = pd.Series(rng.random(len(table))).groupby(table["sort"])
    quantile = (group.rank() - 0.5) / group.transform("size")
    year = (FIRST_YEAR + (LAST_YEAR + 1 - FIRST_YEAR) * quantile**0.7).astype(int)
    is_phase = table["sort"] == "phase"
    return year[table["plant_row"]].reset_index(drop=True).add(table["slot"].where(is_phase, 0)).clip(upper=LAST_YEAR)


def _geometries(table: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.object_]:
    """Footprints: the members of an estate side by side, estates apart from one another; phased plants unite their phases."""
    leaf = table[~table["has_phases"]].join(SORTS, on="sort")
    n = len(leaf)
    area_m2 = (leaf["median_m2"] * np.exp(leaf["sigma"] * rng.normal(size=n))).clip(leaf["min_m2"], leaf["max_m2"])
    plan = PLANS[np.where(leaf["sort"] == "rooftop", rng.integers(SIMPLE_PLANS, size=n), rng.integers(len(PLANS), size=n))]
    height = np.sqrt(area_m2 / shapely.area(plan) / rng.uniform(1.0, 2.2, n))
    width = area_m2 / shapely.area(plan) / height

    pitch = width + rng.uniform(*GAP_M, n)
    estate = pd.DataFrame({"estate": leaf["estate"], "pitch": pitch, "height": height, "spread": leaf["spread_m"]}).groupby(
        "estate"
    )
    along = estate["pitch"].cumsum() - width / 2 - estate["pitch"].transform("sum") / 2
    extent = pd.DataFrame(
        {"length": estate["pitch"].sum(), "height": estate["height"].max(), "spread": estate["spread"].max()}
    ).join(leaf.groupby("estate")["town"].first())
    centre = place(
        np.hypot(extent["length"], extent["height"]).to_numpy() / 2,
        TOWNS[["x_m", "y_m"]].to_numpy(dtype=float)[extent["town"]],
        extent["spread"].to_numpy(),
        rng,
    )
    shift = np.column_stack([along, np.zeros(n)])
    footprints = affine(plan, scale=np.column_stack([width, height]), shift=shift)
    angle = rng.uniform(0, np.pi, len(extent))
    footprints = affine(footprints, angle_rad=angle[leaf["estate"]], shift=centre[leaf["estate"]])

    is_phase = (leaf["sort"] == "phase").to_numpy()
    parts, index = shapely.get_parts(footprints[is_phase], return_index=True)
    owner = pd.factorize(leaf["estate"][is_phase])[0][index]
    return np.concatenate([footprints, shapely.multipolygons(parts, indices=owner)])


def _capacities_mw(table: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.Series, pd.Series]:
    """DC and AC; the phases of a plant share its power density and inverter loading, so that they add up to it."""
    sort = table[["sort"]].join(SORTS, on="sort")
    density = (sort["dc_w_per_m2"] * np.exp(0.2 * rng.normal(size=len(table)))).to_numpy()[table["plant_row"]]
    ratio = rng.uniform(1.05, sort["max_dc_ac_ratio"])[table["plant_row"]]
    dc_mw = table["area_m2"] * density / 1e6
    return dc_mw, dc_mw / ratio


def _labels(table: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.Series, pd.Series]:
    """Names, alike within a town and numbered where they repeat, and operators, different on adjacent plants."""
    n = len(table)
    town = pd.Series(TOWNS["town"].to_numpy()[table["town"]])
    name = town + " " + pd.Series(rng.choice(SITE_WORDS, n)) + " " + pd.Series(rng.choice(SITE_TYPES, n))
    repeat = name.groupby(name).cumcount()
    name += (" " + (repeat + 1).astype(str)).where(repeat > 0, "")
    is_phase = table["sort"] == "phase"
    name = name[table["plant_row"]].reset_index(drop=True)
    name += (" Phase " + table["slot"].map({0: "I", 1: "II", 2: "III"})).where(is_phase, "")
    # neighbours share an estate's draw and differ by their slot
    draw = rng.integers(len(OPERATORS), size=table["estate"].max() + 1)[table["estate"]]
    operator = pd.Series(OPERATORS[(draw + table["slot"].where(~is_phase & ~table["has_phases"], 0)) % len(OPERATORS)])
    on_ground = table["sort"] != "rooftop"
    return name.where(on_ground, None), operator.where(on_ground, None)
