"""The entries of the manifest: which there must be, and what each takes."""

from __future__ import annotations

import re

import pyproj
import pytest

from ingest.manifest import MANIFEST_PATH, Dataset, Format, Trust, load_manifest

REFERENCE_KEYS = (
    "chn_jiangsu_vhr_pv_2021",
    "chn_med_res_pv_2024",
    "deu_maxar_vhr_2023",
    "uk_crowdsourced_pv_2020",
    "usa_cali_usgs_pv_2016",
    "usa_eia_large_scale_pv_2023",
    "usa_gm_seus_v1_2025",
    "ind_pv_solar_farms_2022",
    "fra_west_eur_pv_installations_2023",
    "global_pv_inventory_sent2_spot_2021",
    "global_pv_inventory_sent2_2024",
    "global_harmonized_large_solar_farms_2020",
)
MIRROR_KEYS = ("usa_uspvdb_v3_2025", "deu_ufz_open_field_pv_2015", "deu_osm_pv_2023", "global_wri_gppd_2021")
IMAGES_ONLY = {"chn_jiangsu_vhr_pv_2021", "deu_maxar_vhr_2023", "fra_west_eur_pv_installations_2023"}

MANIFEST = load_manifest()
DATASETS = pytest.mark.parametrize("dataset", MANIFEST.datasets.values(), ids=lambda dataset: dataset.key)


def test_every_dataset_of_the_predecessor_and_of_the_mirror_is_there_in_order() -> None:
    assert tuple(MANIFEST.datasets) == REFERENCE_KEYS + MIRROR_KEYS


