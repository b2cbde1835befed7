"""Programs that tests need and no package index has: found, or installed by the system's package manager."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CANNOT = 77
"""Status of a set-up where the package manager cannot give the program."""


def set_up(script: Path) -> Path:
    """What a set-up prints: where the program is, installed where it was not there yet.

    Where the package manager cannot give it, the test is skipped with the reason; in CI it fails.
    """
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    if done.returncode == CANNOT and os.environ.get("CI", "") in ("", "0", "false"):
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
