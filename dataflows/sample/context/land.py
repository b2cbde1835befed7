"""What covers the ground of Helia, and what people use it for."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from dataflows.sample.context.coast import Coast
from dataflows.sample.context.tessellation import Parcels
from dataflows.sample.region import LOCAL_CRS, TOWNS

COVERS = pd.DataFrame(
    {
        "open": [0.34, 0.24, 0.22, 0.08, 0.05, 0.05, 0.02],
        "ground": [0.52, 0.24, 0.00, 0.10, 0.10, 0.00, 0.04],
        "roof": [0.10, 0.05, 0.00, 0.00, 0.00, 0.00, 0.85],
    },
    index=["crop", "grass", "forest", "shrub", "barren", "wetland", "urban"],
)
"""Overture's land covers: their shares of the open country, of sites on the ground, and of those on roofs."""

NO_USE = ""
"""Land that nobody has mapped a use of."""

USES = pd.DataFrame(
    {
        "subtype": [
            "agriculture",
            "agriculture",
            "agriculture",
            "residential",
            "developed",
            "developed",
            "resource_extraction",
            "landfill",
            "military",
            "protected",
            "",
        ],
        "open": [0.30, 0.14, 0.04, 0.02, 0.01, 0.02, 0.02, 0.01, 0.02, 0.10, 0.32],
        "ground": [0.40, 0.14, 0.00, 0.00, 0.02, 0.10, 0.06, 0.06, 0.02, 0.00, 0.20],
        "roof": [0.05, 0.00, 0.00, 0.55, 0.15, 0.15, 0.00, 0.00, 0.00, 0.00, 0.10],
    },
    index=[
        "farmland",
        "meadow",
        "orchard",
        "residential",
        "commercial",
        "industrial",
        "quarry",
        "landfill",
        "military",
        "nature_reserve",
        NO_USE,
    ],
)
"""Overture's classes of land use with their subtypes, and their shares as in ``COVERS``."""

TOWN_RADIUS_M = 5_000.0
"""Within it, open country is urban and residential."""

OVERVIEW_TOLERANCE_M = 1_500.0
OVERVIEW_MIN_M2 = 60e6
"""What is too small for the map of low zoom levels."""


@dataclass(frozen=True)
class Land:
    """Areas to publish, and what each site truly stands on.

    Args:
        cover: in EPSG:4326, columns ``subtype``, ``min_zoom``, ``max_zoom`` and ``geometry``: the whole of the land twice, in
            detail for zoom levels from 8, and generalised for those below.
        use: in EPSG:4326, columns ``subtype``, ``class`` and ``geometry``; a part of the land has no use.
        truth: one row a site: ``site_id``, ``land_cover``, ``land_use`` (subtype) and ``land_use_class``, the latter two
            missing where there is no use.
    """

    cover: gpd.GeoDataFrame
    use: gpd.GeoDataFrame
    truth: pd.DataFrame


def land_of(sites: gpd.GeoDataFrame, parcels: Parcels, coast: Coast, rng: np.random.Generator) -> Land:
    """Cover the land, as seen from space: capes and all.

    Args:
        sites: of ``true_sites``.
        parcels: of these sites.
        coast: of these sites.
        rng: the random stream.
    """
    is_roof = sites.groupby("estate")["level"].first().eq("rooftop").to_numpy()
    towns = TOWNS[["x_m", "y_m"]].to_numpy(dtype=float)
    from_town_m = np.linalg.norm(parcels.open_points_m[:, None] - towns, axis=2).min(axis=1)
    labels = {}
    for table, urban in ((COVERS, "urban"), (USES, "residential")):
        of_estates = np.where(is_roof, _drawn(table["roof"], len(is_roof), rng), _drawn(table["ground"], len(is_roof), rng))
        of_open = np.where(from_town_m < TOWN_RADIUS_M, urban, _drawn(table["open"], len(from_town_m), rng))
        labels[urban] = (of_estates, _parts(parcels.dissolve(parcels.labels(of_estates, of_open)), coast.land))

    (estate_cover, cover), (estate_use, use) = labels.values()
    detail = cover.assign(min_zoom=8, max_zoom=15)
    overview = cover[cover.area > OVERVIEW_MIN_M2].assign(min_zoom=0, max_zoom=7)
    overview["geometry"] = overview.simplify(OVERVIEW_TOLERANCE_M)
    use = use[use["label"] != NO_USE]
    number = sites["estate"].to_numpy()
    use_class = pd.Series(estate_use[number], index=sites.index, dtype=object).replace(NO_USE, None)
    return Land(
        cover=pd.concat([detail, overview], ignore_index=True).rename(columns={"label": "subtype"}).to_crs("EPSG:4326"),
        use=use.assign(subtype=use["label"].map(USES["subtype"])).rename(columns={"label": "class"}).to_crs("EPSG:4326"),
        truth=pd.DataFrame(
            {
                "site_id": sites["site_id"],
                "land_cover": estate_cover[number],
                "land_use": use_class.map(USES["subtype"]),
                "land_use_class": use_class,
            }
        ),
    )


def _drawn(shares: pd.Series, count: int, rng: np.random.Generator) -> NDArray[np.object_]:
    return rng.choice(shares.index.to_numpy(dtype=object), size=count, p=shares)


def _parts(areas: dict[str, shapely.Geometry], land: shapely.Geometry) -> gpd.GeoDataFrame:
    """Connected areas of one label, cut off at the coast, in ``LOCAL_CRS``."""
    frame = gpd.GeoDataFrame({"label": list(areas)}, geometry=list(areas.values()), crs=LOCAL_CRS).explode(ignore_index=True)
    shapely.prepare(land)
    cut = ~shapely.contains_properly(land, frame.geometry.to_numpy())
    frame.loc[cut, "geometry"] = shapely.intersection(frame.geometry[cut].to_numpy(), land)
    frame = frame[~frame.is_empty].explode(ignore_index=True)
    return frame[frame.geom_type == "Polygon"].reset_index(drop=True)