def test_no_key_is_written_twice() -> None:
    # YAML keeps the last of two equal keys without a word
    keys = re.findall(r"^  (\w+):$", MANIFEST_PATH.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(keys) == len(set(keys)) == len(MANIFEST.datasets)


def test_planned_datasets_are_those_of_images_and_say_which_reader_they_need() -> None:
    planned = {dataset.key: dataset for dataset in MANIFEST.datasets.values() if dataset.status == "planned"}
    assert planned.keys() == IMAGES_ONLY
    assert all("reader" in dataset.reason for dataset in planned.values())
    assert [dataset.key for dataset in MANIFEST.available()] == [key for key in MANIFEST.datasets if key not in IMAGES_ONLY]


def test_only_unlabelled_samples_are_of_low_trust_and_only_uspvdb_is_reference() -> None:
    by_trust = {trust: {d.key for d in MANIFEST.datasets.values() if d.trust is trust} for trust in Trust}
    assert by_trust[Trust.LOW] == {"global_pv_inventory_sent2_2024"}
    assert by_trust[Trust.REFERENCE] == {"usa_eia_large_scale_pv_2023", "usa_uspvdb_v3_2025"}


@DATASETS
def test_citation_has_the_year_and_each_doi(dataset: Dataset) -> None:
    assert re.search(r"\((19|20)\d\d\)", dataset.citation)
    for doi in filter(None, (dataset.doi, dataset.paper_doi)):
        assert doi in dataset.citation


@DATASETS
def test_licence_allows_commerce_exactly_where_its_terms_do(dataset: Dataset) -> None:
    expected = {
        "CC-BY-4.0": "yes",
        "CDLA-Permissive-2.0": "yes",
        "ODbL-1.0": "yes",
        "CC-BY-NC-ND-4.0": "no",
        "LicenseRef-US-government-work": "yes",
        "LicenseRef-unstated": "unknown",
    }
    assert dataset.licence.commercial == expected[dataset.licence.id]
    assert dataset.licence.text or not dataset.licence.id.startswith("LicenseRef-")


@DATASETS
def test_bbox_is_one(dataset: Dataset) -> None:
    west, south, east, north = dataset.coverage.bbox
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90


@DATASETS
def test_crs_is_stated_where_the_format_cannot_and_exists(dataset: Dataset) -> None:
    for distribution in dataset.distributions:
        carries_none = distribution.format in (Format.CSV, Format.JSON_COORDINATES)
        assert (distribution.crs is not None) == carries_none
        if distribution.crs:
            assert pyproj.CRS.from_user_input(distribution.crs).to_authority() is not None


@DATASETS
def test_archives_have_a_filter_of_members_and_checksums_belong_to_selected_files(dataset: Dataset) -> None:
    for distribution in dataset.distributions:
        takes_archives = distribution.files.accepts("x.zip") or any(".zip" in p for p in distribution.files.include)
        assert (distribution.members is not None) == takes_archives
        for name in distribution.checksums:
            main = re.sub(r"\.(shx|dbf)$", ".shp", name) if distribution.format is Format.SHAPEFILE else name
            assert distribution.files.accepts(main)


def test_every_dataset_has_its_row_in_the_documentation() -> None:
    text = (MANIFEST_PATH.parent.parent / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| (available|planned) \|$", text, flags=re.MULTILINE)
    assert rows == [(dataset.key, dataset.status) for dataset in MANIFEST.datasets.values()]


@pytest.mark.parametrize(
    ("key", "name", "accepted"),
    [
        ("chn_med_res_pv_2024", "PV_Train_2020.shp", True),
        ("chn_med_res_pv_2024", "PV_Test_2020.shp", True),
        ("chn_med_res_pv_2024", "some/folder/PV_Test_2020.shp", True),
        ("chn_med_res_pv_2024", "NPV_Test_2020.shp", False),
        ("chn_med_res_pv_2024", "some/folder/NPV_Train_2020.shp", False),
        ("chn_med_res_pv_2024", "PV_Test_2015.shp", False),
        ("chn_med_res_pv_2024", "PV_Test_2020.shp.xml", False),
        ("global_pv_inventory_sent2_spot_2021", "predicted_set.geojson", True),
        ("global_pv_inventory_sent2_spot_2021", "trn_polygons.geojson", False),
        ("global_pv_inventory_sent2_spot_2021", "cv_polygons.geojson", False),
        ("global_pv_inventory_sent2_spot_2021", "test_polygons.geojson", False),
        ("global_pv_inventory_sent2_spot_2021", "test_tiles.geojson", False),
        ("usa_gm_seus_v1_2025", "GMSEUS_v1_0.zip", True),
        ("usa_gm_seus_v1_2025", "GMSEUS_Panels_Final.gpkg", False),
        ("ind_pv_solar_farms_2022", "data/solar_farms_india_2021_merged_simplified.geojson", True),
        ("ind_pv_solar_farms_2022", "data/solar_farms_india_2021.geojson", False),
        ("uk_crowdsourced_pv_2020", "ukpvgeo_geometries.geojson", True),
        ("uk_crowdsourced_pv_2020", "ukpvgeo_points.csv", False),
        ("usa_cali_usgs_pv_2016", "SolarArrayPolygons.geojson", True),
        ("usa_cali_usgs_pv_2016", "SolarArrayPolygons.json", False),
        ("global_pv_inventory_sent2_2024", "data_coordinates/2022_us.json", True),
        ("global_pv_inventory_sent2_2024", "package.json", False),
    ],
)
def test_preferred_distribution_takes_installations_and_nothing_else(key: str, name: str, accepted: bool) -> None:
    assert MANIFEST[key].distributions[0].files.accepts(name) is accepted


@pytest.mark.parametrize(
    ("key", "member", "accepted"),
    [
        ("global_harmonized_large_solar_farms_2020", "global_wind_solar_2020/global_solar_2020_WGS84.gpkg", True),
        ("global_harmonized_large_solar_farms_2020", "global_wind_solar_2020/global_wind_2020_WGS84.gpkg", False),
        ("global_harmonized_large_solar_farms_2020", "global_wind_solar_2020/global_solar_2020.gpkg", False),
        ("usa_gm_seus_v1_2025", "GMSEUS_v1_0/GPKG/GMSEUS_Arrays_Final.gpkg", True),
        ("usa_gm_seus_v1_2025", "GMSEUS_v1_0/GPKG/GMSEUS_NAIP_Arrays.gpkg", False),
        ("usa_gm_seus_v1_2025", "__MACOSX/GPKG/._GMSEUS_Arrays_Final.gpkg", False),
        ("usa_uspvdb_v3_2025", "uspvdb_v3_0_20250430.geojson", True),
        ("usa_uspvdb_v3_2025", "uspvdb_v4_0_20260414.geojson", False),
    ],
)
def test_members_filter_takes_the_pinned_layer_and_version(key: str, member: str, accepted: bool) -> None:
    members = MANIFEST[key].distributions[0].members
    assert members is not None
    assert members.accepts(member) is accepted
