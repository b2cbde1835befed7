"""Chips as samples: what is in them by rasterio, and what datasets of them add up to."""

from __future__ import annotations

import importlib.util
import itertools
import multiprocessing
import os
import pickle
import shutil
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import pytest
import rasterio
import shapely
from chip_world import BANDS, COLLECTION, COLUMNS, EPSG, ROWS, Item, World, by_rasterio, square
from hypothesis import given, settings
from hypothesis import strategies as st
from lakes_on_s3 import on_s3

from dataflows.cubes.chip.group import ChipGroup
from dataflows.cubes.chip.plan import ChipPlan
from dataflows.cubes.chips import build_chips
from dataflows.cubes.dataset import ChipDataset
from db import connect
from db.errors import CubeError, CubeNotFoundError, SnapshotNotFoundError
from db.settings import Settings

SIZE = 32
OTHER = "other-l2a"
SHIFTED = "shifted-l2a"
FLOATING = "floating-l2a"
OFFSETS = {"S0305": 0.0, "S0405": -0.1, "S0605": 0.0}
# SCL 2, 4, 5, 6, 7: neither cloud, shadow, snow nor defective
CLEAR_SCL = (2, 4, 5, 6, 7)


@dataclass(frozen=True)
class Chips:
    """A lake with chips of three collections, and the files that they are cut from."""

    lake: Settings
    world: World

    def open(self, collection: str | None = COLLECTION, **options) -> ChipDataset:
        return ChipDataset.open(collection, lake=self.lake, **options)

    def href(self, item_id: str, key: str) -> str:
        (item,) = [item for item in self.world.items if item.item_id == item_id]
        return next(asset.href for asset in item.assets if asset.key == key)


def planned(world: World, **more) -> ChipPlan:
    """The world's plan, with the cells of its installations."""
    plan = world.plan()
    cells = [h3.latlng_to_cell(shape.centroid.y, shape.centroid.x, 8) for shape in world.sites.values()]
    column = plan.installations.schema.get_field_index("h3_r8")
    return replace(plan, installations=plan.installations.set_column(column, "h3_r8", pa.array(cells, pa.uint64())), **more)


