"""Land cover and land use of installations: which class counts, of sites, points, and bad geometry."""

from __future__ import annotations

import pytest
import shapely
from land_sql import Land, Row, area, box, point, site

NOTHING = dict.fromkeys(("land_cover", "land_cover_share", "land_use", "land_use_class", "land_use_share"))


@pytest.fixture(scope="module")
def land() -> Land:
    return Land()


def built(land: Land, sites: list[Row], *, covers: list[Row] | None = None, uses: list[Row] | None = None) -> dict[str, Row]:
    land.place(sites)
    land.have("stg_land_cover", covers or [])
    land.have("stg_land_use", uses or [])
    return land.build("prep_pv_land")


def test_where_nothing_is_known_every_installation_has_a_row(land: Land) -> None:
    found = built(land, [site(box(0, 0, 50, 50)), {**site(point(0, 0)), "geometry": shapely.Point(1, 1)}])
    assert found == {name: {"installation_id": name, **NOTHING} for name in ("s0", "s1")}


def test_the_class_with_the_greatest_share_counts(land: Land) -> None:
    covers = [area(box(0, 0, 60, 100), "crop", min_zoom=8), area(box(60, 0, 40, 100), "grass", min_zoom=8)]
    found = built(land, [site(box(0, 0, 100, 100)), site(point(80, 50))], covers=covers)
    assert (found["s0"]["land_cover"], found["s0"]["land_cover_share"]) == ("crop", pytest.approx(0.6, abs=1e-4))
    assert (found["s1"]["land_cover"], found["s1"]["land_cover_share"]) == ("grass", 1)


def test_equal_shares_go_by_name_whatever_the_order_of_rows(land: Land) -> None:
    covers = [area(shapely.box(10.001, 50, 10.003, 50.001), "crop"), area(shapely.box(9.99, 50, 10.001, 50.001), "barren")]
    shape = site(shapely.box(10, 50, 10.002, 50.001))
    found = [built(land, [shape], covers=order)["s0"] for order in (covers, covers[::-1])]
    assert found[0] == found[1]
    assert found[0]["land_cover"] == "barren"


def test_the_smallest_of_overlapping_uses_says_most(land: Land) -> None:
    uses = [
        area(box(-500, -500, 2000, 2000), "residential", **{"class": "residential"}),
        area(box(-10, -10, 80, 120), "park", **{"class": "garden"}),
    ]
    found = built(land, [site(box(0, 0, 100, 100)), site(point(50, 50)), site(box(200, 0, 10, 10))], uses=uses)
    assert (found["s0"]["land_use"], found["s0"]["land_use_class"]) == ("park", "garden")
    assert found["s0"]["land_use_share"] == pytest.approx(0.7, abs=1e-4)
    assert found["s1"]["land_use"] == "park"
    assert found["s2"]["land_use"] == "residential"


def test_a_designation_ranks_after_every_use_however_small_it_is(land: Land) -> None:
    uses = [
        area(box(-500, -500, 2000, 2000), "agriculture", **{"class": "farmland"}),
        area(box(-10, -10, 120, 120), "protected", **{"class": "nature_reserve"}),
    ]
    found = built(land, [site(box(0, 0, 100, 100))], uses=uses)
    assert found["s0"]["land_use"] == "agriculture"
    assert built(land, [site(box(0, 0, 100, 100))], uses=uses[1:])["s0"]["land_use"] == "protected"


def test_classes_of_one_use_add_up_to_its_share(land: Land) -> None:
    uses = [
        area(box(0, 0, 30, 100), "agriculture", **{"class": "farmland"}),
        area(box(30, 0, 25, 100), "agriculture", **{"class": "meadow"}),
        area(box(55, 0, 45, 100), "developed", **{"class": "industrial"}),
    ]
    found = built(land, [site(box(0, 0, 100, 100))], uses=uses)["s0"]
    assert (found["land_use"], found["land_use_class"]) == ("agriculture", "farmland")
    assert found["land_use_share"] == pytest.approx(0.55, abs=1e-4)


def test_slivers_along_a_boundary_are_no_land(land: Land) -> None:
    covers = [area(box(-100, 0, 100.5, 100), "crop")]
    assert built(land, [site(box(0, 0, 100, 100))], covers=covers)["s0"]["land_cover"] is None


def test_a_site_across_the_antimeridian_lies_on_land_on_either_side(land: Land) -> None:
    covers = [area(box(0, -50, 40, 200, lon=180), "crop"), area(box(-60, -50, 60, 200, lon=180), "grass")]
    found = built(land, [site(box(-50, 0, 90, 100, lon=180))], covers=covers)["s0"]
    assert (found["land_cover"], found["land_cover_share"]) == ("grass", pytest.approx(50 / 90, abs=1e-4))
