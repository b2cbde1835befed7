"""The entity resolution benchmark's own parts: generated worlds, scores, point rules, halves, and the training of weights."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.entity_resolution import generated, learning, point_rules, worlds
from benchmarks.entity_resolution.distances import between, nearest, within
from benchmarks.entity_resolution.placing import wrapped
from benchmarks.entity_resolution.scores import Score, score
from benchmarks.entity_resolution.sites import HELD_OUT, TRAINING, Sites, half_of, halved
from benchmarks.entity_resolution.words import word
from benchmarks.entity_resolution.world import VIEWS, Setting, observed, published, sites

SMALL = Setting("small", groups=40)
GEOD = pyproj.Geod(ellps="WGS84")


def geodesic_area(shape: shapely.Geometry) -> float:
    return abs(GEOD.geometry_area_perimeter(shape)[0])


@pytest.fixture(scope="module")
def seen() -> pd.DataFrame:
    return observed(SMALL)


class TestWorld:
    def test_is_the_same_every_time(self, seen: pd.DataFrame) -> None:
        assert seen.equals(observed(SMALL))

    def test_each_dataset_sees_a_site_at_most_once(self, seen: pd.DataFrame) -> None:
        assert not seen.duplicated(["dataset", "site"]).any()
        assert set(seen["dataset"]) == {view.dataset for view in VIEWS}

    def test_outlines_are_valid_polygons_and_places_are_points(self, seen: pd.DataFrame) -> None:
        shapes = seen["geometry"].to_numpy()
        assert shapely.is_valid(shapes).all()
        points = {view.dataset for view in VIEWS if view.points}
        assert ((shapely.get_type_id(shapes) == 0) == seen["dataset"].isin(points)).all()

    def test_sizes_span_rooftops_to_plants(self) -> None:
        known = sites(replace(SMALL, groups=400))
        assert known["area_m2"].min() < 20
        assert known["area_m2"].max() > 5e6
        assert known["level"].value_counts().min() > 50

    def test_an_undisturbed_whole_outline_has_the_site_s_area(self) -> None:
        still = replace(SMALL, jitter=0.0, partial=0.0)
        known, outlines = sites(still), observed(still).query("dataset == 'world_outlines'")
        measured = np.array([geodesic_area(shape) for shape in outlines["geometry"]])
        assert measured == pytest.approx(known["area_m2"][outlines["site"]].to_numpy(), rel=0.08)

    def test_partial_outlines_are_smaller(self) -> None:
        part, whole = (observed(replace(SMALL, jitter=0.0, partial=share)) for share in (1.0, 0.0))
        ratios = [
            geodesic_area(a) / geodesic_area(b) for a, b in zip(part["geometry"], whole["geometry"], strict=True) if a.area
        ]
        assert min(ratios) > 0.25
        assert max(ratios) < 0.9

    @pytest.mark.parametrize("place", worlds.PLACES.values(), ids=worlds.PLACES.keys())
    def test_shapes_do_not_depend_on_the_place(self, place: dict[str, float]) -> None:
        here, there = observed(SMALL), observed(replace(SMALL, **place))
        areas = [np.array([geodesic_area(shape) for shape in frame["geometry"] if shape.area]) for frame in (here, there)]
        assert areas[1] == pytest.approx(areas[0], rel=0.01)
        assert (here["name"].fillna("") == there["name"].fillna("")).all()

    def test_neighbours_are_as_far_apart_as_the_setting_says(self) -> None:
        setting = replace(SMALL, jitter=0.0, partial=0.0, density=1.0, gap=0.5)
        known = sites(setting)
        for _, group in known.groupby("group"):
            edges = group["east_m"].to_numpy() + np.array([[-0.5], [0.5]]) * group["width_m"].to_numpy()
            gaps = edges[0, 1:] - edges[1, :-1]
            assert gaps == pytest.approx(gaps[0])
            assert gaps[0] > 0

    def test_sites_of_different_groups_do_not_meet(self) -> None:
        setting = replace(SMALL, jitter=0.0, partial=0.0, gap=0.5)
        frame = observed(setting).assign(observation_id=lambda rows: rows.index.astype(str))
        meeting = worlds.overlapping_pairs(frame)
        site = frame.set_index("observation_id")["site"]
        assert (meeting["a"].map(site) == meeting["b"].map(site)).all()
        assert len(meeting) > 50

    def test_names_of_neighbours_repeat_within_a_group_only(self) -> None:
        known = sites(replace(SMALL, density=1.0))
        assert known.groupby("name")["group"].nunique().max() == 1
        assert known["name"].is_unique

    def test_no_two_worlds_share_a_name(self) -> None:
        chosen = [replace(SMALL, name=name) for name in "ab"]
        names = worlds.worlds(chosen).dropna(subset="name").groupby("setting")["name"].agg(set)
        assert not names["a"] & names["b"]

    def test_published_geometries_stay_within_180_degrees_and_keep_their_area(self) -> None:
        crossing = observed(replace(SMALL, **worlds.PLACES["antimeridian"]))
        shapes = shapely.from_wkb(published(crossing)["geometry"].to_numpy())
        assert shapely.total_bounds(shapes)[[0, 2]] == pytest.approx([-180, 180])
        assert shapely.get_type_id(shapes).max() == 6
        assert shapely.area(shapes) == pytest.approx(shapely.area(crossing["geometry"].to_numpy()), rel=1e-6)

    def test_every_setting_has_a_name_of_its_own_and_varies_one_thing(self) -> None:
        chosen = worlds.settings()
        assert len({setting.name for setting in chosen}) == len(chosen)
        for setting in chosen:
            differing = [name for name in worlds.VARIED if getattr(setting, name) != getattr(worlds.MODERATE, name)]
            assert len(differing) <= 1


@given(st.floats(170, 190), st.floats(-80, 80), st.floats(0.001, 5))
def test_wrapping_is_undone_by_unwrapping(lon: float, lat: float, size: float) -> None:
    box = shapely.box(lon, lat, lon + size, lat + size)
    parts = shapely.get_parts(wrapped(box))
    back = [
        shapely.transform(part, lambda places: places + np.array([360, 0])) if part.bounds[0] < 0 else part for part in parts
    ]
    assert shapely.union_all(back).symmetric_difference(box).area == pytest.approx(0, abs=1e-9)
    assert all(part.bounds[0] >= -180 and part.bounds[2] <= 180 for part in parts)


def test_words_are_unique() -> None:
    assert len({word(number) for number in range(20_000)}) == 20_000


class TestGenerated:
    def test_observations_are_those_of_the_verified_mixture(self, tmp_path) -> None:
        files = generated.written(6_000, tmp_path)
        rows, more = (pd.read_parquet(file) for file in files)
        assert len(rows) == pytest.approx(6_000, rel=0.05)
        assert len(more) == 60
        assert set(rows["dataset"]) & set(more["dataset"]) == set()
        shapes = shapely.from_wkb(rows["geometry"].to_numpy())
        assert shapely.is_valid(shapes).all()
        areas = np.array([geodesic_area(shape) for shape in shapes[:500]])
        assert np.median(areas) == pytest.approx(generated.MEDIAN_AREA_M2, rel=0.3)
        assert rows["name"].notna().equals(rows["capacity_mw"].notna())

    def test_density_does_not_depend_on_the_size(self) -> None:
        spans = []
        for count in (20_000, 80_000):
            known = generated.sites(count, np.random.default_rng(1))
            spans.append(np.ptp(known["lon"]) * np.ptp(known["lat"]) / count)
        assert spans[1] == pytest.approx(spans[0], rel=0.2)


class TestScores:
    def test_counts(self) -> None:
        found = pd.DataFrame({"a": [1, 1, 2, 3], "b": [1, 1, 2, 4]})
        true = pd.DataFrame({"a": [1, 2, 5], "b": [1, 2, 5]})
        result = score(found, true)
        assert result == Score(true=3, found=3, right=2)
        assert (result.precision, result.recall, result.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))

    def test_nothing_found(self) -> None:
        result = score(pd.DataFrame({"a": [], "b": []}), pd.DataFrame({"a": [1], "b": [1]}))
        assert (result.precision, result.recall, result.f1) == (1, 0, 0)

    def test_comparison_of_a_world(self, seen: pd.DataFrame) -> None:
        frame = seen.assign(observation_id=lambda rows: rows.index.map("{:05d}".format))
        true = worlds.true_pairs(frame)
        pairs = sum(len(list(combinations(rows, 2))) for _, rows in frame.groupby("site")["observation_id"])
        assert len(true) == pairs
        (row,) = worlds.compare([SMALL], frame, true[["a", "b"]].iloc[:-10], true[["a", "b"]])
        assert (row["precision"], row["recall"]) == pytest.approx((1, 1 - 10 / pairs))
        assert row["overlapping_compared"] <= row["overlapping"]


@st.composite
def places(draw: st.DrawFn, count: int = 6) -> pd.DataFrame:
    degrees = st.tuples(st.floats(-180, 180), st.floats(-89, 89))
    return pd.DataFrame(draw(st.lists(degrees, min_size=count, max_size=count)), columns=["lon", "lat"])


class TestPointRules:
    @given(places(), places())
    def test_distances_agree_with_each_other(self, points: pd.DataFrame, targets: pd.DataFrame) -> None:
        pairs = pd.DataFrame(list(product(range(len(points)), range(len(targets)))), columns=["point", "target"])
        distance = between(points.iloc[pairs["point"]], targets.iloc[pairs["target"]])
        _, found = nearest(points, targets)
        assert found == pytest.approx(pairs.assign(d=distance).groupby("point")["d"].min().to_numpy(), abs=0.1)
        radius = float(np.median(distance)) + 1
        assert abs(len(within(points, targets, radius)) - int(np.sum(distance <= radius))) <= np.sum(
            np.abs(distance - radius) < 0.1
        )

    def test_distance_is_that_of_the_ellipsoid_within_its_flattening(self) -> None:
        a, b = pd.DataFrame({"lon": [10.0], "lat": [50.0]}), pd.DataFrame({"lon": [10.01], "lat": [50.01]})
        assert between(a, b)[0] == pytest.approx(GEOD.inv(10, 50, 10.01, 50.01)[2], rel=5e-3)

    def test_one_to_one_takes_the_most_probable_first(self) -> None:
        pairs = pd.DataFrame(
            {"uspvdb": ["u", "u", "v", "w"], "gppd": ["g", "h", "g", "w"], "probability": [0.9, 0.95, 0.8, 0.1]}
        )
        assert set(point_rules.one_to_one(pairs, 0.5).itertuples(index=False, name=None)) == {("u", "h"), ("v", "g")}


@pytest.fixture
def two_sources() -> Sites:
    uspvdb = pd.DataFrame(
        {"lon": [0.0, 1.0, 2.0], "lat": [40.0] * 3, "plant_code": ["1", "2", "3"], "state": ["CA", "NC", "TX"]},
        index=["u1", "u2", "u3"],
    )
    gppd = pd.DataFrame({"lon": [0.001, 1.9, 2.0], "lat": [40.0] * 3, "plant_code": ["1", "2", None]}, index=["g1", "g2", "g3"])
    for frame in (uspvdb, gppd):
        frame.index.name = "observation_id"
        frame[["capacity_mw", "area_m2"]] = [[5.0, np.nan]] * 3
    return halved(uspvdb, gppd)


class TestHalves:
    def test_pairs_are_those_of_equal_codes(self, two_sources: Sites) -> None:
        assert set(two_sources.pairs.itertuples(index=False, name=None)) == {("u1", "g1"), ("u2", "g2")}

    def test_a_plant_belongs_to_the_half_of_its_partner_or_else_of_its_nearest_site(self, two_sources: Sites) -> None:
        assert two_sources.gppd["half"].to_dict() == {"g1": half_of("CA"), "g2": half_of("NC"), "g3": half_of("TX")}

    def test_both_halves_have_states_and_they_are_fixed(self) -> None:
        assert {state: half_of(state) for state in ("CA", "NC", "MA", "TX")} == {
            "CA": TRAINING,
            "NC": HELD_OUT,
            "MA": TRAINING,
            "TX": TRAINING,
        }

    def test_rules_find_what_is_near(self, two_sources: Sites) -> None:
        for found in (
            point_rules.nearest_within(two_sources, 1_000),
            point_rules.within_radius(two_sources, 190),
            point_rules.within_scaled_radius(two_sources),
        ):
            assert set(found.itertuples(index=False, name=None)) == {("u1", "g1"), ("u3", "g3")}
        assert ("u3", "g3") in set(point_rules.same_cell(two_sources, 12).itertuples(index=False, name=None))


def levels(count: int, seed: int = 1) -> pd.DataFrame:
    """Pairs of which each level's chance, given the truth, is known."""
    random = np.random.default_rng(seed)
    is_true = random.random(count) < 0.3
    near = random.random(count) < np.where(is_true, 0.8, 0.1)
    same = random.random(count) < np.where(is_true, 0.9, 0.05)
    return pd.DataFrame(
        {
            "geometry": np.where(near, "near", "far"),
            "name": pd.Series(np.where(same, "name: same", "name: other")).mask(random.random(count) < 0.2),
            "is_true": is_true,
        }
    )


