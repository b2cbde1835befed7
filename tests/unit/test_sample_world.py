"""The sample world keeps its promises: files, counts, faults, positions and truth, checked from the bytes it writes."""

import csv
import hashlib
import sqlite3
import zipfile
from collections import Counter
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod

from dataflows.sample import SampleWorld, generate
from dataflows.sample.observation import MIN_OVERLAP
from dataflows.sample.views import VIEWS
from db.errors import SettingsError
from db.extensions import TRUST_WHEELS, load_extensions
from ingest.manifest import load_manifest

UFZ, GMSEUS, INDIA, DUNNETT, USPVDB, GPPD, BRADBURY = (view.key for view in VIEWS)
VIEW = {view.key: view for view in VIEWS}
POLYGONS, CSVS = (UFZ, GMSEUS, INDIA, BRADBURY), (DUNNETT, USPVDB)
WGS84 = Geod(ellps="WGS84")

PUBLISHED_CRS = {
    UFZ: "EPSG:3035",
    GMSEUS: "ESRI:102003",
    INDIA: "EPSG:4326",
    DUNNETT: "ESRI:54012",
    USPVDB: "EPSG:4326",
    GPPD: "EPSG:4326",
    BRADBURY: "EPSG:4326",
}
# as in ../shared/mirror, and for GM-SEUS as in the README of its repository
PUBLISHED_COLUMNS = {
    UFZ: "Technology Year Power_kW Area_sqm X_coord Y_coord PS",
    GMSEUS: """
        arrayID Source nativeID latitude longitude newBound totArea totRowArea numRow instYr instYrLT capMW capMWest modType
        effInit GCR1 GCR2 mount tilt tiltEst avgAzimuth avgLength avgWidth avgSpace STATEFP COUNTYFP version""",
    INDIA: "State Area Latitude Longitude fid",
    DUNNETT: "X Y sol_id GID_0 panels panel.area landscape.area water urban power",
    USPVDB: """
        case_id multi_poly eia_id p_state p_county ylat xlong p_area p_img_date p_dig_conf p_name p_year p_pwr_reg p_tech_pri
        p_tech_sec p_sys_type p_axis p_azimuth p_tilt p_battery p_cap_ac p_cap_dc p_type p_agrivolt p_comm p_zscore""",
    GPPD: """
        country country_lo name gppd_idnr capacity_m latitude longitude primary_fu other_fuel other_fu_1 other_fu_2 commission
        owner source url geolocatio wepp_id year_of_ca generation generati_1 generati_2 generati_3 generati_4 generati_5
        generati_6 generati_7 estimated_ estimated1 estimate_1 estimate_2 estimate_3 estimate_4 estimate_5 estimate_6 estimate_7
        estimate_8""",
    BRADBURY: """
        polygon_id centroid_latitude centroid_longitude centroid_latitude_pixels centroid_longitude_pixels city area_pixels
        area_meters image_name nw_corner_of_image_latitude nw_corner_of_image_longitude se_corner_of_image_latitude
        se_corner_of_image_longitude datum projection_zone resolution jaccard_index orientation""",
}


def published(world: SampleWorld, key: str) -> gpd.GeoDataFrame:
    """A file's rows as a reader gets them; CSV values as text."""
    path = world.folder / key / VIEW[key].file
    if key == GPPD:
        return gpd.read_parquet(path)
    if key in CSVS:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = pd.DataFrame(csv.DictReader(lines), dtype=object)
        x, y = (pd.to_numeric(table[name].replace("", None)) for name in (("X", "Y") if key == DUNNETT else ("xlong", "ylat")))
        points = np.where(x.notna(), shapely.points(x.fillna(0), y.fillna(0)), None)
        return gpd.GeoDataFrame(table, geometry=points, crs=PUBLISHED_CRS[key])
    if key == UFZ:
        return pyogrio.read_dataframe(f"/vsizip/{path}")
    # only the Arrow way keeps M
    return pyogrio.read_dataframe(path, use_arrow=True)


def observations(world: SampleWorld, key: str) -> pd.DataFrame:
    table = pd.read_parquet(world.folder / "truth" / "observations.parquet")
    return table[table["dataset"] == key].reset_index(drop=True)


def status(geometry: np.ndarray) -> np.ndarray:
    return np.select(
        [shapely.is_missing(geometry), shapely.is_empty(geometry), ~shapely.is_valid(geometry)],
        ["null", "empty", "repaired"],
        "valid",
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("sample") / "world")


@pytest.fixture(scope="module")
def sites(world):
    return gpd.read_parquet(world.folder / "truth" / "sites.parquet").set_index("site_id", drop=False)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(world, tmp_path):
    again = generate(tmp_path / "elsewhere")
    assert contents(again.folder) == contents(world.folder)
    assert again.datasets == world.datasets
    other = contents(generate(tmp_path / "other", seed=1).folder)
    assert other.keys() == contents(world.folder).keys()
    assert all(data != other[name] for name, data in contents(world.folder).items())


