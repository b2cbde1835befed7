"""Moran's I and Gi* against their textbook formulas on dense matrices, whose neighbours are those of the h3 package."""

from __future__ import annotations

from itertools import pairwise

import esda
import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from dataflows.prepared.statistics import cell_statistics
from dataflows.prepared.statistics.studied_cells import touching
from dataflows.prepared.statistics.tables import area_statistics, hotspots

CENTRE = h3.latlng_to_cell(51.0, 10.0, 5)
PENTAGON = next(cell for cell in h3.get_pentagons(5))
ISLET = h3.latlng_to_cell(60.0, -30.0, 5)

NO_SITES = pa.table({"area": pa.array([], pa.string())})
NO_AREAS = pa.table({"area": pa.array([], pa.string())})


WINDOWS = 10_000


@pytest.fixture(autouse=True)
def _fewer_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """P-values down to 2e-4 do for a few hundred cells."""
    monkeypatch.setattr(cell_statistics, "RANDOM_WINDOWS", WINDOWS)
    monkeypatch.setattr(cell_statistics, "SHUFFLED_AT_ONCE", 10 * WINDOWS)


def study(cells: list[int], counts: list[int], area: str = "DEU", **settings) -> pa.Table:
    n = len(cells)
    return pa.table(
        {
            "area": [area] * n,
            "resolution": pa.array([h3.get_resolution(cell) for cell in cells], pa.uint8()),
            "cell": pa.array(cells, pa.uint64()),
            "n_installations": pa.array(counts, pa.int64()),
            "capacity_mw": pa.array([0.5 * count**2 for count in counts], pa.float64()),
            # The same everywhere, so that a measure is the number itself
            "cell_area_km2": [1.0] * n,
            "permutations": pa.array([settings.get("permutations", 99)] * n, pa.int32()),
            "seed": pa.array([settings.get("seed", 1)] * n, pa.int32()),
            "false_discovery_rate": [settings.get("rate", 0.05)] * n,
        }
    )


def weights(cells: list[int]) -> np.ndarray:
    return np.array([[float(a != b and h3.are_neighbor_cells(a, b)) for b in cells] for a in cells])