# What the truth can teach is fitted given the rest, here declared at what it is worth
SEED = pd.DataFrame(
    [
        ("prior", "prior", 0.0),
        ("geometry", "near", 0.0),
        ("geometry", "far", 0.0),
        ("name", "name: same", 0.0),
        ("name", "name: other", np.log2(0.1 / 0.95)),
    ],
    columns=["comparison", "level", "weight_bits"],
)


class TestLearning:
    def test_weights_are_the_evidence_s_likelihood_ratios(self) -> None:
        intercept, weights = learning.learn(levels(20_000), SEED)
        assert weights["name", "name: same"] == pytest.approx(np.log2(0.9 / 0.05), abs=0.3)
        assert ("name", "name: other") not in weights
        assert weights["geometry", "near"] - weights["geometry", "far"] == pytest.approx(
            np.log2(0.8 / 0.1 / (0.2 / 0.9)), abs=0.3
        )
        # Without a name, the prior and the place remain
        odds = np.log2(0.3 / 0.7) + np.log2(0.8 / 0.1)
        assert intercept + weights["geometry", "near"] == pytest.approx(odds, abs=0.5)

    def test_a_rare_level_is_not_learnt(self) -> None:
        pairs = levels(1_000)
        pairs["geometry"] = pairs["geometry"].mask(pairs.index < 6, "odd")
        seed = pd.concat([SEED, pd.DataFrame([("geometry", "odd", 1.0)], columns=SEED.columns)])
        _, weights = learning.learn(pairs, seed)
        assert ("geometry", "odd") not in weights
        assert ("name", "name: same") in weights

    def test_hiding_adds_copies_that_differ_in_absences_only(self) -> None:
        pairs = levels(500)
        hidden = learning.with_attributes_hidden(pairs, copies=2)
        assert len(hidden) == 1_500
        repeated = pd.concat([pairs] * 3, ignore_index=True)
        assert ((hidden["name"] == repeated["name"]) | hidden["name"].isna()).all()
        assert hidden["name"].isna().mean() > pairs["name"].isna().mean() + 0.2
        assert hidden["geometry"].equals(repeated["geometry"])

    def test_update_keeps_prior_and_sums_and_raises_the_version_once(self) -> None:
        seed = pd.DataFrame(
            [(1, "prior", "prior", -8, "declared"), (1, "geometry", "near", 5, "declared"), (1, "name", "same", 9, "declared")],
            columns=["version", "comparison", "level", "weight_bits", "origin"],
        )
        after = learning.updated(seed, -3.0, {("geometry", "near"): 2.0, ("name", "same"): 7.0})
        assert after["weight_bits"].tolist() == [-8, 7, 7]
        assert after["weight_bits"].sum() == pytest.approx(-3 + 2 + 7)
        assert after["origin"].tolist() == ["declared", "learnt", "learnt"]
        assert set(after["version"]) == {2}
        again = learning.updated(after, -3.0, {("geometry", "near"): 2.0, ("name", "same"): 7.0})
        assert again.equals(after)

    def test_a_level_that_the_seed_does_not_know_is_an_error(self) -> None:
        seed = pd.DataFrame(
            [(1, "prior", "prior", -8, "declared")], columns=["version", "comparison", "level", "weight_bits", "origin"]
        )
        with pytest.raises(ValueError, match="name"):
            learning.updated(seed, 0.0, {("name", "same"): 1.0})
