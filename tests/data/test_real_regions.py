"""Ten dates of a NAIP quad on grids 0.6 to 3 m apart: as one region, and chunk by chunk, against rasterio and exactextract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from exactextract import exact_extract
from region_lake import list_scenes, nearest
from test_real_virtual import BANDS, naip

from dataflows.cubes import open_region, open_virtual
from dataflows.cubes.analysis.chunkwise import Series, polygon_statistics, temporal_mean, temporal_median
from dataflows.cubes.references.scenes import SceneAsset
from dataflows.cubes.region.request import Period, Region
from dataflows.cubes.regions import build_region
from dataflows.cubes.virtual import build_virtual

pytestmark = pytest.mark.realdata

EPSG = 26914


@pytest.fixture(scope="module")
def scenes(mirror) -> list[SceneAsset]:
    return naip(mirror / "rasters" / "naip_timeseries_opengeos", "naip")


def inner_box(scenes: list[SceneAsset]) -> shapely.Geometry:
    """A box that all dates see, and beyond their southern edge, in the CRS of the quad."""
    with rasterio.open(scenes[0].href) as file:
        west, south, east, _ = file.bounds
    return shapely.box((west + east) / 2, south - 100, (west + east) / 2 + 1500, south + 1200)


def test_a_median_of_grids_that_differ(scenes, home):
    with rasterio.open(scenes[0].href) as file:
        footprint = shapely.box(*file.bounds)
    to = pyproj.Transformer.from_crs(EPSG, 4326, always_xy=True)

    def degrees(geometry: shapely.Geometry) -> shapely.Geometry:
        return shapely.transform(geometry, lambda xy: np.stack(to.transform(xy[:, 0], xy[:, 1]), axis=1))

    names = [{"catalog": "made", "collection": "naip", "item_id": scene.item_id, "version": 1} for scene in scenes]
    list_scenes(
        home,
        [
            {**name, "datetime": scene.datetime, "footprint": shapely.to_wkb(degrees(footprint))}
            for name, scene in zip(names, scenes, strict=True)
        ],
        [
            {**name, "asset_key": "image", "href": scene.href, "media_type": "image/tiff", "roles": ["data"], "bands": BANDS}
            for name, scene in zip(names, scenes, strict=True)
        ],
    )
    zone = degrees(inner_box(scenes))
    region = Region("quad", zone, "naip", bands=("nir", "red"), period=Period.ALL, epsg=EPSG)
    done = build_region(region, lake=home)
    assert done.grid.resolution == (5, 5)
    assert len(done.scenes) == 10
    cube = open_region("quad", lake=home).load()
    for band, number in (("nir", 4), ("red", 1)):
        planes, inside = [], []
        for scene in scenes:
            plane, _ = nearest(scene.href, EPSG, done.grid.transform, done.grid.shape, number)
            within, _ = nearest(_ones(scene.href, Path(home.home)), EPSG, done.grid.transform, done.grid.shape)
            planes.append(plane)
            inside.append(within == 1)
        stack = np.where(inside, np.array(planes, float), np.nan)
        seen = np.any(inside, axis=0)
        np.testing.assert_array_equal(cube[band].values[0][seen], np.nanmedian(stack[:, seen], axis=0))
        assert np.isnan(cube[band].values[0][~seen]).all()
        assert (~seen).sum() > 1000
    np.testing.assert_array_equal(cube.observations.values[0], np.sum(inside, axis=0))


def _ones(href: str, folder: Path) -> str:
    """A raster of ones where another one is."""
    path = folder / f"ones-{Path(href).name}"
    with rasterio.open(href) as file:
        profile = {"driver": "GTiff", "width": file.width, "height": file.height, "crs": file.crs, "transform": file.transform}
    with rasterio.open(path, "w", count=1, dtype="uint8", **profile) as made:
        made.write(np.ones((1, profile["height"], profile["width"]), np.uint8))
    return str(path)


def test_chunk_by_chunk(scenes, home):
    report = build_virtual(scenes, lake=home)
    path = max(report.groups, key=lambda group: group.dates).path
    cube = open_virtual(path, lake=home)
    hrefs = {scene.item_id: scene.href for scene in scenes}
    chosen = [hrefs[str(item)] for item in cube.item_id.values]
    assert len(chosen) > 1
    nir = []
    for href in chosen:
        with rasterio.open(href) as file:
            nir.append(file.read(4))
            west, south, east, north = file.bounds
            nodata = file.nodata
    values = np.array(nir, float)
    values[values == (np.nan if nodata is None else nodata)] = np.nan
    series = Series.of(cube, "nir")
    block = 4 * 2**20
    np.testing.assert_allclose(temporal_mean(series, block_bytes=block)["mean"], np.nanmean(values, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(temporal_median(series, block_bytes=block)["median"], np.nanmedian(values, axis=0))
    rng = np.random.default_rng(0)
    fields = np.array(
        [
            shapely.Point(x, y).buffer(radius)
            for x, y, radius in zip(
                rng.uniform(west, east, 40), rng.uniform(south, north, 40), rng.uniform(2, 400, 40), strict=True
            )
        ],
        object,
    )
    found = polygon_statistics(series, fields, block_bytes=block)
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(field)} for field in fields]
    for date, href in enumerate(chosen):
        with rasterio.open(href) as file:
            rows = exact_extract(file, features, ["count", "mean", "stdev", "min", "max"])
        for zone, row in enumerate(rows):
            for name in ("count", "mean", "stdev", "min", "max"):
                key = next(key for key in row["properties"] if key in (name, f"band_4_{name}"))
                assert float(found[name][zone, date]) == pytest.approx(row["properties"][key], rel=1e-6), (zone, date, name)
