"""Fixtures of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real published files beside the repository."""
    folder = Path(__file__).parents[2] / "shared" / "mirror"
    if not folder.is_dir():
        pytest.skip(f"no mirror of real data at {folder}")
    return folder
