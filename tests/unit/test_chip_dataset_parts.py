"""Order, choice of rows and statistics of datasets of chips, without a store."""

from __future__ import annotations

import geopandas as gpd
import h3.api.basic_int as h3
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.cubes.samples.batches import ChunkBatches
from dataflows.cubes.samples.index import as_series, in_bbox, in_cells, in_months, in_polygon
from dataflows.cubes.samples.normalisation import BandStatistics
from dataflows.cubes.samples.source import RawSample
from db.errors import CubeError

chunk_numbers = st.lists(st.integers(0, 12), max_size=120).map(lambda numbers: np.array(numbers, np.int64))


@settings(max_examples=80)
@given(chunk_numbers, st.integers(1, 9), st.integers(1, 5), st.integers(0, 99), st.booleans(), st.booleans())
def test_batches_have_every_sample_once(chunks, size, mix, seed, shuffle, drop_last):
    batches = ChunkBatches(chunks, size, seed=seed, mix=mix, shuffle=shuffle, drop_last=drop_last)
    drawn = list(batches)
    assert len(drawn) == len(batches)
    assert all(len(batch) == size for batch in drawn[:-1])
    flat = [number for batch in drawn for number in batch]
    assert len(set(flat)) == len(flat)
    assert len(flat) == (len(chunks) // size * size if drop_last else len(chunks))
    assert shuffle or flat == list(range(len(flat)))
    assert list(batches) == drawn


@settings(max_examples=50)
@given(chunk_numbers, st.integers(1, 9), st.integers(0, 99))
def test_a_chunk_is_in_one_run_of_pools(chunks, size, seed):
    batches = ChunkBatches(chunks, size, seed=seed, mix=2)
    pools = np.empty(len(chunks), np.int64)
    flat = [number for batch in batches for number in batch]
    pools[flat] = np.arange(len(flat)) // (size * 2)
    for chunk in np.unique(chunks):
        of_chunk = np.unique(pools[chunks == chunk])
        # Samples of a chunk are drawn from pools that follow one another: it need not be decoded again
        np.testing.assert_array_equal(of_chunk, np.arange(of_chunk[0], of_chunk[-1] + 1))


def test_epochs_have_orders_of_their_own():
    batches = ChunkBatches(np.arange(100) // 8, 10, seed=3)
    first = list(batches)
    batches.set_epoch(1)
    assert list(batches) != first
    batches.set_epoch(0)
    assert list(batches) == first
    # Batches are not of single chunks
    assert any(len({number // 8 for number in batch}) > 2 for batch in first)
    with pytest.raises(CubeError, match="1 or more"):
        ChunkBatches(np.arange(3), 0)


def index_of(longitude, latitude, **columns) -> pd.DataFrame:
    cells = [h3.latlng_to_cell(y, x, 8) for x, y in zip(longitude, latitude, strict=True)]
    return pd.DataFrame({"longitude": longitude, "latitude": latitude, "h3_r8": np.array(cells, np.uint64), **columns})


@pytest.fixture(scope="module")
def scattered() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return index_of(rng.uniform(10, 13, 800), rng.uniform(47, 49, 800))


def test_boxes_and_polygons_hold_the_points_that_geopandas_finds(scattered):
    points = gpd.GeoSeries.from_xy(scattered["longitude"], scattered["latitude"])
    box = (10.5, 47.2, 12.25, 48.7)
    np.testing.assert_array_equal(in_bbox(scattered, box), points.intersects(shapely.box(*box)).to_numpy())
    polygon = shapely.Point(11.5, 48).buffer(0.8).difference(shapely.Point(11.5, 48).buffer(0.3))
    found = in_polygon(scattered, polygon)
    np.testing.assert_array_equal(found, points.intersects(polygon).to_numpy())
    assert 0 < found.sum() < len(found)


def test_a_box_may_cross_the_antimeridian():
    index = index_of([179.5, -179.5, 0.0, 170.0], [10.0, 10.0, 10.0, 10.0])
    assert in_bbox(index, (179, 0, -179, 20)).tolist() == [True, True, False, False]
    for box in ((190, 0, 200, 1), (0, 5, 1, 4), (0, -91, 1, 4)):
        with pytest.raises(CubeError, match="EPSG:4326"):
            in_bbox(index, box)


def test_cells_of_several_resolutions(scattered):
    coarse, fine = h3.latlng_to_cell(48, 11, 4), int(scattered["h3_r8"][0])
    expected = [
        h3.latlng_to_cell(y, x, 4) == coarse or h3.latlng_to_cell(y, x, 8) == fine
        for x, y in zip(scattered["longitude"], scattered["latitude"], strict=True)
    ]
    # A point's cell of resolution 4 is not always the parent of its cell of resolution 8: cells do not nest exactly
    found = in_cells(scattered, [h3.int_to_str(coarse), fine])
    assert (found == np.array(expected)).mean() > 0.97
    assert found[0]
    assert found.sum() > 10
    assert not in_cells(scattered, []).any()
    for bad in ("not a cell", 17, h3.latlng_to_cell(48, 11, 9)):
        with pytest.raises(CubeError, match="no H3 cell"):
            in_cells(scattered, [bad])


def test_months_are_chosen_with_both_ends():
    index = pd.DataFrame({"period": np.array(["2025-02-01", "2025-04-01", "2025-06-01"], "datetime64[s]")})
    assert in_months(index, "2025-04", None).tolist() == [False, True, True]
    assert in_months(index, None, "2025-04-30").tolist() == [True, True, False]
    assert in_months(index, "2025-03", "2025-05").tolist() == [False, True, False]


def test_a_series_has_all_months_between():
    index = pd.DataFrame(
        {
            "path": ["a", "a", "b"],
            "chip": [3, 3, 3],
            "period": np.array(["2025-02-01", "2025-05-01", "2025-03-01"], "datetime64[s]"),
            "item_id": ["x", "y", "z"],
        }
    )
    table, months = as_series(index)
    assert months == ("2025-02-01", "2025-03-01", "2025-04-01", "2025-05-01")
    assert table["item_id"].tolist() == [("x", "", "", "y"), ("", "z", "", "")]
    assert table["period"].dt.strftime("%Y-%m").tolist() == ["2025-02", "2025-02"]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 4), min_size=1, max_size=6), st.booleans())
def test_statistics_are_those_of_all_usable_pixels_at_once(seed, batches, series):
    rng = np.random.default_rng(seed)
    shape = (2, 3, 6, 6) if series else (3, 6, 6)

    def sample() -> RawSample:
        image = rng.normal(0.3, 0.1, shape).astype(np.float32)
        usable = rng.random((*shape[:-3], 6, 6)) < 0.6
        image[np.broadcast_to(~usable[..., None, :, :], shape) & (rng.random(shape) < 0.5)] = np.nan
        return RawSample(image, usable, *[np.zeros((6, 6), np.float32)] * 2)

    samples = [[sample() for _ in range(n)] for n in batches]
    found = BandStatistics.over(samples, ("red", "green", "blue"), reflectance=True)
    for band in range(3):
        values = np.concatenate([s.image[..., band, :, :][s.usable] for batch in samples for s in batch]).astype(np.float64)
        assert found.n_pixels[band] == len(values)
        for name, expected in (("mean", values.mean()), ("stdev", values.std()), ("min", values.min()), ("max", values.max())):
            assert getattr(found, name)[band] == pytest.approx(expected, abs=1e-9)
    assert BandStatistics.of_json(found.as_json()) == found
    normalised = np.concatenate([found.applied(s.image)[..., 1, :, :][s.usable] for batch in samples for s in batch])
    assert normalised.mean(dtype=np.float64) == pytest.approx(0, abs=1e-5)
    assert normalised.std(dtype=np.float64) == pytest.approx(1, abs=1e-5)


def test_statistics_of_something_else_are_refused():
    flat = RawSample(np.full((1, 2, 2), 7, np.float32), np.ones((2, 2), bool), *[np.zeros((2, 2), np.float32)] * 2)
    statistics = BandStatistics.over([[flat]], ("red",), reflectance=False)
    with pytest.raises(CubeError, match="digital numbers"):
        statistics.refuse_other(("red",), reflectance=True)
    with pytest.raises(CubeError, match="nir"):
        statistics.refuse_other(("nir",), reflectance=False)
    with pytest.raises(CubeError, match="spread"):
        statistics.refuse_other(("red",), reflectance=False)
    nothing = BandStatistics.over([], ("red",), reflectance=False)
    assert nothing.n_pixels == (0,)
    with pytest.raises(CubeError, match="spread"):
        nothing.refuse_other(("red",), reflectance=False)
