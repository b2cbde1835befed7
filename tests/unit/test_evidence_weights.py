"""What the evidence of a pair weighs, and which of two sites is part of the other."""

from __future__ import annotations

import csv
import re
from typing import Any

import numpy as np
import pytest
import shapely
from resolution_sql import AC, DC, STATED, WITHOUT_PROFILE, Resolution, degrees_from, observation
from shapely import Point

from dataflows.elt import PROJECT_DIR


@pytest.fixture(scope="module")
def resolution() -> Resolution:
    return Resolution()


def weights() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    with (PROJECT_DIR / "seeds" / "match_weights.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["comparison"], {})[row["level"]] = float(row["weight_bits"])
    return found


# What a comparison regards: values on either side of each bound, and nothing
LEVELS: dict[str, dict[str, list[Any]]] = {
    "geometry": {
        "kind_a": ["point", "polygon"],
        "kind_b": ["point", "polygon"],
        "iou": [0, 0.01, 0.06, 0.3, 0.6, 0.9],
        "overlap": [0, 0.2, 0.7],
        "distance_m": [0, 5, 1e5, 3e5],
        "scaled_distance": [0.01, 0.08, 0.15, 0.25, 0.4, 0.7, 1.5, 3, 6, 12, 24, 48, 1000],
    },
    "capacity": {
        "capacity_log_ratio": [None, 0, 0.05, 0.2, 0.5, 1, 3],
        "area_log_ratio": [None, 0.1, 1, 3],
    },
    "year": {"year_gap": [None, 0, 1, 2, 3, 4]},
    "name": {"name_similarity": [None, 0, 0.4, 0.9, 1], "numerals_agree": [True, False], "numerals_differ": [True, False]},
    "operator": {"operator_similarity": [None, 0, 0.59, 0.6, 1]},
    "country": {"country_a": [None, "DEU", "USA"], "country_b": [None, "DEU", "USA"]},
    "kind": {"level_a": ["rooftop", "array", "plant"], "level_b": ["rooftop", "array", "plant"]},
    "id": {"shared_ids": [None, [], ["osm"]], "contradicting_ids": [None, [], ["osm"]]},
}


class TestLevels:
    def test_all_comparisons_are_regarded(self, resolution: Resolution) -> None:
        assert resolution.project.render("{{ comparisons() | join(' ') }}").split() == list(LEVELS)
        assert set(weights()) == {*LEVELS, "prior"}

    @pytest.mark.parametrize("comparison", LEVELS)
    def test_of_a_comparison_are_those_that_have_a_weight(self, resolution: Resolution, comparison: str) -> None:
        macro = f"{{{{ {comparison}_level() }}}}"
        values = LEVELS[comparison]
        grid = " CROSS JOIN ".join(f"(SELECT unnest({of!r}) AS {name})".replace("None", "NULL") for name, of in values.items())
        reached = {row["level"] for row in resolution.rows(f"SELECT DISTINCT {macro} AS level FROM {grid}")} - {None}
        written = set(re.findall(r"(?:then|else) '([^']+)'", resolution.project.render(macro)))
        assert reached == set(weights()[comparison])
        assert written == reached


class TestWeight:
    def test_is_the_sum_of_what_the_levels_weigh_and_the_prior(self, resolution: Resolution) -> None:
        random = np.random.default_rng(21)

        def row() -> dict[str, Any]:
            known = {
                "name": str(random.choice(["Alpha", "Alpha Beta 1", "Alpha Beta II", "Gamma"])),
                "operator": str(random.choice(["Delta", "Delta Power", "Epsilon"])),
                "country_iso3": str(random.choice(["DEU", "USA"])),
                "installed_year": int(random.integers(2010, 2016)),
                "capacity_mw": 10 ** random.uniform(0, 1),
                "reported_area_m2": 10 ** random.uniform(4, 5),
                "external_ids": {"osm": str(random.integers(2))},
                "level": str(random.choice(["rooftop", "array", "plant"])),
            }
            known = {name: value for name, value in known.items() if name == "level" or random.random() < 0.7}
            place = 10 + random.normal(0, 0.01), 50.0
            shape = Point(place) if random.random() < 0.5 else shapely.box(*place, place[0] + 0.01, 50.01)
            return observation(shape, str(random.choice([AC, DC, STATED])), **known)

        found = resolution.evidence([(row(), row()) for _ in range(400)])
        seen = set()
        for pair in found:
            levels = {comparison: pair[f"{comparison}_level"] for comparison in LEVELS}
            told = {comparison: level for comparison, level in levels.items() if level is not None}
            seen |= set(told)
            weight = weights()["prior"]["prior"] + sum(weights()[comparison][level] for comparison, level in told.items())
            assert pair["match_weight"] == pytest.approx(weight)
            assert pair["match_probability"] == pytest.approx(1 / (1 + 2**-weight))
        assert seen == set(LEVELS)
        assert {comparison for comparison in LEVELS for pair in found if pair[f"{comparison}_level"] is None} == {*LEVELS} - {
            "geometry"
        }

    def test_of_what_is_not_known_is_nought(self, resolution: Resolution) -> None:
        ends = [observation(Point(10 + east, 50), dataset) for east, dataset in ((0, AC), (1e-5, DC))]
        (bare,) = resolution.evidence([tuple(ends)])
        assert bare["match_weight"] == pytest.approx(weights()["prior"]["prior"] + weights()["geometry"]["points: ≤ 0.05"])
        all_known = {
            "name": "Alpha",
            "operator": "Beta",
            "country_iso3": "DEU",
            "installed_year": 2015,
            "external_ids": {"osm": "1"},
        }
        for known in ({}, all_known):
            (half,) = resolution.evidence([({**ends[0], **known}, ends[1])])
            assert half["match_weight"] == bare["match_weight"]


HECTARE = shapely.box(10, 50, 10.00139812, 50.00089892)  # about 100 m by 100 m


def polygon(share: float, *, shift: float = 0, level: str = "plant") -> dict[str, Any]:
    """An outline in the lower left corner of the hectare, or ``shift`` of its width beside."""
    west, south, east, north = HECTARE.bounds
    width, height = (east - west) * np.sqrt(share), (north - south) * np.sqrt(share)
    west += shift * width
    return observation(shapely.box(west, south, west + width, south + height), WITHOUT_PROFILE, level=level)


def place(metres_east: float = 50, *, level: str = "plant", area_m2: float | None = None) -> dict[str, Any]:
    """A point east of the hectare's lower left corner."""
    (where,) = degrees_from(10, 50.0001, [metres_east], [0])
    return observation(Point(where), WITHOUT_PROFILE, level=level, reported_area_m2=area_m2)


PARTS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "outline in a larger one": (polygon(0.3), polygon(1), True),
    "most of it in a larger one": (polygon(0.3, shift=-0.4), polygon(1), True),
    "less than half of it": (polygon(0.3, shift=-0.6), polygon(1), False),
    "nearly all of the larger one": (polygon(0.85), polygon(1), False),
    "the same": (polygon(1), polygon(1), False),
    "rooftop in a plant": (polygon(0.01, level="rooftop"), polygon(1), True),
    "plant in a rooftop": (polygon(0.01), polygon(1, level="rooftop"), False),
    "array in a plant": (polygon(0.3, level="array"), polygon(1), True),
    "point in an outline": (place(), polygon(1), True),
    "point of a larger site": (place(area_m2=20_000), polygon(1), False),
    "point of a smaller site": (place(area_m2=5_000), polygon(1), True),
    "plant's point in a rooftop": (place(), polygon(1, level="rooftop"), False),
    "rooftop's point in an array": (place(level="rooftop"), polygon(1, level="array"), True),
    "point beside an outline": (place(-5), polygon(1), False),
    # A circle of 10,000 m² has a radius of 56.4 m
    "rooftop's point near a plant's": (place(50, level="rooftop"), place(0, area_m2=1e4), True),
    "rooftop's point beyond": (place(60, level="rooftop"), place(0, area_m2=1e4), False),
    "large rooftop's point": (place(50, level="rooftop", area_m2=2e3), place(0, area_m2=1e4), False),
    "small rooftop's point": (place(50, level="rooftop", area_m2=5e2), place(0, area_m2=1e4), True),
    "rooftop's point near a plant's of unknown area": (place(50, level="rooftop"), place(0), False),
    "array's point near a plant's": (place(50, level="array"), place(0, area_m2=1e4), False),
    "two rooftops' points": (place(50, level="rooftop"), place(0, level="rooftop", area_m2=1e4), False),
}


class TestPart:
    @pytest.mark.parametrize("case", PARTS)
    def test_is_the_end_within_the_other(self, resolution: Resolution, case: str) -> None:
        inner, outer, is_part = PARTS[case]
        ids = [digit * 32 for digit in "17ea"]
        # Either may have the lesser key
        ends = [
            ({**inner, "observation_id": ids[0]}, {**outer, "observation_id": ids[1]}),
            ({**inner, "observation_id": ids[2]}, {**outer, "observation_id": ids[3]}),
        ]
        for found in resolution.evidence(ends):
            assert found["part_key"] == (found["keys"][0] if is_part else None)