def floating_scene(world: World) -> Item:
    """A scene of floating-point numbers without a classification, with holes of -9999."""
    values = np.random.default_rng(0).normal(0.3, 0.1, (ROWS, COLUMNS)).astype(np.float32)
    values[::7, ::3] = -9999
    assets = [world.asset(f"floating/{band}.tif", band, values, 10, nodata=-9999.0) for band in BANDS]
    return Item("floating", datetime(2025, 4, 2, tzinfo=UTC), tuple(assets), collection=FLOATING)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Chips:
    folder = tmp_path_factory.mktemp("dataset")
    world = World(folder / "scenes", {f"site{n}": square(250 + 260 * n, 500 + 150 * n, 90) for n in range(9)})
    for month in (3, 4, 6):
        world.scene(month)
    # One scene of a later processing baseline
    april = world.items[1]
    world.items[1] = replace(april, assets=tuple(replace(asset, offset=OFFSETS[april.item_id]) for asset in april.assets))
    for collection, shift in ((OTHER, (0, 0)), (SHIFTED, (3, 4))):
        for month in (4, 5, 6):
            world.scene(month, day=9, item_id=f"{collection}{month}", collection=collection, shift=shift)
    world.items.append(floating_scene(world))
    lake = Settings(home=folder / "home", _env_file=None)
    with connect(lake=lake) as con:
        con.execute("CREATE TABLE lake.curated.pv_installations (installation_id VARCHAR, capacity_mw DOUBLE)")
        con.executemany("INSERT INTO lake.curated.pv_installations VALUES (?, ?)", [(f"site{n}", float(n)) for n in range(9)])
        (snapshot,) = con.execute("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()
        build_chips(planned(world, snapshot_id=snapshot), bands=BANDS, size=SIZE, lake=lake)
        # After the build, the lake changes its mind
        con.execute("UPDATE lake.curated.pv_installations SET capacity_mw = 0")
    return Chips(lake, world)


def test_a_sample_is_what_rasterio_reads(chips: Chips):
    dataset, numbers = chips.open(reflectance=True), chips.open(bands=["nir", "red"])
    assert dataset.bands == BANDS
    assert numbers.bands == ("nir", "red")
    assert len(dataset) == len(numbers) == 9 * 3
    unobserved = clouded = 0
    for sample, raw in zip(dataset, numbers, strict=True):
        item, transform = sample["item_id"], sample["transform"]
        scl = scl_at(chips.href(item, "scl"), transform)
        red, nir = (by_rasterio(chips.href(item, key), transform, SIZE) for key in ("red", "nir"))
        np.testing.assert_array_equal(raw["image"], np.stack([nir, red]))
        assert raw["image"].dtype == np.uint16
        observed = ~np.isnan(sample["image"][0])
        expected = red * 1e-4 + OFFSETS[item]
        np.testing.assert_allclose(sample["image"][0][observed], expected[observed], rtol=0, atol=1e-7)
        np.testing.assert_array_equal(sample["valid"], np.isin(scl, CLEAR_SCL) & observed)
        assert not observed[(red == 0) | (scl == 0)].any()
        assert sample["mask"].sum() == pytest.approx(81, rel=1e-3)
        assert (sample["installation_id"], sample["epsg"], sample["period"][:7]) in {
            (f"site{n}", EPSG, f"2025-{item[1:3]}") for n in range(9)
        }
        unobserved += (~observed).sum()
        clouded += (observed & ~sample["valid"]).sum()
    assert unobserved > 100
    assert clouded > 100


def scl_at(href: str, transform: np.ndarray) -> np.ndarray:
    """The 20 m classes that lie under the 10 m pixels of a chip."""
    with rasterio.open(href) as file:
        column, row = ~file.transform @ (transform[2] + 5, transform[5] - 5)
        columns = np.floor(column + np.arange(SIZE) / 2).astype(int)
        rows = np.floor(row + np.arange(SIZE) / 2).astype(int)
        return file.read(1)[np.ix_(rows, columns)]


def test_unobserved_pixels_have_the_asked_value(chips: Chips):
    holes, filled = chips.open(reflectance=True), chips.open(reflectance=True, fill=-1)
    for one, other in zip(holes, filled, strict=True):
        np.testing.assert_array_equal(np.isnan(one["image"]), other["image"] == -1)


def test_holes_in_floating_point_numbers_are_no_numbers(chips: Chips):
    for sample in chips.open(FLOATING):
        expected = by_rasterio(chips.href("floating", "red"), sample["transform"], SIZE, fill=-9999)
        np.testing.assert_array_equal(sample["image"][0], np.where(expected == -9999, np.nan, expected))
        np.testing.assert_array_equal(sample["valid"], expected != -9999)
    assert np.isnan(chips.open(FLOATING, series=True)[0]["image"]).any()


def test_a_series_has_the_months_and_misses_one(chips: Chips):
    series, single = chips.open(series=True, reflectance=True), chips.open(reflectance=True)
    assert len(series) == 9
    of_key = {sample["installation_id"] + sample["period"]: sample for sample in single}
    for sample in series:
        assert sample["period"] == ("2025-03-01", "2025-04-01", "2025-05-01", "2025-06-01")
        assert sample["item_id"] == ("S0305", "S0405", "", "S0605")
        assert sample["image"].shape == (4, 3, SIZE, SIZE)
        assert np.isnan(sample["image"][2]).all()
        assert not sample["valid"][2].any()
        for place in (0, 1, 3):
            expected = of_key[sample["installation_id"] + sample["period"][place]]
            np.testing.assert_array_equal(sample["image"][place], expected["image"])
            np.testing.assert_array_equal(sample["valid"][place], expected["valid"])
    assert chips.open(series=True, since="2025-05", until="2025-07")[0]["period"] == ("2025-06-01",)


def test_missing_months_are_samples_when_asked_for(chips: Chips):
    dataset = chips.open(missing=True)
    assert len(dataset) == 9 * 4
    for sample in dataset.subset(dataset.table["item_id"].to_numpy() == ""):
        assert sample["period"] == "2025-05-01"
        assert (sample["image"] == 0).all()
        assert not sample["valid"].any()


def test_samples_can_be_chosen(chips: Chips):
    everything = chips.open()

    def names(dataset: ChipDataset) -> list[str]:
        return sorted(set(dataset.table["installation_id"]))

    assert names(chips.open(since="2025-06-01")) == names(everything)
    assert len(chips.open(since="2025-04", until="2025-04")) == 9
    centres = {name: shape.centroid for name, shape in chips.world.sites.items()}
    near = shapely.union_all([centres["site2"].buffer(1e-3), centres["site5"].buffer(1e-3)])
    assert names(chips.open(polygon=near)) == ["site2", "site5"]
    assert names(chips.open(bbox=centres["site4"].buffer(1e-3).bounds)) == ["site4"]
    cell = h3.latlng_to_cell(centres["site7"].y, centres["site7"].x, 8)
    assert "site7" in names(chips.open(cells=[cell])) != names(everything)
    # The lake as it was when the chips were built
    assert names(chips.open(where="capacity_mw > 5 OR installation_id = 'site0' -- or")) == ["site0", "site6", "site7", "site8"]
    assert names(chips.open(where="capacity_mw > 5", bbox=centres["site4"].buffer(1e-3).bounds)) == []


@pytest.mark.parametrize("where", ["capacity > 5", "capacity_mw >", "true; DROP TABLE curated.pv_installations", "1) OR (1"])
def test_conditions_that_are_none_are_refused(chips: Chips, where):
    with pytest.raises(CubeError, match="cannot be evaluated"):
        chips.open(where=where)


def test_what_is_not_there_is_named(chips: Chips):
    with pytest.raises(CubeError, match="no band blue"):
        chips.open(bands=["red", "blue"])
    with pytest.raises(CubeNotFoundError, match="which collection"):
        chips.open(None)
    with pytest.raises(CubeNotFoundError, match="'landsat'"):
        chips.open("landsat")
    with pytest.raises(SnapshotNotFoundError):
        chips.open(as_of="no-such-tag")
    with pytest.raises(IndexError):
        chips.open()[27]


def keys(dataset: ChipDataset) -> set:
    """What a dataset's samples are known by, which are all different."""
    found = dataset.keys
    assert len(set(found)) == len(found) == len(dataset)
    return set(found)


@pytest.fixture(scope="module")
def two(chips: Chips) -> tuple[ChipDataset, ChipDataset]:
    """Datasets of two collections on one grid, of which two months are the same."""
    return chips.open(), chips.open(OTHER)


some = st.lists(st.booleans(), min_size=27, max_size=27).map(np.array)


@settings(max_examples=10)
@given(first=some, second=some, third=some)
def test_union_and_intersection_are_those_of_sets(two, first, second, third):
    everything, other = two
    a, b, c = everything.subset(first), everything.subset(second), other.subset(third)
    for one, another in ((a, b), (a, c), (a | b, c), (a & b, b), (c, a | c)):
        assert keys(one | another) == keys(one) | keys(another) == keys(another | one)
        assert keys(one & another) == keys(one) & keys(another) == keys(another & one)
        assert len(one | another) == len(one) + len(another) - len(one & another)
    assert (a | a).keys == (a & a).keys == a.keys
    assert (a | b).keys == (b | a).keys == [key for key in everything.keys if key in keys(a) | keys(b)]
    assert (a & b).bands == (a | c).bands == BANDS
    assert (a & c).bands == tuple(f"{collection}/{band}" for collection in (COLLECTION, OTHER) for band in BANDS)


def test_samples_of_a_union_are_those_of_its_parts(two):
    first, other = two
    both = first.subset(np.arange(27) % 2 == 0) | other
    own = dict(zip(both.keys, both, strict=True))
    of_first, of_other = dict(zip(first.keys, first, strict=True)), dict(zip(other.keys, other, strict=True))
    for number, key in enumerate(first.keys):
        of_other |= {key: of_first[key]} if number % 2 == 0 else {}
    assert set(own) == set(of_other)
    for key, sample in own.items():
        np.testing.assert_array_equal(sample["image"], of_other[key]["image"])
        np.testing.assert_array_equal(sample["transform"], of_other[key]["transform"])
        assert sample["item_id"] == of_other[key]["item_id"]


def test_samples_of_an_intersection_have_both_images(two):
    first, other = two
    both = first & other.subset(other.table["period"].dt.month.to_numpy() == 6)
    of_first, of_other = dict(zip(first.keys, first, strict=True)), dict(zip(other.keys, other, strict=True))
    assert len(both) == 9
    for key, sample in zip(both.keys, both, strict=True):
        one, another = of_first[key], of_other[key]
        np.testing.assert_array_equal(sample["image"], np.concatenate([one["image"], another["image"]]))
        np.testing.assert_array_equal(sample["valid"], one["valid"] & another["valid"])
        assert 0 < sample["valid"].sum() < one["valid"].sum()


def test_bands_of_one_collection_come_together(chips: Chips):
    together, at_once = chips.open(bands=["red"]) & chips.open(bands=["red", "nir"]), chips.open(bands=["red", "nir"])
    assert together.bands == at_once.bands
    np.testing.assert_array_equal(together[5]["image"], at_once[5]["image"])


def test_what_does_not_fit_together_is_refused(chips: Chips, two):
    first, _ = two
    with pytest.raises(CubeError, match="on different pixels"):
        first & chips.open(SHIFTED)
    with pytest.raises(CubeError, match="channels"):
        first | chips.open(bands=["red"])
    with pytest.raises(CubeError, match="reflectance"):
        first & chips.open(OTHER, reflectance=True)
    with pytest.raises(CubeError, match="Combine first"):
        first.normalised(first.band_statistics()) | first
    with pytest.raises(TypeError):
        first | {1, 2}


def test_statistics_are_those_of_the_usable_pixels_of_the_training_part(chips: Chips):
    parts = chips.open(reflectance=True).splits({"train": 0.6, "test": 0.4}, resolution=8, balanced=True, seed=2)
    assert keys(parts["train"]).isdisjoint(keys(parts["test"]))
    assert len(parts["train"]) + len(parts["test"]) == 27
    statistics = parts["train"].band_statistics()
    values = np.concatenate([sample["image"][:, sample["valid"]].astype(float) for sample in parts["train"]], axis=1)
    np.testing.assert_allclose(statistics.mean, values.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(statistics.stdev, values.std(axis=1), rtol=1e-10)
    assert statistics.n_pixels == (values.shape[1],) * 3
    plain, normalised = parts["test"], replace(parts["test"].normalised(statistics), fill=0.0)
    for one, other in zip(plain, normalised, strict=True):
        expected = (one["image"] - np.array(statistics.mean)[:, None, None]) / np.array(statistics.stdev)[:, None, None]
        np.testing.assert_allclose(other["image"], np.nan_to_num(expected, nan=0.0), rtol=1e-5, atol=1e-6)
    # Digital numbers, too: a hole is no number
    numbers = chips.open()
    statistics = numbers.band_statistics()
    assert min(statistics.min) >= 1
    holes = np.isnan(numbers.normalised(statistics)[0]["image"])
    np.testing.assert_array_equal(holes, np.isnan(chips.open(reflectance=True)[0]["image"]))


def test_a_batch_decodes_a_chunk_once(chips: Chips, monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    by_name = ChipGroup.__getitem__
    monkeypatch.setattr(ChipGroup, "__getitem__", lambda group, name: (read.append(name), by_name(group, name))[1])
    dataset = chips.open(cache_bytes=1)
    read.clear()
    order = np.random.default_rng(0).permutation(27).tolist()
    batch = dataset.__getitems__(order)
    assert read.count("pixels") == len(set(dataset.chunks)) == 3
    for number, sample in zip(order, batch, strict=True):
        np.testing.assert_array_equal(sample["image"], dataset[number]["image"])
    series = chips.open(series=True, cache_bytes=1)
    read.clear()
    assert len(series.__getitems__(range(9))) == 9
    assert read.count("pixels") == 4
    # In the order of the dataset, too
    read.clear()
    assert sum(len(dataset.__getitems__(batch)) for batch in dataset.batches(9, shuffle=False)) == 27
    assert read.count("pixels") == 3
    cached = chips.open()
    read.clear()
    assert len([sample for batch in cached.batches(4, seed=1) for sample in cached.__getitems__(batch)]) == 27
    assert read.count("pixels") == 3


def test_who_changes_a_sample_changes_no_other(chips: Chips):
    dataset = chips.open()
    before = {name: value.copy() for name, value in dataset[3].items() if isinstance(value, np.ndarray)}
    for value in dataset[3].values():
        if isinstance(value, np.ndarray):
            value[...] = 1
    for name, value in before.items():
        np.testing.assert_array_equal(dataset[3][name], value)


def test_workers_open_their_own_store(chips: Chips):
    dataset = chips.open(reflectance=True)
    expected = [sample["image"] for sample in dataset]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for found, own in zip(pool.map(dataset.__getitem__, range(0, 27, 5), 6), expected[::5], strict=True):
            np.testing.assert_array_equal(found["image"], own)


@pytest.mark.xdist_group("services")
def test_workers_read_from_s3_with_the_settings_they_are_given(dev: Settings, tmp_path: Path):
    world = World(tmp_path / "scenes", {"one": square(800, 900)})
    world.scene(3)
    lake = on_s3(dev, "dataset")
    build_chips(planned(world), bands=BANDS, size=SIZE, lake=lake)
    dataset = ChipDataset.open(lake=lake)
    assert str(lake.s3_secret_access_key.get_secret_value()) not in f"{dataset!r} {dataset.source!r}"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(dataset.__getitem__, (0,))
    np.testing.assert_array_equal(found["image"], dataset[0]["image"])
    expected = by_rasterio(world.items[0].assets[0].href, found["transform"], SIZE)
    np.testing.assert_array_equal(found["image"][0], expected)


def test_a_forked_process_says_what_to_do_instead_of_waiting_for_ever(chips: Chips):
    dataset = chips.open()
    assert dataset[0] is not None
    reader, writer = os.pipe()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        child = os.fork()
    if child == 0:
        try:
            dataset[0]
        except CubeError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert "forked" in pipe.read()
    assert os.waitpid(child, 0)[1] == 0


def test_a_dataset_stays_at_its_version(chips: Chips, tmp_path: Path):
    shutil.copytree(chips.lake.home, tmp_path / "home")
    lake = chips.lake.model_copy(update={"home": tmp_path / "home"})
    before = ChipDataset.open(COLLECTION, lake=lake)
    april = before.keys.index(("site4", EPSG, 0, "2025-04-01"))
    sample = before[april]
    world = World(tmp_path / "scenes", chips.world.sites)
    world.scene(7)
    world.scene(4, day=4, item_id="better", rank=0)
    build_chips(planned(world), bands=BANDS, size=SIZE, lake=lake)
    after = ChipDataset.open(COLLECTION, lake=lake)
    assert len(after) == 9 * 4
    assert after[after.keys.index(before.keys[april])]["item_id"] == "better"
    again = ChipDataset.open(COLLECTION, lake=lake, as_of=before.source.snapshot_id)
    for same in (before, pickle.loads(pickle.dumps(before)), again):
        assert same.keys == before.keys
        np.testing.assert_array_equal(same[april]["image"], sample["image"])


def test_parts_that_are_apart_share_no_pixel(chips: Chips):
    dataset, shares = chips.open(), {"train": 0.5, "val": 0.2, "test": 0.3}

    def shared(parts: dict[str, ChipDataset]) -> list[tuple[str, str]]:
        boxes = {
            name: shapely.union_all([shapely.box(c, f - 10 * SIZE, c + 10 * SIZE, f) for _, _, c, _, _, f in transforms])
            for name, transforms in ((name, [sample["transform"] for sample in part]) for name, part in parts.items())
        }
        return [(a, b) for a, b in itertools.combinations(boxes, 2) if boxes[a].intersection(boxes[b]).area > 0]

    options = {"resolution": 8, "seed": 1, "balanced": True}
    touching, apart = dataset.splits(shares, **options), dataset.splits(shares, **options, apart=True)
    assert sum(map(len, touching.values())) == 27
    assert shared(touching) != shared(apart) == []
    assert keys(apart["train"]) < keys(touching["train"])
    assert keys(apart["test"]) == keys(touching["test"]) != set()


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_without_torch_there_are_no_tensors(chips: Chips):
    with pytest.raises(CubeError, match="torch is not installed"):
        chips.open(tensors=True)


def test_torch_loads_batches_with_workers(chips: Chips):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    dataset = chips.open(reflectance=True, fill=0.0)
    loader = torch.utils.data.DataLoader(
        dataset, batch_sampler=dataset.batches(5, seed=1), num_workers=2, multiprocessing_context="spawn"
    )
    drawn = [number for batch in dataset.batches(5, seed=1) for number in batch]
    images = torch.cat([batch["image"] for batch in loader]).numpy()
    np.testing.assert_array_equal(images, np.stack([dataset[number]["image"] for number in drawn]))
    tensors = chips.open(reflectance=True, fill=0.0, tensors=True)[3]
    assert all(isinstance(tensors[name], torch.Tensor) for name in ("image", "valid", "mask", "own_mask", "transform"))
    np.testing.assert_array_equal(tensors["image"].numpy(), dataset[3]["image"])