def test_no_file_tells_the_time(world):
    with zipfile.ZipFile(world.folder / UFZ / VIEW[UFZ].file) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert tuple(archive.read("photovoltaics_open-space.dbf")[1:4]) == (119, 1, 24)
    with sqlite3.connect(world.folder / GMSEUS / VIEW[GMSEUS].file) as geopackage:
        assert geopackage.execute("SELECT DISTINCT last_change FROM gpkg_contents").fetchall() == [
            ("2025-01-01T00:00:00.000Z",)
        ]
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_the_manifest_describes_the_files_exactly(world):
    manifest = load_manifest(world.manifest)
    assert list(manifest.datasets) == [UFZ, GMSEUS, INDIA, DUNNETT, USPVDB, GPPD, BRADBURY]
    for dataset in manifest.available():
        (distribution,) = dataset.distributions
        files = sorted((world.folder / dataset.key).iterdir())
        assert [file.name for file in files if distribution.files.accepts(file.name)] == [file.name for file in files]
        assert distribution.checksums == {
            file.name: f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files
        }
        assert distribution.source.urls == (f"https://sample.invalid/{dataset.key}/{files[0].name}",)
        rows = len(published(world, dataset.key))
        assert (distribution.expected_rows.min, distribution.expected_rows.max) == (rows, rows)
        assert dataset.title.endswith("(imagined sample)")
        assert (dataset.vintage, dataset.licence.id, dataset.coverage.countries) == ("sample", "CC0-1.0", ("XHE",))
    with zipfile.ZipFile(world.folder / UFZ / VIEW[UFZ].file) as archive:
        members = manifest[UFZ].distributions[0].members
        assert all(members.accepts(name) for name in archive.namelist())


@pytest.mark.parametrize("key", VIEW)
def test_columns_crs_and_encoding_are_the_published_ones(world, key):
    rows = published(world, key)
    assert [name for name in rows.columns if name != "geometry"] == PUBLISHED_COLUMNS[key].split()
    assert CRS(rows.crs) == CRS(PUBLISHED_CRS[key])
    data = (world.folder / key / VIEW[key].file).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") == (key == USPVDB)
    if key == UFZ:
        with zipfile.ZipFile(world.folder / key / VIEW[key].file) as archive:
            assert "Fläche geändert (größer)".encode("latin-1") in archive.read("photovoltaics_open-space.dbf")


@pytest.mark.parametrize("key", VIEW)
def test_truth_agrees_with_the_file_row_by_row(world, key):
    rows, truth, counts = published(world, key), observations(world, key), world.datasets[key]
    assert truth["source_row"].tolist() == list(range(len(rows)))
    assert status(rows.geometry.to_numpy()).tolist() == truth["geometry_status"].tolist()
    if VIEW[key].feature_id is None:
        assert truth["source_feature_id"].isna().all()
    else:
        assert truth["source_feature_id"].tolist() == rows[VIEW[key].feature_id].astype(str).tolist()
    by_status = Counter(truth["geometry_status"])
    assert (counts.valid, counts.repaired, counts.null, counts.empty) == tuple(
        by_status[s] for s in ("valid", "repaired", "null", "empty")
    )
    assert counts.rows == len(rows) == counts.sites + counts.false_positives + counts.duplicates
    assert Counter(truth["defect"].dropna()) == Counter({defect.kind: defect.rows for defect in VIEW[key].defects})


@pytest.mark.parametrize("key", VIEW)
def test_duckdb_reads_as_many_rows(world, key):
    path = str(world.folder / key / VIEW[key].file)
    with duckdb.connect(config=TRUST_WHEELS) as connection:
        load_extensions(connection, ("spatial",))
        reader = "ST_Read(?)" if key in POLYGONS else "read_csv(?)" if key in CSVS else "read_parquet(?)"
        read = connection.execute(f"SELECT count(*) FROM {reader}", [f"/vsizip/{path}" if key == UFZ else path]).fetchone()
    assert read == (world.datasets[key].rows,)


@pytest.mark.parametrize(("key", "defect"), [(view.key, defect) for view in VIEWS for defect in view.defects])
def test_each_defect_is_in_the_rows_that_have_it_and_in_no_other(world, key, defect):
    rows = published(world, key)
    geometry = rows.geometry.to_numpy()
    column = rows[defect.column] if defect.column else None
    if defect.kind == "duplicate_row":
        found = pd.DataFrame(rows).assign(geometry=shapely.to_wkb(geometry)).duplicated(keep="first")
    else:
        found = {
            "null_geometry": lambda: shapely.is_missing(geometry),
            "missing_coordinates": lambda: shapely.is_missing(geometry),
            "empty_geometry": lambda: shapely.is_empty(geometry),
            "bow_tie": lambda: ~shapely.is_valid(geometry) & ~shapely.is_missing(geometry),
            "z_coordinates": lambda: shapely.has_z(geometry),
            "m_coordinates": lambda: shapely.has_m(geometry),
            "thousands_separator": lambda: column.str.fullmatch(r"\d{1,3}(,\d{3})+"),
            "nan_text": lambda: column == "NaN",
            "underscored_nan_text": lambda: column == "_NaN_",
            "embedded_newline": lambda: column.str.contains("\n").fillna(False),
            "year_zero": lambda: column.astype(int) == 0,
            "non_ascii_text": lambda: ~column.fillna("").map(str.isascii),
        }[defect.kind]()
    assert (
        np.flatnonzero(found).tolist()
        == np.flatnonzero(observations(world, key)["defect"].eq(defect.kind).fillna(False)).tolist()
    )
    assert int(np.sum(found)) == defect.rows


