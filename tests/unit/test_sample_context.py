"""The sample's context keeps its promises: files as Overture writes them, and a truth that GeoPandas finds in them too."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import geopandas as gpd
import h3.api.basic_int as h3
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from dataflows.sample import generate
from dataflows.sample.context import CONTEXT_TRUTH_FILE, publish_context
from dataflows.sample.context.overture import BUILDINGS, DIVISION_AREAS, INFRASTRUCTURES, LAND_COVERS, LAND_USES, RELEASE
from dataflows.sample.world import true_sites
from ingest.context_manifest import load_context_manifest

TYPES = {kind.name: kind for kind in (DIVISION_AREAS, BUILDINGS, INFRASTRUCTURES, LAND_USES, LAND_COVERS)}
MIRROR = Path("/work/shared/mirror")
WGS84 = Geod(ellps="WGS84")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("context") / "world", imagery=False)


@pytest.fixture(scope="module")
def sites(world):
    return gpd.read_parquet(world.folder / "truth" / "sites.parquet").set_index("site_id")


@pytest.fixture(scope="module")
def truth(world, sites):
    return pd.read_parquet(world.folder / CONTEXT_TRUTH_FILE).set_index("site_id").loc[sites.index]


def files(folder: Path, name: str) -> list[Path]:
    return sorted((folder / "overture" / RELEASE / TYPES[name].folder).glob("*.parquet"))


def features(folder: Path, name: str) -> gpd.GeoDataFrame:
    frame = pd.concat([gpd.read_parquet(file) for file in files(folder, name)], ignore_index=True)
    return frame.set_crs("EPSG:4326", allow_override=True)


def areas(folder: Path, subtype: str) -> gpd.GeoDataFrame:
    every = features(folder, "division_area")
    return every[(every["subtype"] == subtype) & every["is_land"]]


def located(sites: gpd.GeoDataFrame, layer: gpd.GeoDataFrame, column: str) -> pd.Series:
    """What each site's whole outline lies within, missing where nothing."""
    joined = sites[["geometry"]].sjoin(layer[["geometry", column]], predicate="within", how="left")
    assert joined.index.is_unique, "a site lies within two"
    return joined[column].reindex(sites.index)


