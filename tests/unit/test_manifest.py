"""The manifest's schema: filters, row counts, and errors that name the offending key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from db.errors import DatasetNotFoundError, ManifestError
from ingest.manifest import FileFilter, Manifest, RowRange, load_manifest


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


# ---- filters

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
        load_manifest()["usa_nothing"]
    assert isinstance(caught.value, DatasetNotFoundError)
    assert str(caught.value).startswith("No dataset 'usa_nothing' in the manifest. Known: ")
    assert "usa_uspvdb_v3_2025" in str(caught.value)


def test_entries_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_manifest()["deu_osm_pv_2023"].title = "another"


def test_a_key_that_stands_twice_is_an_error(tmp_path):
    path = tmp_path / "manifest.yml"
    path.write_text("datasets:\n  aaa_one: {title: first}\n  aaa_one: {title: second}\n")
    with pytest.raises(ManifestError, match=r"'aaa_one' stands twice"):
        load_manifest(path)