def gi_star(values: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Ord and Getis 1995, equation 14."""
    w = w + np.eye(len(w))  # the cell is its own neighbour
    n, mean = len(values), values.mean()
    s = np.sqrt((values**2).sum() / n - mean**2)
    sums = w.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (w @ values - mean * sums) / (s * np.sqrt((n * (w**2).sum(axis=1) - sums**2) / (n - 1)))


def moran_i(values: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """I and its z-score under randomisation (Cliff and Ord 1981, p. 21), by double sums."""
    w = w / w.sum(axis=1, keepdims=True)
    n, z, s0 = len(values), values - values.mean(), w.sum()
    found = n / s0 * sum(w[i, j] * z[i] * z[j] for i in range(n) for j in range(n)) / (z**2).sum()
    s1 = ((w + w.T) ** 2).sum() / 2
    s2 = ((w.sum(axis=0) + w.sum(axis=1)) ** 2).sum()
    k = ((z**4).sum() / n) / ((z**2).sum() / n) ** 2
    expected = -1 / (n - 1)
    square = (n * ((n**2 - 3 * n + 3) * s1 - n * s2 + 3 * s0**2) - k * ((n**2 - n) * s1 - 2 * n * s2 + 6 * s0**2)) / (
        (n - 1) * (n - 2) * (n - 3) * s0**2
    )
    return found, (found - expected) / np.sqrt(square - expected**2)


def of_counts(table: pa.Table) -> dict[str, np.ndarray]:
    rows = table.filter(pa.compute.equal(table["measure"], "n_installations_per_km2")).sort_by("cell")
    return {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names}


@pytest.mark.parametrize(
    "centre", [CENTRE, PENTAGON, h3.latlng_to_cell(0.0, 180.0, 5)], ids=["land", "pentagon", "antimeridian"]
)
def test_touching_cells_are_those_of_h3(centre: int) -> None:
    cells = sorted(set(h3.grid_disk(centre, 3)) | {ISLET})
    expected = {(i, j) for i, a in enumerate(cells) for j, b in enumerate(cells) if b in h3.grid_ring(a, 1)}
    found = list(zip(*(positions.tolist() for positions in touching(np.array(cells, np.uint64))), strict=True))
    assert set(found) == expected
    assert all(one < other for one, other in pairwise(found))


@settings(max_examples=30)
@given(st.data())
def test_both_statistics_are_the_textbook_formulas(data: st.DataObject) -> None:
    disk = sorted(h3.grid_disk(data.draw(st.sampled_from([CENTRE, PENTAGON])), 2))
    cells = sorted(data.draw(st.sets(st.sampled_from(disk), min_size=6)) | set(disk[:4]))
    counts = data.draw(st.lists(st.integers(0, 9), min_size=len(cells), max_size=len(cells)))
    w = weights(cells)
    connected = w.any(axis=1)
    values = np.array(counts, float)[connected]
    order = data.draw(st.permutations(range(len(cells))))
    table = study([cells[i] for i in order], [counts[i] for i in order])
    w = w[np.ix_(connected, connected)]
    if len(values) < 4 or np.ptp(values) == 0:
        found = of_counts(hotspots(table))
        assert not np.isfinite(found["gi_star_z"].astype(float)).any()
        return
    spots = of_counts(hotspots(table))
    z = spots["gi_star_z"].astype(float)
    expected = gi_star(values, w)
    assert spots["cell"].tolist() == cells
    assert spots["n_neighbours"].tolist() == weights(cells).sum(axis=1).tolist()
    # Where all cells are neighbours of one, that one has no variance
    defined = np.isfinite(expected)
    np.testing.assert_allclose(z[connected][defined], expected[defined], rtol=1e-9, atol=1e-9)
    assert np.isnan(z[~connected]).all()
    moran = area_statistics(table, NO_SITES, NO_AREAS).to_pylist()[0]
    i, z_score = moran_i(values, w)
    assert moran["n"] == len(values)
    assert moran["value"] == pytest.approx(i, rel=1e-9, abs=1e-12)
    assert moran["z_score"] == pytest.approx(z_score, rel=1e-6, abs=1e-9)
    assert moran["expected"] == pytest.approx(-1 / (len(values) - 1))


def test_hot_and_cold_spots_keep_the_false_discovery_rate() -> None:
    cells = sorted(h3.grid_disk(CENTRE, 12))
    elsewhere = h3.grid_ring(CENTRE, 9)[0]
    near, far = set(h3.grid_disk(CENTRE, 2)), set(h3.grid_disk(elsewhere, 2))
    random = np.random.default_rng(7)
    counts = [int(random.poisson(24 if cell in near else 0 if cell in far else 12)) for cell in cells]
    found = of_counts(hotspots(study(cells, counts)))
    hot, cold = (set(found["cell"][found["class"] == kind].tolist()) for kind in ("hot", "cold"))
    assert set(h3.grid_disk(CENTRE, 1)) <= hot
    assert set(h3.grid_disk(elsewhere, 1)) <= cold
    # Spots fray, by a cell or two; besides, few are false
    false = hot - set(h3.grid_disk(CENTRE, 4)) | cold - set(h3.grid_disk(elsewhere, 4))
    assert len(false) <= 0.05 * len(hot | cold)
    p = found["p_value"].astype(float)
    # Of so much PV, sums of seven cells are nearly normally distributed
    z = np.abs(found["gi_star_z"].astype(float))
    np.testing.assert_allclose(p[z < 2], 2 * stats.norm.sf(z[z < 2]), atol=0.06)
    # esda's own threshold decides alike
    assert set(found["cell"][p <= esda.fdr(p, 0.05)].tolist()) == hot | cold


def test_what_is_random_has_no_hot_spots() -> None:
    cells = sorted(h3.grid_disk(CENTRE, 12))
    counts = np.random.default_rng(3).poisson(12, len(cells)).tolist()
    table = study(cells, counts)
    found = of_counts(hotspots(table))
    assert (found["class"] == "none").mean() > 0.99
    moran = area_statistics(table, NO_SITES, NO_AREAS).to_pylist()[0]
    assert moran["simulated_low"] < moran["value"] < moran["simulated_high"]
    assert moran["p_simulated"] > 0.05


def test_p_values_are_those_of_drawing_without_replacement() -> None:
    cells = sorted(h3.grid_disk(CENTRE, 4))
    counts = (np.random.default_rng(5).random(len(cells)) < 0.25).astype(int)
    counts[np.isin(cells, h3.grid_disk(CENTRE, 1))] = 1
    found = of_counts(hotspots(study(cells, counts.tolist())))
    size = found["n_neighbours"] + 1
    sums = counts + weights(cells) @ counts
    chance = stats.hypergeom(len(cells), counts.sum(), size)
    expected = np.minimum(1, 2 * np.minimum(chance.sf(sums - 1), chance.cdf(sums)))
    error = 2 * 5 * np.sqrt(expected / 2 * (1 - expected / 2) / WINDOWS) + 4 / WINDOWS  # five standard errors
    assert (np.abs(found["p_value"].astype(float) - expected) <= error).all()
    assert expected.min() < 0.05


# Sites a cell; where they are few, p-values of Gi*'s z-score would find spots in nearly every map
@pytest.mark.parametrize("density", [50, 1, 0.1])
def test_q_values_are_those_of_statsmodels_and_few_maps_without_spots_have_any(density: float) -> None:
    cells = sorted(h3.grid_disk(CENTRE, 7))
    random = np.random.default_rng(11)
    maps = random.multinomial(round(density * len(cells)), np.full(len(cells), 1 / len(cells)), 60)
    tables = [study(cells, counts.tolist(), area=f"{number:02}") for number, counts in enumerate(maps)]
    found = hotspots(pa.concat_tables(tables)).to_pandas().query("measure == 'n_installations_per_km2'")
    for _, one in found.groupby("area"):
        rejected, q, _, _ = multipletests(one.p_value, alpha=0.05, method="fdr_bh")
        np.testing.assert_allclose(one.q_value, q, rtol=1e-12)
        assert ((one["class"] != "none") == rejected).all()
    # Every spot of a random map is false: the rate is the share of maps with one. Of 60 at 5 %, more than 8 are one in 400
    with_a_spot = found.groupby("area")["class"].apply(lambda kinds: (kinds != "none").any())
    assert len(with_a_spot) == 60
    assert with_a_spot.sum() <= 8
    # Without the adjustment, there would be some in nearly every map
    assert (found.p_value <= 0.05).groupby(found.area).any().mean() > 0.6


def test_a_cell_alone_has_no_local_statistic() -> None:
    cells = sorted([*h3.grid_disk(CENTRE, 1), ISLET])
    found = of_counts(hotspots(study(cells, [100 if cell == ISLET else place for place, cell in enumerate(cells)])))
    alone = found["cell"] == ISLET
    assert found["n_neighbours"][alone].tolist() == [0]
    assert np.isnan(found["gi_star_z"][alone].astype(float)).all()
    assert found["class"][alone].tolist() == ["none"]
    assert np.isfinite(found["gi_star_z"][~alone].astype(float)).any()


def test_areas_and_resolutions_do_not_mix() -> None:
    one, other = sorted(h3.grid_disk(CENTRE, 2)), sorted(h3.grid_disk(PENTAGON, 2))
    coarse = sorted(h3.grid_disk(h3.cell_to_parent(CENTRE, 4), 2))
    tables = [study(one, list(range(19))), study(other, list(range(16)), area="ISL"), study(coarse, list(range(19)))]
    together = area_statistics(pa.concat_tables(tables[::-1]), NO_SITES, NO_AREAS)
    apart = pa.concat_tables([area_statistics(table, NO_SITES, NO_AREAS) for table in tables])
    by = [("area", "ascending"), ("resolution", "ascending"), ("measure", "ascending")]
    assert together.sort_by(by).to_pylist() == apart.sort_by(by).to_pylist()
    assert len(together) == 6


def test_a_seed_gives_the_same_permutations_and_leaves_the_global_generator_alone() -> None:
    table = study(sorted(h3.grid_disk(CENTRE, 3)), list(range(37)), seed=5)
    np.random.seed(42)
    expected_next = np.random.random()
    np.random.seed(42)
    first = area_statistics(table, NO_SITES, NO_AREAS)
    assert np.random.random() == expected_next
    assert first.equals(area_statistics(table, NO_SITES, NO_AREAS))
    other = area_statistics(study(sorted(h3.grid_disk(CENTRE, 3)), list(range(37)), seed=6), NO_SITES, NO_AREAS)
    assert first["simulated_low"] != other["simulated_low"]
    assert first["value"] == other["value"]


def test_no_study_is_no_rows() -> None:
    assert len(hotspots(study([], []))) == 0
    assert len(area_statistics(study([], []), NO_SITES, NO_AREAS)) == 0
