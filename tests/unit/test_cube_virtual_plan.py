"""Planning virtual cubes: however scenes arrive, the groups that come out are the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.cubes.rasters.geotiff import Codec, Layout, RasterHeader, SourceVersion
from dataflows.cubes.rasters.grid import Grid
from dataflows.cubes.references.groups import GroupPlan, GroupState, Source, planned
from dataflows.cubes.references.refusals import Reason, Refusal, reason_against
from dataflows.cubes.references.scenes import SceneAsset

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
GRID = Grid.of(32613, (10, 0, 4e5, 0, -10, 4.4e6), (100, 100))
LAYOUT = Layout("uint16", 16, False, (64, 64), True, Codec.DEFLATE, 0, 2, 1, False, "0")


def header(href: str = "file:///a.tif", etag: str | None = '"1"', grid: Grid = GRID, **layout) -> RasterHeader:
    return RasterHeader(
        href=href,
        grid=grid,
        layout=replace(LAYOUT, **layout),
        blocks=4,
        sparse_blocks=0,
        truncated=0,
        photometric=1,
        has_mask=False,
        has_sub_images=False,
        scales=(1.0,),
        offsets=(0.0,),
        source=SourceVersion(1000, etag, FIRST),
    )


def source(day: int, asset: str = "red", item: str | None = None, **facts) -> Source:
    """References are not planned with: they are only carried."""
    item = item or f"item-{day}"
    found = header(f"file:///{item}/{asset}.tif", **facts)
    return Source(SceneAsset("c", item, asset, found.href, FIRST + timedelta(days=day)), found, None)


def after(sources: list[Source], existing: dict[str, GroupState]) -> tuple[dict[str, GroupState], list[Refusal]]:
    plans, refusals = planned(sources, existing)
    return existing | {plan.after.path: plan.after for plan in plans}, refusals


scenes = st.lists(
    st.builds(source, st.integers(0, 8), st.sampled_from(["red", "nir"]), st.sampled_from([None, "twin"])),
    max_size=12,
    unique_by=lambda found: (found.scene.item_id, found.scene.datetime, found.scene.asset_key),
)


@given(scenes, st.randoms())
def test_order_of_scenes_has_no_say(sources, random):
    shuffled = random.sample(sources, len(sources))
    assert planned(shuffled, {}) == planned(sources, {})


@given(scenes)
def test_every_scene_is_referenced_or_refused_and_dates_are_unique_and_in_order(sources):
    plans, refusals = planned(sources, {})
    referenced = [
        (found.scene.item_id, found.scene.datetime, found.scene.asset_key) for plan in plans for found in plan.sources.values()
    ]
    assert len(referenced) + len(refusals) == len(sources)
    assert {item for item, _, _ in referenced} | {refusal.item_id for refusal in refusals} == {
        found.scene.item_id for found in sources
    }
    for plan in plans:
        assert list(plan.after.times) == sorted(set(plan.after.times))


@given(
    st.sets(st.tuples(st.integers(0, 8), st.sampled_from(["red", "nir"]))),
    st.lists(st.integers(0, 3), min_size=18, max_size=18),
)
def test_many_builds_come_to_the_same_as_one(keys, parts):
    sources = [source(day, asset) for day, asset in sorted(keys)]
    state: dict[str, GroupState] = {}
    for number in range(4):
        state, refusals = after([one for one, part in zip(sources, parts, strict=False) if part == number], state)
        assert refusals == []
    at_once, _ = after(sources, {})
    assert {path: (group.times, group.items, dict(group.cells)) for path, group in state.items()} == {
        path: (group.times, group.items, dict(group.cells)) for path, group in at_once.items()
    }
    assert planned(sources, state) == ([], [])


def only(plans: list[GroupPlan]) -> GroupPlan:
    (plan,) = plans
    return plan


def test_the_array_that_is_there_says_how_pixels_are_stored():
    state, _ = after([source(0)], {})
    plans, refusals = planned([source(day, codec=Codec.LZW) for day in (1, 2, 3)], state)
    assert refusals == []
    beside = only(plans).after
    assert beside.path.startswith(next(iter(state)) + "-")
    assert beside.layouts["red"].codec == Codec.LZW
    more, _ = after([source(4, codec=Codec.LZW), source(5)], state | {beside.path: beside})
    assert [len(more[path].times) for path in sorted(more)] == [2, 4]


def test_grids_closer_than_a_label_can_tell_are_apart_all_the_same():
    near = Grid.of(32613, (10, 0, 4e5 + 1e-4, 0, -10, 4.4e6), (100, 100))
    assert near.label == GRID.label
    plans, _ = planned([source(0), source(1, grid=near), source(2)], {})
    assert sorted(len(plan.after.times) for plan in plans) == [1, 2]


def test_a_changed_source_is_refused_or_replaced():
    state, _ = after([source(0)], {})
    changed = source(0, etag='"2"')
    plans, refusals = planned([changed], state)
    assert (plans, [refusal.reason for refusal in refusals]) == ([], [Reason.CHANGED])
    plans, refusals = planned([changed], state, replace_changed=True)
    assert refusals == []
    assert only(plans).after.cells[FIRST, "red"].etag == '"2"'


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (header(), None),
        (header(nodata=None), None),
        (header(nodata="nan"), Reason.NODATA),
        (header(nodata="-9999"), Reason.NODATA),
        (header(nodata="nan", dtype="float32", bits=32), None),
        (header(etag=None), Reason.UNVERIFIABLE),
        (header(etag='W/"1"'), Reason.UNVERIFIABLE),
        (header(codec=Codec.JPEG), Reason.CODEC),
        (header(codec=99_999), Reason.CODEC),
        (header(bits=12), Reason.SAMPLES),
        (header(dtype="int64", bits=64), Reason.SAMPLES),
        (header(tiled=False, block=(30, 100)), Reason.UNEVEN_STRIPS),
        (header(tiled=False, block=(25, 100)), None),
        (replace(header(), photometric=6), Reason.CODEC),
        (replace(header(), truncated=1), Reason.TRUNCATED),
        (replace(header(), has_sub_images=True), Reason.LAYOUT),
        (replace(header(), grid=Grid.of(32613, (10, 0, 0, 0, 10, 0), (100, 100))), Reason.ROTATED),
    ],
)
def test_reasons(found, reason):
    against = reason_against(found)
    assert (against and against[0]) == reason
