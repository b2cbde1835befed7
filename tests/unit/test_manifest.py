"""The manifest: its rules, its filters and the entries that must be there."""

from __future__ import annotations

import re
from pathlib import Path

import pyproj
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from db.errors import DatasetNotFoundError, ManifestError
from ingest.manifest import MANIFEST_PATH, Dataset, FileFilter, Format, Manifest, RowRange, Trust, load_manifest

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


@pytest.fixture
def entry() -> dict:
    """A valid entry, to be spoilt by a test."""
    return {
        "title": "A dataset",
        "url": "https://example.org/data",
        "citation": "Somebody (2024). A dataset.",
        "licence": {"id": "CC-BY-4.0", "commercial": "yes"},
        "vintage": "2024",
        "level": "plant",
        "geometry_kind": "point",
        "distributions": [
            {
                "name": "csv",
                "format": "csv",
                "source": {"repository": "zenodo", "record": 1},
                "crs": "EPSG:4326",
                "points": {"x": "lon", "y": "lat"},
            }
        ],
    }


def load(tmp_path: Path, entry: object) -> Manifest:
    path = tmp_path / "manifest.yml"
    path.write_text(yaml.safe_dump({"datasets": {"a_dataset": entry}}), encoding="utf-8")
    return load_manifest(path)


# ---- the entries


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


# ---- the filters of particular datasets


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


# ---- filters in general

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1, max_size=30)
GLOBS = st.lists(st.text("ab*?/.", min_size=1, max_size=6), max_size=4).map(tuple)


def test_globs_match_the_path_or_its_last_part_with_case() -> None:
    solar = FileFilter(include=("*.geojson",))
    assert solar.accepts("a/b/x.geojson")
    assert not solar.accepts("x.GEOJSON")
    assert not solar.accepts("x.geojson.zip")
    assert FileFilter(include=("b/*.csv",)).accepts("b/x.csv")
    assert not FileFilter(include=("b/*.csv",)).accepts("c/x.csv")


def test_regular_expressions_are_searched_in_the_path_and_in_its_last_part() -> None:
    assert FileFilter(include=(r"PV_.*\.shp$",), regex=True).accepts("NPV_1.shp")
    anchored = FileFilter(include=(r"^PV_.*\.shp$",), regex=True)
    assert anchored.accepts("folder/PV_1.shp")
    assert not anchored.accepts("folder/NPV_1.shp")


@given(NAMES)
def test_a_filter_takes_everything_unless_told_otherwise_and_exclusion_wins(name: str) -> None:
    assert FileFilter().accepts(name)
    assert not FileFilter(exclude=("*",)).accepts(name)
    assert FileFilter(include=(re.escape(name),), regex=True).accepts(name)
    assert not FileFilter(include=(re.escape(name),), exclude=(re.escape(name),), regex=True).accepts(name)


@given(GLOBS, GLOBS, GLOBS, st.text("ab/.", min_size=1, max_size=8))
def test_more_inclusion_never_takes_less_and_more_exclusion_never_takes_more(
    include: tuple[str, ...], exclude: tuple[str, ...], extra: tuple[str, ...], name: str
) -> None:
    base = FileFilter(include=include, exclude=exclude).accepts(name)
    assert FileFilter(include=include + extra, exclude=exclude).accepts(name) >= base
    assert FileFilter(include=include, exclude=exclude + extra).accepts(name) <= base


def test_a_pattern_that_is_no_regular_expression_is_named() -> None:
    with pytest.raises(ValidationError, match=r"not a regular expression: '\('"):
        FileFilter(include=("(",), regex=True)
    assert FileFilter(include=("(",)).accepts("(")


# ---- row counts


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_row_range_is_ordered(low: int, high: int) -> None:
    if low <= high:
        assert RowRange(min=low, max=high).model_dump() == {"min": low, "max": high}
    else:
        with pytest.raises(ValidationError, match=f"min {low} is above max {high}"):
            RowRange(min=low, max=high)


@given(st.integers())
def test_a_count_is_a_range_of_one_and_never_negative(count: int) -> None:
    if count >= 0:
        assert RowRange.model_validate(count) == RowRange(min=count, max=count)
    else:
        with pytest.raises(ValidationError, match="greater than or equal to 0"):
            RowRange.model_validate(count)


