"""Datasets of the sample's chips: two zones, chosen by what the lake knows, and the example that trains on them."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scene_lake import SceneLake
from test_docs_examples import blocks

from dataflows.cubes.chip.plan import read_plan
from dataflows.cubes.chips import build_chips
from dataflows.cubes.dataset import ChipDataset
from db import connect
from db.settings import Settings

pytestmark = pytest.mark.xdist_group("scenes")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(scene_lake: SceneLake) -> SceneLake:
    with connect(read_only=True, lake=scene_lake.settings) as con:
        plan = read_plan(con)
    build_chips(plan, size=64, lake=scene_lake.settings)
    return scene_lake


def run(settings: Settings, folder: Path, *command: str) -> str:
    environment = {**os.environ, "EOPV_HOME": str(settings.home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_zones_are_one_dataset(built: SceneLake):
    dataset = ChipDataset.open(lake=built.settings, reflectance=True)
    expected = built.frame("SELECT DISTINCT installation_id, epsg, period FROM curated.pv_scenes")
    found = dataset.table[["installation_id", "epsg", "period"]].drop_duplicates()
    assert set(found["epsg"]) == {32627, 32628}
    wanted = set(zip(expected["installation_id"], expected["epsg"], expected["period"].astype(str).str[:10], strict=True))
    assert {(name, epsg, str(period.date())) for name, epsg, period in found.itertuples(index=False)} <= wanted
    # One scene of the twelve cannot be used
    assert len(found) > 0.8 * len(wanted)


def test_what_the_lake_knows_chooses(built: SceneLake):
    chosen = ChipDataset.open(lake=built.settings, where="area_m2 > 20000 AND geometry_kind != 'point'")
    expected = built.frame(
        "SELECT installation_id FROM curated.pv_installations WHERE area_m2 > 20000 AND geometry_kind != 'point'"
    )
    everything = ChipDataset.open(lake=built.settings)
    assert 0 < len(chosen) < len(everything)
    assert set(chosen.table["installation_id"]) == set(expected["installation_id"]) & set(everything.table["installation_id"])


def test_an_installation_is_in_one_part(built: SceneLake):
    dataset = ChipDataset.open(lake=built.settings)
    parts = dataset.splits(resolution=8, balanced=True)
    names = [set(part.table["installation_id"]) for part in parts.values()]
    assert sum(map(len, names)) == len(set.union(*names)) == dataset.table["installation_id"].nunique()
    assert sum(map(len, parts.values())) == len(dataset)
    assert all(names)


def test_modules_are_dark_where_the_mask_says_so(built: SceneLake):
    """The sample's panels have an NDVI of about 0.15, its meadows far more: masks and pixels are of the same place."""
    dataset = ChipDataset.open(bands=["red", "nir"], lake=built.settings, reflectance=True, where="area_m2 > 50000")
    inside, outside = [], []
    for sample in dataset:
        red, nir = sample["image"]
        ndvi = (nir - red) / (nir + red)
        inside.append(ndvi[(sample["mask"] == 1) & sample["valid"]])
        outside.append(ndvi[(sample["mask"] == 0) & sample["valid"]])
    assert len(np.concatenate(inside)) > 100
    assert np.median(np.concatenate(inside)) == pytest.approx(0.15, abs=0.08)
    assert np.median(np.concatenate(outside)) > 0.3


def test_the_example_shows_its_data_and_trains_where_torch_is(built: SceneLake, tmp_path: Path):
    shown = run(built.settings, tmp_path, sys.executable, str(ROOT / "examples" / "segmentation.py"))
    total, *parts = (int(number) for number in re.findall(r"(\d+) (?:samples|for)", shown))
    assert total == sum(parts) == len(ChipDataset.open(lake=built.settings))
    assert len(re.findall(r"mean 0\.\d+  stdev 0\.\d+", shown)) == 5
    if importlib.util.find_spec("torch") is None:
        assert "torch is not installed" in shown
    else:
        losses = [float(loss) for loss in re.findall(r"^loss (\S+)", shown, re.MULTILINE)]
        assert np.isfinite(losses).all()
        assert losses[-1] < losses[0]
        assert "test: loss" in shown


@pytest.mark.parametrize("example", blocks("docs/machine-learning.md", "python"))
def test_the_pages_examples_run(example: str, built: SceneLake, tmp_path: Path):
    if "import torch" in example and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    run(built.settings, tmp_path, sys.executable, "-c", example)
