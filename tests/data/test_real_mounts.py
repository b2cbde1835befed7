"""Probabilities of mounts that were learnt, against the sources that they were learnt from."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.context import mounts

pytestmark = pytest.mark.realdata


def test_dunnetts_clusters_are_on_the_ground_as_often_as_the_rule_says(mirror: Path) -> None:
    sites = mounts.known(mirror)
    rule = mounts.rule()
    right = int((sites["mount"] == mounts.MOUNT).sum())
    assert len(sites) == int(rule["n_sites"])
    mean, low, high = mounts.estimate(right, len(sites))
    assert float(rule["probability"]) == pytest.approx(mean, abs=5e-4)
    assert high - low < 0.03


def test_half_of_the_states_foretells_the_other_half(mirror: Path) -> None:
    for learnt, held_out in mounts.halves(mounts.known(mirror)):
        assert not set(learnt["p_state"]) & set(held_out["p_state"])
        said, _, _ = mounts.estimate(int((learnt["mount"] == mounts.MOUNT).sum()), len(learnt))
        # roofs and canopies are in a few states: halves differ by more than chance would let them
        assert (held_out["mount"] == mounts.MOUNT).mean() == pytest.approx(said, abs=0.03)