@pytest.mark.parametrize("name", TYPES)
def test_files_are_split_sorted_and_described(world, name):
    parts = files(world.folder, name)
    assert len(parts) == TYPES[name].files >= 2
    boxes = []
    for part in parts:
        file = pq.ParquetFile(part)
        assert file.metadata.num_row_groups >= 2
        geo = json.loads(file.metadata.metadata[b"geo"])
        assert geo["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
        column = {file.metadata.schema.column(i).path: i for i in range(len(file.metadata.schema))}
        for group in range(file.metadata.num_row_groups):
            row_group = file.metadata.row_group(group)
            least, most = (
                [getattr(row_group.column(column[f"bbox.{side}"]).statistics, end) for side in sides]
                for end, sides in (("min", ("xmin", "ymin")), ("max", ("xmax", "ymax")))
            )
            rows = gpd.GeoSeries.from_wkb(file.read_row_group(group, columns=["geometry"])["geometry"].to_pylist())
            west, south, east, north = rows.total_bounds
            assert (least[0] <= west) & (least[1] <= south) & (most[0] >= east) & (most[1] >= north)
            boxes.append((most[0] - least[0]) * (most[1] - least[1]))
    if name != "division_area":
        # in the order of space, a row group covers a small part of the island
        whole = shapely.box(*features(world.folder, name).total_bounds).area
        assert np.median(boxes) < whole / 4


def test_columns_and_types_are_those_of_a_real_release(world):
    real = MIRROR / "overture_samples" / "overture_buildings_2024-07-22_first100.parquet"
    if not real.exists():
        pytest.skip(f"no {real}")
    theirs, ours = pq.read_schema(real), pq.read_schema(files(world.folder, "building")[0])
    assert [field.name for field in ours] == [field.name for field in theirs]
    for field in theirs:
        if field.name not in ("sources", "names"):  # both have grown since
            assert ours.field(field.name).type == field.type, field.name
    for name in ("sources", "names"):
        said, grown = str(theirs.field(name).type), str(ours.field(name).type)
        assert all(part in grown for part in ("primary", "common", "rules") if part in said)


@pytest.mark.parametrize("name", TYPES)
def test_features_are_valid_polygons_with_ids(world, name):
    frame = features(world.folder, name)
    assert frame.geometry.is_valid.all()
    assert set(frame.geom_type) <= {"Polygon", "MultiPolygon"}
    assert frame["id"].is_unique
    assert len(frame) == getattr(world.context, f"{name}s")


def test_provinces_and_counties_are_the_true_ones(world, sites, truth):
    near = truth["country_match"] != "nearest"
    country = areas(world.folder, "country")
    assert located(sites[truth["country_match"] == "within"], country, "country").eq("XH").all()
    assert (
        located(sites[near], areas(world.folder, "region").query("country == 'XH'"), "region").eq(truth["region"][near]).all()
    )
    county = areas(world.folder, "county")
    county = county.assign(name=[names["primary"] for names in county["names"]])
    on_island = truth["country_match"] == "within"
    found = located(sites[on_island], county, "name")
    assert found.fillna("").tolist() == truth["county"][on_island].fillna("").tolist()
    assert truth["county"].isna().sum() >= 5
    code = {"Nord-Helia": "XH-N", "Süd-Helia": "XH-S"}
    province = true_sites(400, 20261120).set_index("site_id")["province"].map(code)
    assert truth["region"].eq(province.loc[truth.index]).all()


def test_one_county_lies_wholly_inside_another(world):
    counties = areas(world.folder, "county")
    by_name = {names["primary"]: shape for names, shape in zip(counties["names"], counties.geometry, strict=True)}
    outer, inner = by_name["Lichtenau"], by_name["Lichtenau (Stadt)"]
    filled = shapely.union_all([shapely.Polygon(part.exterior) for part in shapely.get_parts(outer)])
    assert inner.within(filled)
    assert inner.intersection(outer).area == 0


def test_two_countries_claim_the_islet_and_the_site_on_it(world, sites, truth):
    (disputed,) = truth.index[truth["country_match"] == "disputed"]
    assert world.context.disputed == disputed
    claims = areas(world.folder, "country").query("geometry.contains(@site)", local_dict={"site": sites.geometry[disputed]})
    assert sorted(claims["country"]) == ["XH", "XS"]
    assert truth["claimed_by"][disputed].tolist() == ["XHE", "XSE"]


def test_a_few_sites_lie_off_the_simplified_coast(world, sites, truth):
    off = truth.index[truth["country_match"] == "nearest"]
    assert set(off) == set(world.context.beyond_coast)
    assert len(off) >= 1
    (country,) = areas(world.folder, "country").query("country == 'XH'").geometry
    land = features(world.folder, "land_cover").query("subtype != ''").geometry
    for site_id in off:
        outline, centre = sites.geometry[site_id], sites.geometry[site_id].centroid
        assert not country.intersects(outline)
        # on the plane at the site, then along the ellipsoid
        here = f"+proj=aeqd +lat_0={centre.y} +lon_0={centre.x} +datum=WGS84 +units=m"
        shore = gpd.GeoSeries([country], crs="EPSG:4326").to_crs(here).iloc[0]
        assert shore.distance(shapely.Point(0, 0)) == pytest.approx(truth["country_distance_m"][site_id], abs=0.5)
        assert 100 <= shore.distance(gpd.GeoSeries([outline], crs="EPSG:4326").to_crs(here).iloc[0]) <= 300
        # what satellites see is dry
        assert land.contains(outline).any()
    assert (truth["country_distance_m"] > 0).sum() == len(off)


def test_the_territorial_sea_is_no_land(world):
    every = features(world.folder, "division_area")
    (sea,) = every[~every["is_land"]].itertuples()
    assert (sea.subtype, sea.country, sea._asdict()["is_territorial"]) == ("country", "XH", True)


def test_the_ground_is_the_true_one(world, sites, truth):
    cover = features(world.folder, "land_cover")
    zoom = cover["cartography"].map(lambda hints: hints["min_zoom"])
    assert set(zoom) == {0, 8}
    assert located(sites, cover[zoom == 8], "subtype").eq(truth["land_cover"]).all()
    use = features(world.folder, "land_use")
    for column, ours in (("subtype", "land_use"), ("class", "land_use_class")):
        found = located(sites, use, column)
        assert found.fillna("").tolist() == truth[ours].fillna("").tolist()
    assert 0 < truth["land_use"].isna().mean() < 0.5
    detail = cover[zoom == 8].to_crs("EPSG:6933").geometry
    assert detail.area.sum() == pytest.approx(detail.union_all().area, rel=1e-9)


def test_mounts_and_shares_on_buildings_are_the_true_ones(world, sites, truth):
    buildings = features(world.folder, "building").to_crs("EPSG:3035")
    assert buildings["is_underground"].sum() == 2
    above = buildings[~buildings["is_underground"]].geometry.union_all()
    outlines = sites.to_crs("EPSG:3035").geometry
    share = outlines.intersection(above).area / outlines.area
    np.testing.assert_allclose(share, truth["building_share"], atol=2e-4)
    assert truth["mount"][sites["level"] == "rooftop"].isin(["rooftop", "canopy"]).all()
    assert (truth["building_share"][truth["mount"] == "ground"] < 0.05).all()
    canopies = truth[truth["mount"] == "canopy"]
    parks = features(world.folder, "infrastructure").to_crs("EPSG:3035")
    parks = parks[parks["class"].isin(["parking", "parking_space"]) & ~(parks["level"] < 0)].geometry.union_all()
    parked = (outlines.intersection(parks).area / outlines.area)[canopies.index]
    # carports, and canopies of which only the car park is known
    assert ((canopies["building_share"] > 0.6) & (parked < 0.5)).sum() == 8
    assert ((canopies["building_share"] < 0.05) & (parked > 0.99)).sum() == 4 == len(canopies) - 8
    assert truth["building_share"][truth["mount"] == "rooftop"].between(0.6, 1).all()


def test_a_ground_mounted_array_is_above_a_car_park(world, sites, truth):
    parks = features(world.folder, "infrastructure").to_crs("EPSG:3035")
    assert set(parks["class"]) == {"parking", "parking_space", "bicycle_parking"}
    below = parks[parks["level"] < 0].geometry.union_all()
    above = sites.to_crs("EPSG:3035").geometry.within(below.buffer(0.1))
    assert truth["mount"][above].tolist() == ["ground"] * 2


def test_some_buildings_are_where_no_pv_is(world, sites):
    cells = {h3.latlng_to_cell(point.y, point.x, 6) for point in sites.geometry.representative_point()}
    around = {near for cell in cells for near in h3.grid_disk(cell, 1)}
    buildings = features(world.folder, "building").geometry.representative_point()
    assert sum(h3.latlng_to_cell(point.y, point.x, 6) not in around for point in buildings) > 200


def test_the_manifest_describes_the_files_exactly(world):
    manifest = load_context_manifest(world.context_manifest)
    assert list(manifest.contexts) == [
        "overture_division_area",
        "overture_building",
        "overture_infrastructure",
        "overture_land_use",
        "overture_land_cover",
        "global_solar_atlas",
        "nsrdb",
        "pvgis_tmy",
    ]
    real = load_context_manifest()
    for context in manifest.available():
        assert context.folder == real[context.key].folder
        assert (world.folder / context.folder).is_dir()
        assert context.title.endswith("(imagined sample)")
        for distribution in context.distributions:
            there = {file.name: file.read_bytes() for file in (world.folder / context.folder).iterdir()}
            assert distribution.checksums == {
                name: f"sha256:{hashlib.sha256(data).hexdigest()}" for name, data in there.items()
            }


def test_the_world_without_context_is_the_same_but_for_it(world, tmp_path):
    bare = generate(tmp_path / "bare", imagery=False, context=False)
    known = {path.relative_to(world.folder): path.read_bytes() for path in world.folder.rglob("*") if path.is_file()}
    unknown = {path.relative_to(bare.folder): path.read_bytes() for path in bare.folder.rglob("*") if path.is_file()}
    own = ("overture", "solar_resource", "pvgis", "climate", "context_manifest.yml")
    assert bare.context is None
    assert unknown == {
        path: data for path, data in known.items() if path.parts[0] not in own and path.name != "context.parquet"
    }


def test_the_context_is_small(world):
    own = ("overture", "solar_resource", "pvgis", "climate")
    assert sum(file.stat().st_size for name in own for file in (world.folder / name).rglob("*") if file.is_file()) < 5e6


@settings(max_examples=4)
@given(seed=st.integers(0, 2**64), count=st.integers(100, 300))
def test_in_any_world_each_site_is_where_truth_says(tmp_path_factory, seed, count):
    folder, sites = tmp_path_factory.mktemp("any"), true_sites(count, seed)
    publish_context(sites, seed, folder)
    truth = pd.read_parquet(folder / CONTEXT_TRUTH_FILE).set_index("site_id")
    outlines = sites.set_index("site_id").to_crs("EPSG:4326")
    assert features(folder, "division_area").geometry.is_valid.all()
    dry = truth["country_match"] != "nearest"
    region = areas(folder, "region").query("country == 'XH'")
    assert located(outlines[dry], region, "region").eq(truth["region"][dry]).all()
    cover = features(folder, "land_cover")
    detail = cover[cover["cartography"].map(lambda hints: hints["min_zoom"]) == 8]
    assert located(outlines, detail, "subtype").eq(truth["land_cover"]).all()
    assert (truth["mount"].ne("ground") == outlines["level"].eq("rooftop").loc[truth.index]).all()
