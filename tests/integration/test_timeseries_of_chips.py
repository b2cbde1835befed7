"""Time series and statistics of chips against exactextract and SciPy on the scenes themselves, and their tables in the lake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import scipy.stats
import shapely
from chip_world import BANDS, COLLECTION, COLUMNS, EPSG, NORTH, ROWS, WEST, Item, World, metres, opened, square, warped
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource

from dataflows.cubes import landed_series
from dataflows.cubes.analysis.chip_statistics import chip_statistics
from dataflows.cubes.analysis.climatology import climatology, trends
from dataflows.cubes.chips import build_chips
from dataflows.cubes.landed_series import TABLES, land_series
from dataflows.cubes.pixels.outlines import projected
from dataflows.cubes.repository import store
from dataflows.cubes.timeseries import timeseries
from db import connect
from db.errors import CubeError, CubeNotFoundError
from db.settings import Settings

SIZE = 48
PATH = f"{COLLECTION}/epsg-{EPSG}"
USABLE = (2, 4, 5, 6, 7)


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path / "scenes")
    found.sites = {
        "small": square(605, 795, 83),
        "overlapping": square(650, 840, 90),
        "plant": metres(shapely.box(1003, 403, 2307, 1101)),
        "hole": metres(shapely.box(600, 1500, 900, 1800).difference(shapely.Point(750, 1650).buffer(70))),
    }
    return found


def scene_values(item: Item) -> dict[str, np.ndarray]:
    """Reflectances and indices of a whole scene on the 10 m grid, NaN where not clear: straight from the files."""
    grid = [10, 0, WEST, 0, -10, NORTH]
    numbers = {}
    for asset in item.assets:
        if asset.key == "scl":
            with rasterio.open(asset.href) as file:
                clear = np.isin(file.read(1).repeat(2, axis=0).repeat(2, axis=1), USABLE)
        else:
            size = max(ROWS, COLUMNS)
            numbers[asset.key] = warped(asset.href, np.array(grid), size)[:ROWS, :COLUMNS]
    clear &= np.all([values != 0 for values in numbers.values()], axis=0)
    red, nir, swir = (
        np.where(clear, numbers[asset.key] * asset.scale + asset.offset, np.nan) for asset in item.assets if asset.scale
    )
    return {
        "red": red,
        "nir": nir,
        "swir16": swir,
        "ndvi": (nir - red) / (nir + red),
        "savi": 1.5 * (nir - red) / (nir + red + 0.5),
        "ndbi": (swir - nir) / (swir + nir),
    }


def test_time_series_equal_exactextract_on_the_whole_scene(world: World, home: Settings):
    items = [world.scene(3), world.scene(4), world.scene(6)]
    # From one processing baseline to the next numbers are 1,000 higher
    assets = [replace(asset, offset=-0.1) if asset.scale else asset for asset in items[2].assets]
    items[2] = world.items[2] = replace(items[2], assets=tuple(assets))
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    rows = timeseries(store.open_readonly("chips", lake=home), PATH).to_pylist()
    found = {(row["installation_id"], row["item_id"], row["variable"]): row for row in rows}
    assert len(found) == len(rows) == 4 * 3 * 6
    assert (opened(home).installation_id.values == "plant").sum() > 3
    worst = 0.0
    for name, geometry in world.sites.items():
        (outline,) = projected(np.array([geometry], object), EPSG)
        feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(outline)}
        for item in items:
            for variable, values in scene_values(item).items():
                raster = NumPyRasterSource(values, WEST, NORTH - 10 * ROWS, WEST + 10 * COLUMNS, NORTH, nodata=np.nan)
                ((expected,),) = [exact_extract(raster, feature, ["mean", "median", "stdev", "min", "max", "count"])]
                expected, row = expected["properties"], found[name, item.item_id, variable]
                for statistic in ("mean", "median", "stdev", "min", "max"):
                    scale = max(1.0, abs(expected[statistic]))
                    worst = max(worst, abs(row[statistic] - expected[statistic]) / scale)
                assert row["covered_m2"] == pytest.approx(expected["count"] * 100, rel=1e-6)
                assert row["clear_share"] == pytest.approx(expected["count"] * 100 / outline.area, rel=1e-5)
                assert row["datetime"] == item.taken_at
    assert worst < 1e-6


def test_a_cloudy_scene_has_a_row_without_numbers(world: World, home: Settings):
    item = world.scene(3)
    world.asset(f"{item.item_id}/scl.tif", "scl", np.full((ROWS // 2, COLUMNS // 2), 9, np.uint8), 20)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    rows = timeseries(store.open_readonly("chips", lake=home), PATH, indices=["ndvi"]).to_pylist()
    assert len(rows) == 4 * 4
    empty = ("mean", "median", "stdev", "covered_m2", "clear_share")
    assert {tuple(row[name] for name in empty) for row in rows} == {(None, None, None, 0, 0)}


def test_missing_periods_have_no_row(world: World, home: Settings):
    world.scene(3)
    world.scene(5)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    periods = timeseries(store.open_readonly("chips", lake=home), PATH)["period"].to_pylist()
    assert {str(period) for period in periods} == {"2025-03-01", "2025-05-01"}


def test_unknown_groups_and_indices_are_named(world: World, home: Settings):
    world.scene(3)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    session = store.open_readonly("chips", lake=home)
    with pytest.raises(CubeNotFoundError, match=PATH):
        timeseries(session, "other/epsg-1")
    with pytest.raises(CubeError, match="blue"):
        timeseries(session, PATH, indices=["evi"])


def test_chip_statistics_equal_scipy_on_the_clear_pixels(world: World, home: Settings):
    world.scene(3)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    rows = chip_statistics(store.open_readonly("chips", lake=home), PATH).to_pylist()
    cube = opened(home)
    assert len(rows) == cube.sizes["chip"] * 3
    for index, row in enumerate(rows):
        chip, band = divmod(index, 3)
        numbers = cube.pixels.values[chip, 0, band][cube.quality.values[chip, 0] == 2].astype(float)
        assert (row["installation_id"], row["band"]) == (cube.installation_id.values[chip], BANDS[band])
        assert row["n_pixels"] == len(numbers)
        assert row["mean"] == pytest.approx(numbers.mean())
        assert row["variance"] == pytest.approx(numbers.var())
        assert row["skewness"] == pytest.approx(scipy.stats.skew(numbers))
        expected = scipy.stats.entropy(np.unique(numbers, return_counts=True)[1], base=2)
        assert row["entropy_bits"] == pytest.approx(expected)


def test_series_are_landed_in_one_commit_once_a_version(world: World, home: Settings):
    world.scene(3)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    with connect(lake=home) as lake:
        first = land_series(lake, store.open_readonly("chips", lake=home))
        assert first.rows == {"cube_timeseries": 4 * 6, "cube_chip_statistics": opened(home).sizes["chip"] * 3}
        snapshots = lake.execute("SELECT count(*) FROM lake.snapshots()").fetchone()
        assert land_series(lake, store.open_readonly("chips", lake=home)).rows == {}
        assert lake.execute("SELECT count(*) FROM lake.snapshots()").fetchone() == snapshots
        world.scene(4)
        build = build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
        second = land_series(lake, store.open_readonly("chips", lake=home))
        assert second.rows["cube_timeseries"] == 4 * 6 * 2
        held = lake.execute("SELECT DISTINCT icechunk_snapshot FROM lake.landing.cube_timeseries").fetchall()
        assert held == [(build.snapshot_id,)]
        (commits,) = lake.execute(
            "SELECT count(*) FROM lake.snapshots() WHERE commit_extra_info ->> 'icechunk_snapshot' = ?", [build.snapshot_id]
        ).fetchone()
        assert commits == 1


def _out_of_memory(*_: object) -> None:
    raise MemoryError


def test_hazard_tables_of_an_older_version_are_computed_again(world: World, home: Settings, monkeypatch: pytest.MonkeyPatch):
    world.scene(3)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    session = store.open_readonly("chips", lake=home)
    with connect(lake=home) as lake:
        land_series(lake, session)
        whole = lake.execute("SELECT * FROM lake.landing.cube_timeseries ORDER BY ALL").fetchall()
        lake.execute("ALTER TABLE lake.landing.cube_timeseries DROP COLUMN median")
        with monkeypatch.context() as broken:
            broken.setattr(landed_series, "all_chip_statistics", _out_of_memory)
            with pytest.raises(MemoryError):
                land_series(lake, session)
        # Until others take their place, the old rows stay
        assert lake.table("lake.landing.cube_timeseries").count("*").fetchone() == (4 * 6,)
        assert land_series(lake, session).rows["cube_timeseries"] == 4 * 6
        assert lake.execute("SELECT * FROM lake.landing.cube_timeseries ORDER BY ALL").fetchall() == whole


@pytest.fixture(scope="module")
def long_series(tmp_path_factory: pytest.TempPathFactory):
    """Twelve years of made-up NDVI: season, trend and noise."""
    rng = np.random.default_rng(5)
    days = np.sort(rng.choice(np.arange(0, 4380), 200, replace=False))
    times = np.datetime64("2013-01-01T10:00:00", "us") + days.astype("timedelta64[D]")
    values = 0.4 + 0.2 * np.sin(days / 365.25 * 2 * np.pi) + 0.013 * days / 365.25 + rng.normal(0, 0.02, len(days))
    clear = rng.random(len(days))
    columns = {"installation_id": "a", "collection": "made", "variable": "ndvi", "mean": values, "clear_share": clear}
    months = times.astype("datetime64[M]").astype("datetime64[D]")
    rows = pd.DataFrame({**columns, "period": months, "datetime": times}).assign(item_id=[str(day) for day in days])
    with connect(lake=Settings(home=tmp_path_factory.mktemp("long") / "home", _env_file=None)) as lake:
        lake.register("empty", TABLES["cube_timeseries"].empty_table())
        lake.execute("CREATE TABLE lake.landing.cube_timeseries AS FROM empty")
        lake.register("made", rows)
        lake.execute("INSERT INTO lake.landing.cube_timeseries BY NAME SELECT * FROM made")
        yield lake, times[clear >= 0.5], values[clear >= 0.5]


def test_climatology_equals_numpy(long_series):
    lake, times, values = long_series
    months = times.astype("datetime64[M]").astype(int)
    rows = climatology(lake).fetchall()
    assert [row[3] for row in rows] == list(range(1, 13))
    for *_, month, years, mean, stdev, least, greatest in rows:
        monthly = [values[months == m].mean() for m in np.unique(months) if m % 12 == month - 1]
        assert years == len(monthly)
        expected = (np.mean(monthly), np.std(monthly, ddof=1) if len(monthly) > 1 else None, min(monthly), max(monthly))
        assert (mean, stdev, least, greatest) == pytest.approx(expected)


@pytest.mark.parametrize("deseasonalised", [True, False])
def test_trend_equals_scipy(long_series, deseasonalised: bool):
    lake, times, values = long_series
    ((_, _, _, n, _, _, slope, intercept, error, r2),) = trends(lake, deseasonalised=deseasonalised).fetchall()
    years = (times - times[0]) / np.timedelta64(1, "us") / 86400e6 / 365.25
    calendar = times.astype("datetime64[M]").astype(int) % 12
    season = np.array([values[calendar == month].mean() for month in calendar]) if deseasonalised else 0
    expected = scipy.stats.linregress(years, values - season)
    assert n == len(values)
    found = (slope, intercept, error, r2)
    assert found == pytest.approx((expected.slope, expected.intercept, expected.stderr, expected.rvalue**2), rel=1e-6)
    assert slope == pytest.approx(0.013, abs=0.004)


def test_few_points_have_no_trend(long_series):
    lake, *_ = long_series
    assert trends(lake, min_points=1000).fetchall() == []
