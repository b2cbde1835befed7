"""Publishes the context of the sample world: a release in the form of Overture Maps, and irradiance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from dataflows.sample.context.buildings import build
from dataflows.sample.context.coast import Coast, coast_around
from dataflows.sample.context.divisions import divide
from dataflows.sample.context.irradiance import Place, write_geotiff, write_nsrdb, write_pvgis_tmy
from dataflows.sample.context.land import land_of
from dataflows.sample.context.overture import (
    BUILDINGS,
    DIVISION_AREAS,
    INFRASTRUCTURES,
    LAND_COVERS,
    LAND_USES,
    RELEASE,
    write_features,
)
from dataflows.sample.context.sunshine import DAYS_PER_YEAR, SolarMaps, solar_maps, specific_yield, typical_year
from dataflows.sample.context.tessellation import parcels_around
from dataflows.sample.region import LOCAL_CRS, TOWNS, generator

OVERTURE_DIR = Path("overture")
SOLAR_ATLAS_DIR, PVGIS_DIR, NSRDB_DIR = Path("solar_resource"), Path("pvgis"), Path("climate")
"""Folders of the mirror, as ``ingest/context_manifest.yml`` has them."""

CONTEXT_TRUTH_FILE = Path("truth", "context.parquet")

ELEVATIONS_M = {"Lichtenau": 210.0, "Öresvik": 85.0, "Porto Solé": 12.0}
"""Towns with a typical year, and their heights above the sea."""

NSRDB_TOWNS = 2
"""Of these, the first ones have stations too."""

COUNTRY_DISTANCE = "country_distance_m"


@dataclass(frozen=True)
class ContextFacts:
    """What was published: features by type of the release, typical years, and sites of which truth has something to tell.

    ``beyond_coast`` stand off the simplified coastline; ``disputed`` is the one on the islet that two countries claim, if any.
    """

    release: str
    division_areas: int
    buildings: int
    infrastructures: int
    land_uses: int
    land_covers: int
    typical_years: int
    beyond_coast: tuple[str, ...]
    disputed: str | None


def publish_context(sites: gpd.GeoDataFrame, seed: int, folder: Path) -> ContextFacts:
    """Write what is known of the places where sites stand, and the truth of it.

    Of the release (``overture/<release>/theme=…/type=…/*.parquet``), division areas have a country with two regions, counties
    around towns (one of them an enclave) and none in the outskirts, a territorial sea, an islet that a second country claims,
    and a coastline so simplified that some sites lie off it; land cover is of two levels of detail, and some land has no use;
    a few buildings and car parks are underground, and canopies stand over others. Irradiance agrees with itself: the typical
    years (``pvgis/*.csv``) add up to what the maps (``solar_resource/*.tif``) say, and PVOUT is what modules make of them.

    ``truth/context.parquet`` has one row a site: the columns of the truths of ``Divisions``, ``Land`` and ``Buildings``,
    ``country_distance_m`` (from the true centroid to the simplified land; 0 inside), and ``ghi_kwh_m2_year``,
    ``pvout_kwh_kwp_year`` and ``temperature_c`` of the maps' pixel at the true centroid.

    Args:
        sites: of ``true_sites``.
        seed: of the world.
        folder: the mirror.
    """
    parcels = parcels_around(sites, generator(seed, "parcels"))
    coast = coast_around(sites, generator(seed, "coast"))
    divisions = divide(sites, parcels, coast, generator(seed, "divisions"))
    land = land_of(sites, parcels, coast, generator(seed, "land"))
    built = build(sites, generator(seed, "buildings"))
    release = folder / OVERTURE_DIR / RELEASE
    names = [
        {"primary": area.name, "common": [] if area.name_en is None else [("en", area.name_en)]}
        for area in divisions.areas[["name", "name_en"]].itertuples(index=False)
    ]
    areas = divisions.areas.assign(names=names, division_id=divisions.areas["division"])
    zooms = land.cover[["min_zoom", "max_zoom"]].assign(prominence=None, sort_key=1).to_dict("records")
    write_features(areas, DIVISION_AREAS, seed, release)
    write_features(built.buildings.assign(has_parts=False), BUILDINGS, seed, release)
    write_features(built.infrastructure, INFRASTRUCTURES, seed, release)
    write_features(land.use, LAND_USES, seed, release)
    write_features(land.cover.assign(cartography=zooms), LAND_COVERS, seed, release)
    resource = _publish_irradiance(sites, coast, seed, folder)
    (folder / CONTEXT_TRUTH_FILE).parent.mkdir(parents=True, exist_ok=True)
    truth = divisions.truth.assign(**{COUNTRY_DISTANCE: _from_coast_m(sites, coast)})
    for more in (land.truth, built.truth, resource):
        truth = truth.merge(more, on="site_id", validate="one_to_one")
    truth.to_parquet(folder / CONTEXT_TRUTH_FILE, index=False)
    return ContextFacts(
        release=RELEASE,
        division_areas=len(areas),
        buildings=len(built.buildings),
        infrastructures=len(built.infrastructure),
        land_uses=len(land.use),
        land_covers=len(land.cover),
        typical_years=len(ELEVATIONS_M),
        beyond_coast=coast.beyond,
        disputed=coast.on_islet,
    )


def _from_coast_m(sites: gpd.GeoDataFrame, coast: Coast) -> np.ndarray:
    country = shapely.union(coast.published, coast.islet)
    return shapely.distance(country, shapely.centroid(sites.geometry.to_numpy()))


def _publish_irradiance(sites: gpd.GeoDataFrame, coast: Coast, seed: int, folder: Path) -> pd.DataFrame:
    """Write maps, typical years and stations; what the maps say of each site."""
    for name in (SOLAR_ATLAS_DIR, PVGIS_DIR, NSRDB_DIR):
        (folder / name).mkdir(parents=True)
    maps = solar_maps(coast.land, generator(seed, "sunshine"))
    places, ratios = _places(), []
    for place in places:
        ghi, temperature = (float(maps.at(layer, place.lon_deg, place.lat_deg)) for layer in (maps.ghi, maps.temperature))
        where = (place.lon_deg, place.lat_deg, place.elevation_m)
        # the typical year has 365 days
        year = typical_year(*where, 365 * ghi, temperature, generator(seed, f"typical year {place.town}"))
        write_pvgis_tmy(year, place, folder / PVGIS_DIR / f"tmy_{place.lat_deg:.3f}_{place.lon_deg:.3f}_2006_2023.csv")
        ratios.append(specific_yield(year, *where) / (year["G(h)"].sum() / 1000))
    pvout = maps.pvout(float(np.mean(ratios)))
    for name, layer in {"GHI": maps.ghi, "PVOUT": pvout, "TEMP": maps.temperature}.items():
        write_geotiff(layer, maps.transform, name, folder / SOLAR_ATLAS_DIR / f"{name}.tif")
    write_nsrdb(places[:NSRDB_TOWNS], generator(seed, "stations"), folder / NSRDB_DIR / "helia_nsrdb_2025.h5")
    return _at_sites(sites, maps, pvout)


def _places() -> list[Place]:
    towns = TOWNS.set_index("town").loc[list(ELEVATIONS_M)]
    points = gpd.GeoSeries.from_xy(towns["x_m"], towns["y_m"], crs=LOCAL_CRS).to_crs("EPSG:4326")
    return [
        Place(town, province, round(point.x, 3), round(point.y, 3), ELEVATIONS_M[town])
        for town, province, point in zip(towns.index, towns["province"], points, strict=True)
    ]


def _at_sites(sites: gpd.GeoDataFrame, maps: SolarMaps, pvout: np.ndarray) -> pd.DataFrame:
    centroid = sites.geometry.centroid.to_crs("EPSG:4326")
    ghi, output, temperature = (maps.at(layer, centroid.x, centroid.y) for layer in (maps.ghi, pvout, maps.temperature))
    return pd.DataFrame(
        {
            "site_id": sites["site_id"],
            "ghi_kwh_m2_year": ghi * DAYS_PER_YEAR,
            "pvout_kwh_kwp_year": output * DAYS_PER_YEAR,
            "temperature_c": temperature,
        }
    )
