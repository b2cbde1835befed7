"""Capacity from area: the SQL of ``prep_pv_capacity`` against the same model in NumPy, its rules, and how it is learnt."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from jinja2 import Environment, StrictUndefined

from benchmarks.energy.capacity import predicted
from benchmarks.energy.learn import SEED_FILE, updated
from benchmarks.energy.learning import learn
from benchmarks.energy.pairs import TEST_FOLDS, fold
from dataflows.elt import PROJECT_DIR

VARS = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
MODULES, ARRAY, SITE, NO_PROFILE = "usa_cali_usgs_pv_2016", "usa_gm_seus_v1_2025", "deu_ufz_open_field_pv_2015", "some_dataset"
GIVEN = {
    **dict.fromkeys(("centroid_lat_deg", "area_m2", "capacity_mw", "capacity_mw_dc"), pa.float64()),
    **dict.fromkeys(("level", "axis", "capacity_basis", "dataset", "mount"), pa.string()),
    "installed_year": pa.int32(),
}
OUTLINES = {MODULES: "modules", ARRAY: "array", SITE: "site", NO_PROFILE: "any"}


def capacities(*sites: dict[str, Any]) -> pd.DataFrame:
    """``prep_pv_capacity`` of sites, in their order."""
    rows = [{"level": "plant", "centroid_lat_deg": 40.0, "dataset": ARRAY, **site} for site in sites]
    ids = [f"{number:03d}" for number in range(len(sites))]
    given = pa.table(  # noqa: F841 - DuckDB reads it
        {"installation_id": ids, **{name: pa.array([row.get(name) for row in rows], type) for name, type in GIVEN.items()}}
    )
    text = (PROJECT_DIR / "macros" / "energy" / "density.sql").read_text(encoding="utf-8")
    text += (PROJECT_DIR / "models" / "prepared" / "energy" / "prep_pv_capacity.sql").read_text(encoding="utf-8")
    query = Environment(undefined=StrictUndefined).from_string(text).render(ref=str, var=VARS.__getitem__)
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE prep_pv_installations AS"
            " SELECT * EXCLUDE (dataset, mount), installation_id AS area_m2_source FROM given"
        )
        con.execute("CREATE TABLE prep_pv_observations AS SELECT installation_id AS observation_id, dataset FROM given")
        con.execute("CREATE TABLE prep_pv_buildings AS SELECT installation_id, mount FROM given")
        for seed in ("source_profiles", "capacity_density"):
            con.execute(f"CREATE TABLE {seed} AS FROM read_csv(?)", [str(PROJECT_DIR / "seeds" / f"{seed}.csv")])
        return con.sql(f"FROM ({query}) ORDER BY installation_id").df()


def test_sql_and_numpy_agree_on_every_row_of_the_seed() -> None:
    rng = np.random.default_rng(3)
    sites = [
        {
            "dataset": rng.choice(list(OUTLINES)),
            "axis": rng.choice(np.array(["fixed", "single", "dual", "mixed", None], dtype=object)),
            "mount": rng.choice(np.array(["ground", "rooftop", "canopy", "unknown", None], dtype=object)),
            "installed_year": rng.choice(np.array([None, 1995, 2012, 2019, 2030], dtype=object)),
            "area_m2": float(10 ** rng.uniform(1, 7.5)),
            "centroid_lat_deg": float(rng.uniform(-60, 70)),
        }
        for _ in range(400)
    ]
    found, asked = capacities(*sites), pd.DataFrame(sites)
    asked["outline"] = asked["dataset"].map(OUTLINES)
    asked["mount"] = np.where(asked["mount"].isin(["rooftop", "canopy"]), "roof", "ground")
    asked["axis"] = asked["axis"].map({"fixed": "fixed", "single": "tracking", "dual": "tracking"})
    asked = asked.assign(installed_year=asked["installed_year"].astype(float), lat_deg=asked["centroid_lat_deg"])
    expected = predicted(asked, pd.read_csv(SEED_FILE))
    assert set(found["density_model"]) == set(pd.read_csv(SEED_FILE)["density_model"])
    assert found["density_model"].tolist() == expected["density_model"].tolist()
    for column, factor in (
        ("capacity_mw_dc_estimated", "median"),
        ("capacity_mw_dc_estimated_low", "low"),
        ("capacity_mw_dc_estimated_high", "high"),
    ):
        assert found[column].to_numpy() == pytest.approx(
            (np.exp(expected[factor]) * asked["area_m2"] / 1e6).to_numpy(), rel=1e-9
        )


def test_what_is_known_counts_before_what_the_area_suggests() -> None:
    ratio = VARS["dc_ac_ratio"]
    found = capacities(
        {"capacity_mw_dc": 13.0, "capacity_mw": 10.0, "capacity_basis": "ac", "area_m2": 2e5},
        {"capacity_mw": 10.0, "capacity_basis": "ac", "area_m2": 2e5},
        {"capacity_mw": 10.0, "capacity_basis": "stated"},
        {"capacity_mw": 10.0, "capacity_basis": "modelled", "area_m2": 2e5},
        {"capacity_mw": 10.0, "capacity_basis": "modelled"},
        {"area_m2": 2e5},
        {},
    )
    assert found["capacity_rule"].tolist()[:6] == ["dc", "ac", "stated", "area", "modelled", "area"]
    assert found["capacity_mw_dc_known"].tolist()[:3] == pytest.approx([13.0, 10 * ratio, 10 * ratio])
    assert found["capacity_mw_dc_known"][3:].isna().all()
    assert found["capacity_mw_dc_best"][3] == found["capacity_mw_dc_estimated"][5] == found["capacity_mw_dc_best"][5]
    assert found["capacity_mw_dc_best"][4] == pytest.approx(10 * ratio)
    assert found["capacity_mw_dc_estimated"].isna().tolist() == [False, False, True, False, True, False, True]
    assert pd.isna(found["capacity_mw_dc_best"][6])


def made_up(n: int, seed: int) -> pd.DataFrame:
    """Sites whose density is known, in places that each have a way of their own."""
    rng = np.random.default_rng(seed)
    place = np.array([f"place {number}" for number in range(120)])[rng.integers(120, size=n)]
    habit = dict(zip(sorted(set(place)), rng.normal(0, 0.08, 120), strict=False))
    sites = pd.DataFrame(
        {
            "outline": "array",
            "mount": "ground",
            "axis": rng.choice(["fixed", "tracking"], n),
            "area_m2": 10 ** rng.uniform(4.5, 6.5, n),
            "installed_year": rng.integers(2010, 2025, n).astype(float),
            "lat_deg": rng.uniform(25, 48, n),
            "representative": True,
            "place": place,
        }
    )
    sites["fold"] = sites["place"].map(fold)
    sites["is_test"] = sites["fold"].isin(TEST_FOLDS)
    roofs = sites.sample(n // 5, random_state=seed).assign(mount="roof")
    grounds = sites.sample(n // 5, random_state=seed + 1).assign(outline="site", axis=None)
    sites = pd.concat([sites, roofs, grounds], ignore_index=True)
    effect = (
        4.2 + 0.03 * (sites["installed_year"] - 2015) - 0.01 * (sites["lat_deg"] - 40) - 0.3 * (sites["axis"] == "tracking")
    )
    # one-sided errors of a register, as heavy as real ones
    errors = rng.normal(0, 0.15, len(sites)) + 2 * (rng.random(len(sites)) < 0.02)
    return sites.assign(ln_density=effect + sites["place"].map(habit) + errors)


def test_effects_are_learnt_and_intervals_hold_in_places_never_seen() -> None:
    sites = made_up(3000, 7)
    seed = learn(sites).set_index("density_model")
    fixed = seed.loc["array_ground_fixed_year"]
    assert fixed["ln_w_m2"] == pytest.approx(4.2, abs=0.03)
    assert fixed["per_year"] == pytest.approx(0.03, abs=0.004)
    assert fixed["per_lat_deg"] == pytest.approx(-0.01, abs=0.002)
    assert fixed["per_ln_area"] == pytest.approx(0, abs=0.01)
    assert seed.loc["array_ground_tracking_year", "ln_w_m2"] == pytest.approx(3.9, abs=0.03)
    held_out = sites[sites["is_test"] & (sites["outline"] == "array") & (sites["mount"] == "ground")]
    found = predicted(held_out, seed.reset_index())
    covered = ((held_out["ln_density"] >= found["low"]) & (held_out["ln_density"] <= found["high"])).mean()
    assert 0.87 < covered < 0.94


def test_held_out_and_unrepresentative_sites_have_no_say() -> None:
    sites = made_up(400, 1)
    spoilt = sites["is_test"] | (np.arange(len(sites)) % 10 == 0)
    changed = sites.assign(ln_density=sites["ln_density"] + np.where(spoilt, 5, 0), representative=~spoilt | sites["is_test"])
    pd.testing.assert_frame_equal(learn(changed), learn(sites[~spoilt | sites["is_test"]]))


def test_declared_rows_stay_when_others_are_learnt() -> None:
    before = pd.read_csv(SEED_FILE)
    after = updated(before, learn(made_up(400, 2)))
    assert list(after.columns) == list(before.columns)
    pd.testing.assert_frame_equal(
        after[after["origin"] == "declared"], before[before["origin"] == "declared"], check_dtype=False
    )
    assert after["precedence"].is_unique
