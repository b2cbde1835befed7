"""Where a server or a browser cannot be had: skipped with the reason, but never in CI."""

from __future__ import annotations

from pathlib import Path

import pytest
from set_up_programs import CANNOT, set_up


def test_a_server_that_cannot_be_had_is_a_skip_and_in_ci_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "set_up"
    script.write_text(f"#!/bin/sh\necho 'no PostgreSQL: because' >&2\nexit {CANNOT}\n")
    script.chmod(0o755)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="because"):
        set_up(script)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(AssertionError, match="because"):
        set_up(script)
    # Anything else that goes wrong is no reason to skip
    monkeypatch.delenv("CI")
    script.write_text("#!/bin/sh\necho 'broken' >&2\nexit 1\n")
    with pytest.raises(AssertionError, match="broken"):
        set_up(script)