# ---- rules of the schema


def test_a_valid_entry_loads_and_knows_its_key(tmp_path: Path, entry: dict) -> None:
    assert load(tmp_path, entry)["a_dataset"].key == "a_dataset"


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("licens",), "MIT", r"datasets\.a_dataset\.licens: Extra inputs"),
        (("licence", "commercial"), "maybe", r"datasets\.a_dataset\.licence\.commercial"),
        (("title",), None, r"datasets\.a_dataset\.title"),
        (("doi",), "https://doi.org/10.5281/zenodo.1", r"datasets\.a_dataset\.doi"),
        (("url",), "http://example.org", r"datasets\.a_dataset\.url"),
        (("level",), "panel", r"datasets\.a_dataset\.level"),
        (("coverage",), {"countries": ["Germany"]}, r"datasets\.a_dataset\.coverage\.countries\.0"),
        (("distributions", 0, "file"), {}, r"distributions\.0\.file: Extra inputs"),
        (("distributions", 0, "files"), {"includes": ["*"]}, r"distributions\.0\.files\.includes: Extra inputs"),
        (("distributions", 0, "source"), {"repository": "zenodoo"}, r"distributions\.0\.source"),
        (("distributions", 0, "source"), {"repository": "zenodo", "item": "x"}, r"distributions\.0\.source\.zenodo\.record"),
        (("distributions", 0, "checksums"), {"x.csv": "md5:abc"}, r"distributions\.0\.checksums: .*checksum of 'x\.csv'"),
        (("distributions", 0, "crs"), None, r"distributions\.0: .*a CSV needs 'points'"),
        (
            ("distributions", 0, "expected_rows"),
            {"min": 2, "max": 1},
            r"distributions\.0\.expected_rows: .*min 2 is above max 1",
        ),
        (("status",), "planned", "a planned dataset says why in 'reason'"),
        (("distributions",), [], "an available dataset has at least one distribution"),
    ],
)
def test_a_wrong_entry_is_an_error_that_names_the_key(
    tmp_path: Path, entry: dict, path: tuple[str | int, ...], value: object, complaint: str
) -> None:
    target = entry
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    with pytest.raises(ManifestError, match=complaint):
        load(tmp_path, entry)


def test_two_distributions_of_one_name_are_an_error(tmp_path: Path, entry: dict) -> None:
    entry["distributions"] *= 2
    with pytest.raises(ManifestError, match="distribution names repeat"):
        load(tmp_path, entry)


def test_all_problems_are_told_at_once(tmp_path: Path, entry: dict) -> None:
    entry |= {"levle": "plant", "url": "ftp://example.org"}
    with pytest.raises(ManifestError, match=r"(?s)a_dataset\.url.*a_dataset\.levle"):
        load(tmp_path, entry)


@pytest.mark.parametrize("entry_value", [None, "text", []])
def test_an_entry_that_is_no_mapping_is_named(tmp_path: Path, entry_value: object) -> None:
    with pytest.raises(ManifestError, match=r"datasets\.a_dataset"):
        load(tmp_path, entry_value)


def test_a_key_that_is_no_table_name_is_an_error(tmp_path: Path, entry: dict) -> None:
    path = tmp_path / "manifest.yml"
    path.write_text(yaml.safe_dump({"datasets": {"A-dataset": entry}}), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"datasets\.A-dataset\.key"):
        load_manifest(path)


def test_a_missing_file_and_a_broken_one_are_manifest_errors(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"No manifest at .*nowhere\.yml\. Pass an existing file"):
        load_manifest(tmp_path / "nowhere.yml")
    broken = tmp_path / "broken.yml"
    broken.write_text("datasets: [", encoding="utf-8")
    with pytest.raises(ManifestError, match="is not YAML"):
        load_manifest(broken)


def test_an_unknown_dataset_is_a_key_error_that_lists_the_known_ones() -> None:
    with pytest.raises(KeyError) as caught:
        MANIFEST["usa_nothing"]
    assert isinstance(caught.value, DatasetNotFoundError)
    assert str(caught.value).startswith("No dataset 'usa_nothing' in the manifest. Known: ")
    assert "usa_uspvdb_v3_2025" in str(caught.value)


def test_entries_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MANIFEST["deu_osm_pv_2023"].title = "another"
