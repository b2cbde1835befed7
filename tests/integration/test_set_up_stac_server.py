"""Where the real STAC API server cannot be had: skipped with the reason, but never in CI."""

from __future__ import annotations

from pathlib import Path

import pytest
from pgstac_server import CANNOT, programs


def test_a_server_that_cannot_be_had_is_a_skip_and_in_ci_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up = tmp_path / "set_up"
    set_up.write_text(f"#!/bin/sh\necho 'no PostgreSQL: because' >&2\nexit {CANNOT}\n")
    set_up.chmod(0o755)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="because"):
        programs(set_up)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(AssertionError, match="because"):
        programs(set_up)
    # Anything else that goes wrong is no reason to skip
    monkeypatch.delenv("CI")
    set_up.write_text("#!/bin/sh\necho 'broken' >&2\nexit 1\n")
    with pytest.raises(AssertionError, match="broken"):
        programs(set_up)
