"""Boundaries that points are joined to: Natural Earth's admin-1 of the mirror, and the counties of the United States.

``python -m benchmarks.context.boundaries`` brings them to where benchmarks and tests look for them.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import tarfile
from pathlib import Path

import geopandas as gpd
import shapely

from benchmarks.entity_resolution.real_lake import MIRROR
from benchmarks.reporting import CACHE

log = logging.getLogger(__name__)

ADMIN_1 = "natural_earth_v5/ne_50m_admin_1_states_provinces_v5.parquet"
# TopoJSON of the Census Bureau's cartographic boundaries, public domain
ATLAS = "us-atlas@3"
COUNTIES = "counties-10m.json"


def boundaries(cache: Path) -> dict[str, Path]:
    """Files of areas by name: GeoParquet, EPSG:4326, with ``area_id``, ``name`` and ``geometry``; those that can be had."""
    found = {}
    for name, make in (("admin_1", _admin_1), ("us_counties", _counties)):
        file = cache / f"{name}.parquet"
        try:
            if not file.exists():
                cache.mkdir(parents=True, exist_ok=True)
                _polygonal(make(cache)).to_parquet(file)
        except (FileNotFoundError, subprocess.SubprocessError) as error:
            log.warning("left out: %s (%s)", name, error)
        else:
            found[name] = file
    return found


def _admin_1(_: Path) -> gpd.GeoDataFrame:
    frame = gpd.read_parquet(MIRROR / ADMIN_1)
    return frame[["adm1_code", "name", "geometry"]].rename(columns={"adm1_code": "area_id"})


def _counties(cache: Path) -> gpd.GeoDataFrame:
    return gpd.read_file(atlas(cache, COUNTIES), layer="counties").rename(columns={"id": "area_id"}).set_crs(4326)


def atlas(cache: Path, name: str) -> Path:
    """A file of the us-atlas package, fetched by npm where it is not there.

    Raises:
        FileNotFoundError: npm is not installed.
        subprocess.SubprocessError: npm could not fetch it.
    """
    if not (cache / name).exists():
        if shutil.which("npm") is None:
            raise FileNotFoundError(f"npm, which fetches {ATLAS}")
        command = ["npm", "pack", ATLAS, "--silent", "--pack-destination", str(cache)]
        packed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.split()[-1]
        with tarfile.open(cache / packed) as package:
            for member in ("counties-10m.json", "states-10m.json"):
                (cache / member).write_bytes(package.extractfile(f"package/{member}").read())  # type: ignore[union-attr]
    return cache / name


def _polygonal(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Areas as staging would have them: valid polygons; what simplification made a line of is left out."""
    mended = [_polygons(geometry) for geometry in shapely.make_valid(frame.geometry.to_numpy())]
    frame = frame.set_geometry(gpd.GeoSeries(mended, index=frame.index, crs=4326))[["area_id", "name", "geometry"]]
    return frame[~frame.geometry.is_empty]


def _polygons(geometry: shapely.Geometry) -> shapely.Geometry:
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    return shapely.union_all([part for part in shapely.get_parts(geometry) if part.geom_type in ("Polygon", "MultiPolygon")])


if __name__ == "__main__":
    boundaries(CACHE / "context")
