"""Which names are safe, and which belong to a dataset."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from db.errors import MissingCompanionError
from ingest.manifest import FileFilter
from ingest.paths import published_path
from ingest.selection import SHAPEFILE_COMPANIONS, nothing_matched, select


@example(".\\::")
@given(st.text(st.sampled_from("ab. /\\:C\0\n"), max_size=20))
def test_a_published_path_stays_below_any_folder(name: str) -> None:
    try:
        path = published_path(name)
    except ValueError:
        return
    assert published_path(path) == path
    root = Path("/some/root")
    assert root in (root / path).resolve().parents
    windows = PureWindowsPath("D:/some/root") / path
    assert windows.is_relative_to("D:/some/root")
    assert ".." not in windows.parts


@pytest.mark.parametrize(
    "name", ["", ".", "./", "/", "/etc/passwd", "..", "a/..", "a\\..\\b", "C:\\x", "c:x", "a\0b", "//host/share"]
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        published_path(name)


def test_companions_come_along_and_strangers_do_not() -> None:
    companions = [f"d/PV{extension.upper()}" for extension in sorted(SHAPEFILE_COMPANIONS)]
    strangers = ["d/PV.txt", "d/PV2.dbf", "PV.dbf", "e/PV.shx", "d/PVC.shx"]
    assert select(["d/PV.shp", *companions, *strangers], FileFilter(include=("*.shp",))) == sorted(["d/PV.shp", *companions])


def test_excluded_shapefiles_take_their_companions_with_them() -> None:
    names = [f"{stem}{extension}" for stem in ("PV_1", "NPV_1") for extension in (".shp", ".shx", ".dbf")]
    regex = FileFilter(include=(r"PV_.*\.shp$",), exclude=(r"NPV_.*\.shp$",), regex=True)
    assert select(names, regex) == ["PV_1.dbf", "PV_1.shp", "PV_1.shx"]


@pytest.mark.parametrize(
    ("there", "missing"), [([], r"PV\.shx and PV\.dbf"), (["PV.SHX"], r"lacks PV\.dbf"), (["PV.dbf"], r"lacks PV\.shx")]
)
def test_missing_companions_are_named(there: list[str], missing: str) -> None:
    with pytest.raises(MissingCompanionError, match=missing):
        select(["PV.shp", *there], FileFilter(include=("*.shp",)))


NAMES = st.lists(st.text(st.sampled_from("ab./"), min_size=1, max_size=8), max_size=8)


@given(NAMES, st.lists(st.sampled_from(["*", "a*", "*.b", "b/*"]), min_size=1, max_size=2), st.sampled_from([(), ("*a",)]))
def test_without_shapefiles_selection_is_the_filter_minus_hidden_files(
    names: list[str], include: list[str], exclude: tuple[str, ...]
) -> None:
    wanted = FileFilter(include=tuple(include), exclude=exclude)
    visible = {name for name in names if not any(part.startswith(".") for part in name.split("/"))}
    assert select(names, wanted) == sorted(name for name in visible if wanted.accepts(name))


def test_a_long_listing_is_cut() -> None:
    message = str(
        nothing_matched(FileFilter(include=("*.gpkg",)), [f"{number:03}.csv" for number in range(100)], "the deposit")
    )
    assert "000.csv, 001.csv" in message
    assert "and 60 more" in message
