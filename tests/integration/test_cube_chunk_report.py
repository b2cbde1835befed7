"""What cubes cost to read: told from sizes of chunks, and checked against what is then really fetched and decoded."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from rasters import pixels, scene, write_raster
from zarr.storage import WrapperStore

from dataflows.cubes.analysis import chunk_report as reporting
from dataflows.cubes.analysis.chunk_advice import Kind, balanced, questions
from dataflows.cubes.analysis.chunk_report import ArrayLayout, ChunkReport, Pattern, chunk_report, selection_of
from dataflows.cubes.repository import store
from dataflows.cubes.virtual import build_virtual
from db.errors import CubeError, CubeNotFoundError
from db.settings import Settings

DIMS = ("time", "y", "x")


class Counting(WrapperStore):
    """Notes the bytes of every chunk that is fetched."""

    fetched: dict[str, int]

    async def get(self, key, prototype, byte_range=None):
        found = await super().get(key, prototype, byte_range)
        if "/c/" in key and found is not None:
            self.fetched[key] = self.fetched.get(key, 0) + len(found)
        return found


def written(lake: Settings, **arrays: dict) -> None:
    """A group of arrays of random numbers; the last date is never written."""
    with store.build("regions", message="made", lake=lake) as build:
        group = zarr.create_group(build.store, path="made", attributes={"proj:code": "EPSG:32633"})
        for name, described in arrays.items():
            array = group.create_array(name, dtype="uint16", dimension_names=DIMS, **described)
            array[:-1] = np.random.default_rng(0).integers(0, 999, (array.shape[0] - 1, *array.shape[1:]))


def by_reading(lake: Settings, array: str, selection: dict[str, slice]) -> tuple[int, int]:
    """Chunks and bytes that zarr fetches for a selection."""
    counting = Counting(store.open_readonly("regions", lake=lake).store)
    counting.fetched = {}
    opened = zarr.open_array(counting, path=f"made/{array}", mode="r")
    opened[tuple(selection.get(dim, slice(None)) for dim in DIMS)]
    return len(counting.fetched), sum(counting.fetched.values())


def test_costs_are_what_reading_fetches(home):
    written(home, flat={"shape": (7, 100, 90), "chunks": (1, 32, 32)}, deep={"shape": (7, 100, 90), "chunks": (4, 20, 30)})
    report = chunk_report("regions", "made", at={"time": 2, "y": 31, "x": 63}, region_px=40, lake=home)
    session = store.open_readonly("regions", lake=home)
    assert {(cost.array, cost.pattern) for cost in report.costs} == {(a, p) for a in ("flat", "deep") for p in Pattern}
    for cost in report.costs:
        array = zarr.open_array(session.store, path=f"made/{cost.array}", mode="r")
        selection = selection_of(array, cost.pattern, {"time": 2, "y": 31, "x": 63}, 40)
        assert (cost.stored, cost.fetched_bytes) == by_reading(home, cost.array, selection), cost
        assert cost.wanted_bytes == array[tuple(selection.get(dim, slice(None)) for dim in DIMS)].nbytes
        assert cost.decoded_bytes == cost.stored * int(np.prod(array.chunks)) * 2
        assert not cost.estimated
    by_hand = {(cost.array, cost.pattern): cost.chunks for cost in report.costs}
    assert by_hand["flat", Pattern.PIXEL] == 7
    assert by_hand["flat", Pattern.DATE] == 4 * 3
    assert by_hand["flat", Pattern.REGION] == 7 * 2 * 2  # rows 11 to 51, columns 43 to 83
    assert by_hand["deep", Pattern.PIXEL] == 2
    assert by_hand["deep", Pattern.DATE] == 5 * 3
    assert report.snapshot_id == session.snapshot_id


def test_what_is_not_stored_costs_nothing_and_shards_cost_in_part(home):
    written(
        home,
        sparse={"shape": (3, 64, 64), "chunks": (1, 32, 32)},
        sharded={"shape": (3, 64, 64), "chunks": (1, 16, 16), "shards": (1, 32, 32)},
    )
    report = chunk_report("regions", "made", at={"time": 2}, lake=home)
    facts = {layout.array: layout for layout in report.layouts}
    assert (facts["sparse"].objects, facts["sparse"].stored) == (12, 8)
    assert (facts["sharded"].objects, facts["sharded"].stored, facts["sharded"].shard) == (12, 8, (1, 32, 32))
    costs = {(cost.array, cost.pattern): cost for cost in report.costs}
    nothing = costs["sparse", Pattern.DATE]
    assert (nothing.requests, nothing.stored, nothing.fetched_bytes, nothing.decoded_bytes) == (4, 0, 0, 0)
    series = costs["sharded", Pattern.PIXEL]
    assert (series.chunks, series.requests) == (3, 3)
    of_shard = facts["sharded"].stored_bytes / facts["sharded"].stored
    assert series.fetched_bytes == pytest.approx(2 * of_shard / 4, rel=0.1)


def test_many_chunks_are_sampled(home, monkeypatch):
    written(home, flat={"shape": (9, 96, 96), "chunks": (1, 8, 8)})
    exact = chunk_report("regions", "made", lake=home).layouts[0]
    monkeypatch.setattr(reporting, "MOST_LOOKED_AT", 150)
    sampled = chunk_report("regions", "made", lake=home).layouts[0]
    assert exact.objects == sampled.objects == 9 * 144
    assert sampled.estimated
    assert not exact.estimated
    assert exact.stored == 8 * 144
    assert sampled.stored == pytest.approx(exact.stored, rel=0.1)
    assert sampled.stored_bytes == pytest.approx(exact.stored_bytes, rel=0.1)


def test_virtual_chunks_are_the_files_tiles(home, tmp_path):
    paths = [write_raster(tmp_path / f"{day}.tif", pixels(seed=day), compress="deflate") for day in range(3)]
    build_virtual([scene(path, day) for day, path in enumerate(paths)], lake=home)
    report = chunk_report("virtual", "made-l2a", lake=home)
    (layout,) = report.layouts
    assert (layout.kind, layout.chunk, layout.objects, layout.stored) == ("virtual", (1, 64, 64), 27, 27)
    # Headers apart, a file is its tiles
    assert 0.9 < layout.stored_bytes / sum(path.stat().st_size for path in paths) < 1
    for path in paths:
        path.unlink()
    assert chunk_report("virtual", "made-l2a", lake=home) == report


def layout(**changed) -> ArrayLayout:
    facts = {
        "array": "red",
        "dims": DIMS,
        "shape": (365, 4096, 4096),
        "dtype": "uint16",
        "chunk": (1, 512, 512),
        "shard": None,
        "kind": "native",
        "objects": 365 * 64,
        "stored": 365 * 64,
        "stored_bytes": 365 * 64 * 300_000,
        "estimated": False,
        **changed,
    }
    return ArrayLayout(**facts)


def advised(**changed) -> list[Kind]:
    return [each.kind for each in reporting.advice(layout(**changed))]


def test_balanced_chunks_are_the_best_there_are():
    found = layout()
    chunk = balanced(found)
    series, date = questions(found, chunk)
    assert chunk[0] * chunk[1] * chunk[2] <= 512 * 512
    # Rew's rule: with N values of time and M of space in chunks of V, no shape needs fewer than sqrt(N M / V) of the dearer one
    assert max(series, date) >= np.sqrt(365 * 4096 * 4096 / (512 * 512))
    assert max(series, date) <= 2 * np.sqrt(365 * 4096 * 4096 / (512 * 512))
    powers = [1 << power for power in range(13)]
    cheapest = min(max(-(-365 // t), (-(-4096 // s)) ** 2) for t in powers for s in powers if min(t, 365) * s * s <= 512 * 512)
    assert max(series, date) == cheapest


def test_advice():
    assert advised(shape=(20, 2048, 2048), objects=320, stored=320, stored_bytes=320 * 300_000) == [Kind.FINE]
    assert advised(shape=(2000, 1024, 1024), objects=8000, stored=8000, stored_bytes=8000 * 300_000) == [Kind.RECHUNK]
    assert advised(shape=(2000, 1024, 1024), objects=8000, stored=8000, stored_bytes=8000 * 300_000, kind="virtual") == [
        Kind.MATERIALISE
    ]
    assert advised(chunk=(365, 2048, 2048), objects=4, stored=4) == [Kind.SPLIT]
    tiny = layout(shape=(64, 1024, 1024), chunk=(8, 64, 64), objects=2048, stored=2048, stored_bytes=2048 * 20_000)
    (sharding,) = [each for each in reporting.advice(tiny) if each.kind is Kind.SHARD]
    chunks = np.prod(np.divide(sharding.shard, tiny.chunk))
    assert 6e6 < chunks * 20_000 <= 12 * 2**20
    assert all(length % part == 0 for length, part in zip(sharding.shard, tiny.chunk, strict=True))


def test_wrong_questions(home):
    with pytest.raises(CubeNotFoundError, match="no regions cubes"):
        chunk_report("regions", "made", lake=home)
    written(home, flat={"shape": (3, 20, 20), "chunks": (1, 20, 20)})
    assert isinstance(chunk_report("regions", "made", arrays=["flat"], lake=home), ChunkReport)
    with pytest.raises(CubeError, match=r"no array 'red'.*flat"):
        chunk_report("regions", "made", arrays=["red"], lake=home)
    with pytest.raises(CubeError, match=r"no y 20\. It has 0 to 19"):
        chunk_report("regions", "made", at={"y": 20}, lake=home)
    with pytest.raises(CubeNotFoundError, match=r"No regions group is named 'other'.*made"):
        chunk_report("regions", "other", lake=home)