@pytest.mark.parametrize("key", POLYGONS)
def test_digitised_outlines_lie_on_their_true_site(world, sites, key):
    rows, truth = published(world, key).to_crs("EPSG:4326"), observations(world, key)
    sound = ((truth["geometry_status"] == "valid") & truth["site_id"].notna()).to_numpy()
    drawn, true = rows.geometry.to_numpy()[sound], sites.geometry[truth["site_id"][sound]].to_numpy()
    share = shapely.area(shapely.intersection(drawn, true)) / shapely.area(drawn)
    assert share.min() >= MIN_OVERLAP
    # they are observations, not copies
    assert share.mean() < 0.995
    spurious = rows.geometry.to_numpy()[truth["site_id"].isna() & (truth["geometry_status"] == "valid")]
    assert len(spurious) == world.datasets[key].false_positives
    assert len(shapely.STRtree(sites.geometry).query(spurious, predicate="intersects")[0]) == 0


@pytest.mark.parametrize("key", [*CSVS, GPPD])
def test_points_are_off_their_site_by_no_more_than_the_stated_bound(world, sites, key):
    rows, truth = published(world, key).to_crs("EPSG:4326"), observations(world, key)
    sound = ((truth["geometry_status"] == "valid") & truth["site_id"].notna()).to_numpy()
    centroid = shapely.centroid(sites.geometry[truth["site_id"][sound]].to_numpy())
    point = rows.geometry.to_numpy()[sound]
    offset_m = WGS84.inv(shapely.get_x(centroid), shapely.get_y(centroid), shapely.get_x(point), shapely.get_y(point))[2]
    assert max(offset_m) <= VIEW[key].max_offset_m
    assert max(offset_m) > VIEW[key].max_offset_m / 4
    assert (np.median(offset_m) > 100) == (key == GPPD)


def test_sites_are_seen_by_several_datasets_and_share_ids(world, sites):
    seen = pd.concat([observations(world, key) for key in VIEW]).dropna(subset="site_id")
    datasets = seen.groupby("site_id")["dataset"].nunique()
    assert (datasets.reindex(sites.index[sites["level"] == "plant"]).fillna(0) >= 3).mean() > 0.5
    uspvdb = published(world, USPVDB).assign(site_id=observations(world, USPVDB)["site_id"])
    gppd = published(world, GPPD).assign(site_id=observations(world, GPPD)["site_id"])
    registered = gppd[gppd["gppd_idnr"].str.startswith("XHE")]
    pairs = registered.merge(uspvdb, left_on=registered["gppd_idnr"].str[3:].astype(int), right_on=uspvdb["eia_id"].astype(int))
    assert len(pairs) > 20
    assert (pairs["site_id_x"] == pairs["site_id_y"]).all()


def test_an_earlier_world_is_replaced_but_nothing_else_is(tmp_path):
    folder = tmp_path / "world"
    generate(folder, sites=100, imagery=False, context=False)
    assert (
        generate(folder, sites=120, imagery=False, context=False).sites
        == len(gpd.read_parquet(folder / "truth" / "sites.parquet"))
        == 120
    )
    assert [path.name for path in tmp_path.iterdir()] == ["world"]
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match="precious"):
        generate(precious, sites=100)
    assert contents(precious) == {"thesis.txt": b"mine"}


@pytest.mark.parametrize("wrong", [{"sites": 99}, {"seed": -1}, {"sites": 60_000}])
def test_what_cannot_be_generated_is_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(SettingsError):
        generate(tmp_path / "world", **wrong)
    assert not list(tmp_path.iterdir())


@settings(max_examples=8)
@given(seed=st.integers(0, 2**64), sites=st.integers(100, 160))
def test_any_world_holds_the_promised_faults(tmp_path_factory, seed, sites):
    world = generate(tmp_path_factory.mktemp("any") / "world", sites=sites, seed=seed, imagery=False, context=False)
    for view in VIEWS:
        truth = observations(world, view.key)
        assert status(published(world, view.key).geometry.to_numpy()).tolist() == truth["geometry_status"].tolist()
        assert Counter(truth["defect"].dropna()) == Counter({defect.kind: defect.rows for defect in view.defects})
