"""Countries, regions and counties of sites: borders, coasts, enclaves, disputed places, two sources of boundaries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import shapely
from admin_sql import METHODS, LocatedSites
from resolution_sql import GEOD
from shapely import box

WEST, EAST = box(0, 50, 1, 51), box(1, 50, 2.5, 51)
COUNTRIES = [
    {"area_id": "west", "country_iso3": "WWW", "geometry": WEST},
    {"area_id": "east", "country_iso3": "EEE", "geometry": EAST},
]


@pytest.fixture(scope="module")
def sites() -> Iterator[LocatedSites]:
    located = LocatedSites()
    yield located
    located.areas.con.close()


def region(area_id: str, country: str, geometry: shapely.Geometry, **more: object) -> dict[str, object]:
    return {"area_id": area_id, "level": "region", "country_iso3": country, "geometry": geometry, **more}


@pytest.mark.parametrize("method", METHODS)
def test_within_by_both_methods(sites: LocatedSites, method: str) -> None:
    found = sites.locate(COUNTRIES, [(0.5, 50.5), (2, 50.5), (1, 50.2), (9, 9)], admin_join_method=method)
    assert [row.get("country_code") for row in found] == ["WWW", "EEE", "WWW", None]
    assert [row.get("country_match") for row in found] == ["within", "within", "within", None]
    assert found[0] == {
        **dict.fromkeys(
            ("region_code", "region_name", "region_id", "region_match", "county_name", "county_id", "county_match")
        ),
        "installation_id": "0",
        "country_code": "WWW",
        "country_name": "west",
        "country_id": "west",
        "country_match": "within",
        "country_distance_m": 0,
        "claimed_by": None,
        "country_by_view": None,
        "admin_source": "natural_earth",
        "admin_release": "5.1",
    }


def test_a_point_on_a_border_is_in_the_smaller_area_then_in_the_one_of_lesser_id(sites: LocatedSites) -> None:
    (found,) = sites.locate(COUNTRIES, [(1, 50.5)])
    assert (found["country_code"], found["country_match"], found["claimed_by"]) == ("WWW", "within", None)
    equal = [{**COUNTRIES[0], "geometry": box(0, 50, 1, 51)}, {**COUNTRIES[1], "geometry": box(1, 50, 2, 51)}]
    (found,) = sites.locate(equal, [(1, 50.5)])
    assert (found["country_code"], found["country_match"]) == ("EEE", "within")


def test_200_m_off_the_coast_is_nearest(sites: LocatedSites) -> None:
    lon, lat, _ = GEOD.fwd(2.5, 50.5, 90, 200)
    (found,) = sites.locate(COUNTRIES, [(lon, lat)])
    assert (found["country_code"], found["country_match"], found["claimed_by"]) == ("EEE", "nearest", None)
    assert found["country_distance_m"] == pytest.approx(200, abs=0.01)


def test_beyond_the_greatest_distance_there_is_no_country(sites: LocatedSites) -> None:
    near, far = (GEOD.fwd(2.5, 50.5, 90, metres)[:2] for metres in (24_900, 25_100))
    assert [row.get("country_match") for row in sites.locate(COUNTRIES, [near, far])] == ["nearest", None]


def test_across_the_antimeridian(sites: LocatedSites) -> None:
    fiji = shapely.MultiPolygon([box(179, -18, 180, -16), box(-180, -18, -179, -16)])
    places = [(180.0, -17), (-180.0, -17), (179.9999, -17), (-179.9999, -17), (-178.99, -17)]
    found = sites.locate([{"area_id": "fiji", "country_iso3": "FJI", "geometry": fiji}], places)
    assert [row["country_match"] for row in found] == ["within"] * 4 + ["nearest"]
    only_west = [{"area_id": "fiji", "country_iso3": "FJI", "geometry": box(179, -18, 180, -16)}]
    found = sites.locate(only_west, [(-179.999, -17)])
    assert found[0]["country_distance_m"] == pytest.approx(GEOD.inv(-180, -17, -179.999, -17)[2], abs=0.01)


def test_an_enclave(sites: LocatedSites) -> None:
    enclave = box(0.4, 50.4, 0.6, 50.6)
    inner = {"area_id": "inner", "country_iso3": "III", "geometry": enclave}
    found = sites.locate(
        [{**COUNTRIES[0], "geometry": WEST.difference(enclave)}, inner], [(0.5, 50.5), (0.3, 50.5), (0.4, 50.5)]
    )
    assert [row["country_code"] for row in found] == ["III", "WWW", "III"]
    assert {row["country_match"] for row in found} == {"within"}


def test_an_exclave_is_of_its_country(sites: LocatedSites) -> None:
    exclave = box(1.4, 50.4, 1.6, 50.6)
    areas = [
        {**COUNTRIES[0], "geometry": shapely.MultiPolygon([WEST, exclave])},
        {**COUNTRIES[1], "geometry": EAST.difference(exclave)},
    ]
    assert sites.locate(areas, [(1.5, 50.5)])[0]["country_code"] == "WWW"


def test_what_several_countries_claim_is_disputed(sites: LocatedSites) -> None:
    claimed = [{**COUNTRIES[0], "geometry": box(0, 50, 1.2, 51)}, COUNTRIES[1]]
    inside, on_border, outside = sites.locate(claimed, [(1.1, 50.5), (1.2, 50.5), (0.5, 50.5)])
    assert (inside["country_code"], inside["country_match"], inside["claimed_by"]) == ("WWW", "disputed", ["EEE", "WWW"])
    assert (on_border["country_match"], on_border["claimed_by"]) == ("within", None)
    assert (outside["country_match"], outside["claimed_by"]) == ("within", None)


def test_an_area_that_is_disputed(sites: LocatedSites) -> None:
    no_ones = {"area_id": "no one's", "country_iso3": None, "is_disputed": True, "geometry": box(3, 50, 4, 51)}
    someones = {**no_ones, "area_id": "claimed", "country_iso3": "CCC", "geometry": box(5, 50, 6, 51)}
    first, second = sites.locate([no_ones, someones], [(3.5, 50.5), (5.5, 50.5)])
    assert (first["country_code"], first["country_match"], first["claimed_by"]) == (None, "disputed", None)
    assert (second["country_code"], second["country_match"], second["claimed_by"]) == ("CCC", "disputed", ["CCC"])


CLAIMED = {
    "area_id": "Highland",
    "country_iso3": "CHE",
    "is_disputed": True,
    "country_by_view": [("cn", "DEU"), ("tr", "FRA"), ("ua", "DEU")],
    "geometry": box(3, 50, 4, 51),
}


def test_who_claims_a_place_is_known_from_points_of_view(sites: LocatedSites) -> None:
    inside, off_it, elsewhere = sites.locate([*COUNTRIES, CLAIMED], [(3.5, 50.5), (4.001, 50.5), (0.5, 50.5)])
    assert (inside["country_code"], inside["country_match"], inside["claimed_by"]) == ("CHE", "disputed", ["CHE", "DEU", "FRA"])
    assert dict(inside["country_by_view"]) == {"cn": "DEU", "tr": "FRA", "ua": "DEU"}
    assert (off_it["country_match"], off_it["claimed_by"]) == ("nearest", None)
    assert dict(off_it["country_by_view"])["tr"] == "FRA"
    assert (elsewhere["country_by_view"], elsewhere["claimed_by"]) == (None, None)


@pytest.mark.parametrize(
    ("view", "code", "name"), [("cn", "DEU", "Germany"), ("tr", "FRA", "France"), ("us", "CHE", "Highland")]
)
def test_a_point_of_view_chooses_the_country(sites: LocatedSites, view: str, code: str, name: str) -> None:
    inside, elsewhere = sites.locate([*COUNTRIES, CLAIMED], [(3.5, 50.5), (0.5, 50.5)], admin_point_of_view=view)
    assert (inside["country_code"], inside["country_name"], inside["country_match"]) == (code, name, "disputed")
    assert inside["country_id"] == "Highland"
    assert elsewhere["country_code"] == "WWW"


def test_a_point_of_view_holds_where_another_source_has_the_boundary(sites: LocatedSites) -> None:
    drawn = {**CLAIMED, "area_id": "drawn", "source": "overture", "country_by_view": None, "is_disputed": False}
    (found,) = sites.locate([CLAIMED, drawn], [(3.5, 50.5)], admin_point_of_view="tr")
    assert (found["country_id"], found["country_code"], found["admin_source"]) == ("drawn", "FRA", "overture")


def test_an_unknown_point_of_view_is_an_error(sites: LocatedSites) -> None:
    with pytest.raises(ValueError, match="Unknown var admin_point_of_view: xx; known: ar, bd"):
        sites.locate(COUNTRIES, [(0.5, 50.5)], admin_point_of_view="xx")


def test_an_undisputed_area_goes_before_one_that_is_disputed(sites: LocatedSites) -> None:
    disputed = {"area_id": "a", "country_iso3": "DDD", "is_disputed": True, "geometry": box(0.4, 50.4, 0.6, 50.6)}
    (found,) = sites.locate([*COUNTRIES, disputed], [(0.5, 50.5)])
    assert (found["country_code"], found["country_match"], found["claimed_by"]) == ("WWW", "disputed", ["DDD", "WWW"])


def test_regions_and_counties_are_of_the_country_found(sites: LocatedSites) -> None:
    # The region of the east, drawn coarsely, reaches over the border into the west
    divisions = [
        region("e1", "EEE", box(0.9, 50, 2.5, 51), region_code="EE-1"),
        region("w1", "WWW", box(0, 50, 0.905, 51), region_code="WW-1"),
        {**region("w2", "WWW", box(0, 50, 0.95, 51)), "level": "county", "name": "Westshire"},
    ]
    lon, lat, _ = GEOD.fwd(0.905, 50.5, 90, 400)
    beside, far, east = sites.locate([*COUNTRIES, *divisions], [(0.91, 50.5), (0.99, 50.5), (2, 50.5)])
    assert (beside["country_code"], beside["region_id"], beside["region_match"], beside["region_code"]) == (
        *("WWW", "w1", "nearest"),
        "WW-1",
    )
    assert (beside["county_name"], beside["county_id"], beside["county_match"]) == ("Westshire", "w2", "within")
    assert (far["county_match"], far["region_match"]) == (None, None)  # kilometres off both, and within its country
    assert (east["region_id"], east["region_match"], east["county_id"], east["county_match"]) == ("e1", "within", None, None)
    assert sites.locate([*COUNTRIES, *divisions], [(lon, lat)])[0]["region_id"] == "w1"


def test_overture_goes_before_natural_earth_where_both_know_the_place(sites: LocatedSites) -> None:
    overture = {"area_id": "overture", "source": "overture", "release": "2026-10-21.0", "country_iso3": "OOO"}
    areas = [*COUNTRIES, {**overture, "geometry": box(0.2, 50, 0.8, 50.3)}, region("r", "WWW", WEST), region("o", "OOO", WEST)]
    both, one, near = sites.locate(areas, [(0.5, 50.2), (0.5, 50.9), (0.5, 49.99)])
    assert (both["country_id"], both["country_match"], both["region_id"]) == ("overture", "within", "o")
    assert (both["admin_source"], both["admin_release"]) == ("overture", "2026-10-21.0")
    assert (one["country_id"], one["country_match"], one["region_id"]) == ("west", "within", "r")
    assert (near["country_id"], near["country_match"]) == ("overture", "nearest")


def test_no_areas_at_all(sites: LocatedSites) -> None:
    assert sites.locate([], [(0.5, 50.5)]) == [{}]
