"""What a name is reduced to; candidate pairs by words, names and ids against brute force; the model that unites all ways."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from resolution_sql import GEOD, LISTED_ONCE, Resolution, id_of, observation, with_an_end_in
from resolution_worlds import DATASETS, PLACES
from shapely import Point

from db.sql import literal

NAMES: dict[str, tuple[set[str], set[str]]] = {
    "Großräschen Süd Solarpark": ({"grossraschen", "sud"}, set()),
    "Photovoltaik Kraftwerk Mühlstraße 1 GmbH & Co. KG": ({"muhlstrasse"}, {"1"}),
    "Centrale Solaire d'Arles": ({"centrale", "arles"}, set()),
    "Parc photovoltaïque de l’Île-Crémieu 3": ({"photovoltaique", "ile", "cremieu"}, {"3"}),
    "Planta Fotovoltaica Nueva España Nº 2": ({"nueva", "espana"}, {"2"}),
    "Sol y Luna": ({"sol", "luna"}, set()),
    "ŁÓDŹ Øst": ({"lodz", "ost"}, set()),
    "St. John's Solar Phase II": ({"st", "john"}, {"2"}),
    "Mesquite Solar 007, LLC": ({"mesquite"}, {"7"}),
    "Alpha Solar IV-B": ({"alpha"}, {"4", "b"}),
    "Block Three": ({"block"}, {"3"}),
    "2": (set(), {"2"}),
    "Phase II": (set(), {"2"}),
    "Alpha alpha  ALPHA": ({"alpha"}, set()),
    # Nothing that tells sites apart
    "The Solar Power Plant": (set(), set()),
    "中国 太阳能": (set(), set()),
    "&": (set(), set()),
    "": (set(), set()),
}
SIMILAR: dict[tuple[str, str], float | None] = {
    ("Alpha Solar Farm", "ALPHA"): 1,
    ("Alpha Beta", "Beta"): 1,
    ("Alpha Solar Phase II", "Alpha 2"): 1,
    ("Alpha Beta", "Alpha Gamma"): 5 / 9,
    ("Großräschen", "Grossräschen PV"): 1,
    ("Mesquite", "Mesqiute"): 0.9,
    ("Alpha", "Omicron"): 0,
    ("Solar Park", "Alpha"): None,
    ("Solar Park", "Solar Park"): None,
    ("日本", "中国"): None,
    ("Phase II", "2"): None,
}


@pytest.fixture(scope="module")
def resolution() -> Resolution:
    return Resolution()


class TestNames:
    @pytest.mark.parametrize("name", NAMES)
    def test_words_and_numerals(self, resolution: Resolution, name: str) -> None:
        (found,) = resolution.rows(
            "SELECT {{ without_generic_words('list') }} AS words, {{ numerals('list') }} AS numerals"
            f" FROM (SELECT {{{{ name_words('name') }}}} AS list FROM (SELECT {literal(name)} AS name))"
        )
        words, numerals = NAMES[name]
        assert found == {"words": sorted(words), "numerals": sorted(numerals)}

    def test_no_name_has_no_words(self, resolution: Resolution) -> None:
        resolution.observe([observation(Point(0, 0), LISTED_ONCE, name=None)])
        assert resolution.rows("SELECT name_words, name_numerals FROM prep_pv_footprints") == [
            {"name_words": [], "name_numerals": []}
        ]

    @pytest.mark.parametrize(("one", "other"), SIMILAR)
    def test_similarity(self, resolution: Resolution, one: str, other: str) -> None:
        resolution.observe([observation(Point(0, 0), LISTED_ONCE, name=name) for name in (one, other)])
        found = resolution.rows(
            "SELECT {{ word_similarity('a.name_words', 'b.name_words') }} AS similarity"
            " FROM prep_pv_footprints AS a, prep_pv_footprints AS b WHERE a.observation_key != b.observation_key"
        )
        # The same from either side
        assert [row["similarity"] for row in found] == pytest.approx([SIMILAR[one, other]] * 2)


def register() -> list[dict[str, Any]]:
    """Rows of several datasets, up to 400 km from some places, that share words, names, countries and ids."""
    random = np.random.default_rng(3)
    rows = []
    for lon, lat in [*PLACES.values(), (30.0, 90.0)]:
        far = 4e5 ** random.uniform(0.5, 1, 30)
        lons, lats, _ = GEOD.fwd(np.full(30, lon), np.full(30, lat), random.uniform(0, 360, 30), far)
        for place in zip(lons, lats, strict=True):
            words, number = random.choice(["Alpha", "Beta", "Gamma", "Solar"], 2), random.choice(["", "1", "II", "2"])
            rows.append(
                observation(
                    Point(place),
                    random.choice(DATASETS),
                    name=f"{words[0]} {words[1]} {number}" if random.random() < 0.8 else None,
                    country_iso3=random.choice(["DEU", "USA", None], p=[0.6, 0.3, 0.1]),
                    external_ids={key: str(random.integers(20)) for key in ("eia_plant_code", "osm") if random.random() < 0.5},
                )
            )
    # The first three once more
    return rows + [{**row, "duplicate_of": id_of(number)} for number, row in enumerate(rows[:3])]


@pytest.fixture(scope="class")
def sites(resolution: Resolution) -> list[dict[str, Any]]:
    resolution.observe(register())
    found = resolution.rows("SELECT * EXCLUDE (geometry) FROM prep_pv_footprints")
    resolution.choose({site["observation_key"] for site in found[::7]})
    return found


def metres(one: dict[str, Any], other: dict[str, Any]) -> float:
    return GEOD.inv(*[site[f"centroid_{axis}_deg"] for site in (one, other) for axis in ("lon", "lat")])[2]


def shares_words(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(set(one["name_words"]) & set(other["name_words"]))


def shares_name(one: dict[str, Any], other: dict[str, Any]) -> bool:
    equal = all(one[column] == other[column] for column in ("name_words", "name_numerals", "country_iso3"))
    return equal and one["country_iso3"] is not None and one["name_words"] != []


def shares_id(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(set(one["external_ids"]) & set(other["external_ids"]))


WAYS = {
    "pairs_by_words": (shares_words, 25_000.0),
    "pairs_by_name": (shares_name, 250_000.0),
    "pairs_by_id": (shares_id, np.inf),
}


class TestPairs:
    @pytest.mark.parametrize("macro", WAYS)
    def test_are_those_of_brute_force(self, resolution: Resolution, sites: list[dict[str, Any]], macro: str) -> None:
        share, radius_m = WAYS[macro]
        # The sphere of the macros is not quite the ellipsoid
        surely, perhaps = set(), set()
        for one, other in combinations(sites, 2):
            if one["dataset"] != other["dataset"] and share(one, other):
                pair = tuple(sorted((one["observation_key"], other["observation_key"])))
                apart = metres(one, other) / radius_m
                surely |= {pair} if apart <= 0.99 else set()
                perhaps |= {pair} if apart <= 1.01 else set()
        found = resolution.pairs_by(macro)
        assert len(surely) > 50
        assert surely <= found <= perhaps

    @pytest.mark.parametrize("macro", WAYS)
    def test_of_some_are_those_of_all_with_an_end_in_some(
        self, resolution: Resolution, sites: list[dict[str, Any]], macro: str
    ) -> None:
        chosen = {site["observation_key"] for site in sites[::7]}
        found = resolution.pairs_by(macro, some="chosen")
        assert found == with_an_end_in(chosen, resolution.pairs_by(macro))
        assert found


FLAGS = {
    "is_near": ["envelope_pairs_by_{}"],
    "is_called_alike": ["pairs_by_words", "pairs_by_name"],
    "shares_an_id": ["pairs_by_id"],
}


class TestModel:
    @pytest.mark.parametrize("method", ["spatial_join", "h3"])
    def test_says_which_way_found_a_pair(self, resolution: Resolution, sites: list, method: str) -> None:
        repeated = {site["observation_key"] for site in sites if site["duplicate_key"] is not None}
        assert len(repeated) == 3
        with resolution.project.having(candidate_method=method):
            resolution.build("prep_pv_candidates")
        for flag, macros in FLAGS.items():
            expected = set().union(*(resolution.pairs_by(macro.format(method)) for macro in macros))
            # A repeated row is not compared: what it repeats is
            expected -= with_an_end_in(repeated, expected)
            assert resolution.pairs(f"FROM prep_pv_candidates WHERE {flag}") == expected
        assert resolution.rows("FROM prep_pv_candidates WHERE NOT (is_near OR is_called_alike OR shares_an_id)") == []

    def test_of_a_build_in_part_yields_the_pairs_of_what_was_touched(self, resolution: Resolution, sites: list) -> None:
        touched = [site["observation_key"] for site in sites[::5]]
        resolution.build("prep_pv_candidates", "whole")
        resolution.touch(touched)
        with resolution.project.having(replaces_part=True):
            resolution.build("prep_pv_candidates", "part")
        whole, part = (set(map(str, resolution.rows(f"FROM {table}"))) for table in ("whole", "part"))
        assert part <= whole
        assert resolution.pairs("FROM part") == with_an_end_in(set(touched), resolution.pairs("FROM whole"))
