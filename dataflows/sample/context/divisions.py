"""Administrative areas of Helia: two provinces, counties around towns, a neighbour that claims an islet."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from dataflows.sample.context.coast import Coast
from dataflows.sample.context.tessellation import Parcels
from dataflows.sample.region import (
    COUNTRY_ISO2,
    COUNTRY_ISO3,
    COUNTRY_NAME,
    LOCAL_CRS,
    NEIGHBOUR_ISO2,
    NEIGHBOUR_ISO3,
    NEIGHBOUR_NAME,
    PROVINCES,
    TOWNS,
)

COUNTY_RADIUS_M = 26_000.0
"""Of counties around their town, about: farther out there are none."""

ENCLAVE_TOWN = "Lichtenau"
ENCLAVE = "Lichtenau (Stadt)"
ENCLAVE_RADIUS_M = 7_000.0
"""The town of Lichtenau is a county of its own, wholly inside the county around it."""

TERRITORIAL_SEA_M = 22_224.0
"""12 nautical miles."""

NEIGHBOUR_CENTRE_M = (215_000.0, 90_000.0)
NEIGHBOUR_RADIUS_M = 25_000.0
LOCALITY_RADIUS_M = 3_000.0

WITHIN, NEAREST, DISPUTED = "within", "nearest", "disputed"

ENGLISH = {"Nord-Helia": "North Helia", "Süd-Helia": "South Helia", "Sankt Ägid": "Saint Giles"}


@dataclass(frozen=True)
class Divisions:
    """Areas to publish, and in which of them each site truly is.

    Args:
        areas: in EPSG:4326, columns ``subtype``, ``class``, ``name``, ``country``, ``region``, ``is_land``,
            ``is_territorial``, ``admin_level``, ``division`` (what two areas of one division share) and ``geometry``.
        truth: one row a site: ``site_id``, ``country`` (ISO 3166-1 alpha-3), ``claimed_by`` (countries, alphabetically),
            ``country_match`` (within|nearest|disputed), ``region`` (ISO 3166-2), ``county`` (name; missing where
            there is none).
    """

    areas: gpd.GeoDataFrame
    truth: pd.DataFrame


def divide(sites: gpd.GeoDataFrame, parcels: Parcels, coast: Coast, rng: np.random.Generator) -> Divisions:
    """Divide Helia.

    Args:
        sites: of ``true_sites``.
        parcels: of these sites.
        coast: of these sites.
        rng: the random stream.
    """
    waves = rng.uniform(0, 2 * np.pi, (len(TOWNS), 2))
    estates = sites.assign(town_number=sites["town"].map(dict(zip(TOWNS["town"], TOWNS.index, strict=True))))
    estates = estates.dissolve("estate", aggfunc={"town_number": "first"}).sort_index()
    estate_town = estates["town_number"].to_numpy()
    estate_county = _county(shapely.get_coordinates(shapely.centroid(estates.geometry.to_numpy())), estate_town, waves)
    open_town = _nearest_town(parcels.open_points_m)
    open_county = _county(parcels.open_points_m, open_town, waves)

    province = TOWNS["province"].map(PROVINCES).to_numpy(dtype=object)
    regions = parcels.dissolve(parcels.labels(province[estate_town], province[open_town]))
    # a county lies in one region: that of its town
    counties = parcels.dissolve(parcels.labels(estate_county, open_county))
    areas = _areas(coast, regions, counties)

    number = sites["estate"].to_numpy()
    on_islet, beyond = sites["site_id"].eq(coast.on_islet), sites["site_id"].isin(coast.beyond)
    truth = pd.DataFrame(
        {
            "site_id": sites["site_id"],
            "country": COUNTRY_ISO3,
            "claimed_by": [[COUNTRY_ISO3, NEIGHBOUR_ISO3] if disputed else [COUNTRY_ISO3] for disputed in on_islet],
            "country_match": np.select([on_islet, beyond], [DISPUTED, NEAREST], WITHIN),
            "region": province[estate_town[number]],
            # counties end at the shore of the island
            "county": pd.Series(estate_county[number], index=sites.index).where(~on_islet, None),
        }
    )
    return Divisions(areas, truth)


def _nearest_town(points_m: NDArray[np.float64]) -> NDArray[np.int64]:
    towns = TOWNS[["x_m", "y_m"]].to_numpy(dtype=float)
    return np.argmin(np.linalg.norm(points_m[:, None] - towns, axis=2), axis=1)


def _county(points_m: NDArray[np.float64], town: NDArray[np.int64], waves: NDArray[np.float64]) -> NDArray[np.object_]:
    """Name of the county at each place, given the town that it belongs to; ``None`` in the outskirts."""
    east, north = (points_m - TOWNS[["x_m", "y_m"]].to_numpy(dtype=float)[town]).T
    distance_m, angle = np.hypot(east, north), np.arctan2(north, east)
    wave = np.sin(3 * angle + waves[town, 0]) + np.sin(5 * angle + waves[town, 1])
    county = TOWNS["town"].to_numpy(dtype=object)[town]
    county[(county == ENCLAVE_TOWN) & (distance_m < ENCLAVE_RADIUS_M)] = ENCLAVE
    county[distance_m > COUNTY_RADIUS_M * (1 + 0.1 * wave)] = None
    return county


def _areas(coast: Coast, regions: dict[str, shapely.Geometry], counties: dict[str, shapely.Geometry]) -> gpd.GeoDataFrame:
    country = shapely.union(coast.published, coast.islet)
    neighbour_island = shapely.Point(NEIGHBOUR_CENTRE_M).buffer(NEIGHBOUR_RADIUS_M, quad_segs=24)
    neighbour = shapely.union(neighbour_island, coast.islet)
    name_of = {code: name for name, code in PROVINCES.items()}
    region_of = {**TOWNS.set_index("town")["province"].map(PROVINCES).to_dict()}
    region_of[ENCLAVE] = region_of[ENCLAVE_TOWN]
    rows = [
        _area("country", COUNTRY_NAME, COUNTRY_ISO2, None, country),
        _area("country", COUNTRY_NAME, COUNTRY_ISO2, None, country.buffer(TERRITORIAL_SEA_M, quad_segs=4), is_land=False),
        _area("country", NEIGHBOUR_NAME, NEIGHBOUR_ISO2, None, neighbour),
        _area("region", NEIGHBOUR_NAME, NEIGHBOUR_ISO2, f"{NEIGHBOUR_ISO2}-A", neighbour_island),
        *(
            _area("region", name_of[code], COUNTRY_ISO2, code, shapely.intersection(area, country))
            for code, area in regions.items()
        ),
        *(
            _area("county", name, COUNTRY_ISO2, region_of[name], shapely.intersection(area, coast.published))
            for name, area in counties.items()
        ),
        *(
            _area("locality", town.town, COUNTRY_ISO2, PROVINCES[town.province], _disc(town.x_m, town.y_m))
            for town in TOWNS.itertuples()
        ),
    ]
    return gpd.GeoDataFrame(rows, geometry="geometry", crs=LOCAL_CRS).to_crs("EPSG:4326")


def _disc(x_m: float, y_m: float) -> shapely.Polygon:
    return shapely.Point(x_m, y_m).buffer(LOCALITY_RADIUS_M, quad_segs=6)


def _area(
    subtype: str, name: str, country: str, region: str | None, geometry: shapely.Geometry, *, is_land: bool = True
) -> dict[str, object]:
    """One row. Areas of land end at the coast; those that reach beyond it are territorial."""
    return {
        "subtype": subtype,
        "class": "land" if is_land else "maritime",
        "name": name,
        "name_en": ENGLISH.get(name),
        "country": country,
        "region": region,
        "is_land": is_land,
        # places without a sea have one area for both
        "is_territorial": not is_land or subtype in ("county", "locality"),
        "admin_level": {"country": 0, "region": 1, "county": 2}.get(subtype),
        "division": f"{country}/{subtype}/{name}",
        "geometry": geometry,
    }
