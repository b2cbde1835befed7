"""What is recorded of each step."""

from __future__ import annotations

from pathlib import Path

import pytest
from hamilton import ad_hoc_utils
from hamilton.function_modifiers import tag

from dataflows.outcomes import OutcomeRecorder, error_kind, measures
from dataflows.raw.landed_table import Receipt
from dataflows.raw.layer import Layer
from dataflows.run import build_driver
from db.errors import ChecksumMismatchError, EopvError, SchemaError
from ingest.acquired import AcquiredFile, Acquisition
from ingest.manifest import Distribution

FILES = [AcquiredFile(f"{name}.csv", Path(f"/{name}.csv"), "0" * 64, size, "mirror") for name, size in (("a", 10), ("b", 32))]
FORM = Distribution.model_validate({"name": "x", "format": "geojson", "source": {"repository": "mirror"}})


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Acquisition.of("key", FORM, FILES), {"files": 2, "bytes": 42}),
        (Receipt("key", '"t"', 7, 3), {"rows": 7}),
        ([Layer(FILES[0], None, None, 3), Layer(FILES[1], None, None, 4)], {"files": 2, "bytes": 42, "rows": 7}),
        # What the format does not announce is unknown, not zero
        ([Layer(FILES[0], None, None, 3), Layer(FILES[1], None, None, None)], {"files": 2, "bytes": 42}),
        ("anything else", {}),
    ],
)
def test_sizes_of_results(result: object, expected: dict[str, int]) -> None:
    assert measures(result) == expected


@pytest.mark.parametrize(
    ("error", "kind"),
    [(SchemaError("x"), "schema"), (ChecksumMismatchError("x"), "checksum_mismatch"), (OSError("x"), "OSError")],
)
def test_kind_of_an_error(error: Exception, kind: str) -> None:
    assert error_kind(error) == kind


@tag(step="first")
def one() -> list:
    """A step that succeeds."""
    return [Layer(FILES[0], None, None, 3)]


def between(one: list) -> int:
    """No step."""
    return len(one)


@tag(step="second")
def two(between: int, broken: bool) -> int:
    """A step that fails when told to."""
    if broken:
        raise SchemaError("no such column.", remedy="Look.")
    return between


def recorded(*, broken: bool) -> OutcomeRecorder:
    recorder = OutcomeRecorder("run", "key")
    driver = build_driver(ad_hoc_utils.create_temporary_module(one, between, two), adapters=(recorder,))
    if broken:
        with pytest.raises(EopvError):
            driver.execute(["two"], inputs={"broken": True})
    else:
        driver.execute(["two"], inputs={"broken": False})
    return recorder


def test_steps_are_recorded_and_other_nodes_are_not() -> None:
    first, second = recorded(broken=False).outcomes
    assert (first.step, first.status, first.files, first.bytes, first.rows) == ("first", "ok", 1, 10, 3)
    assert (second.step, second.status, second.error_kind, second.error_message) == ("second", "ok", None, None)
    assert {(outcome.run_id, outcome.dataset) for outcome in (first, second)} == {("run", "key")}
    assert first.started_at <= second.started_at
    assert first.duration_s >= 0


def test_a_failed_step_is_recorded_with_kind_and_remedy() -> None:
    first, second = recorded(broken=True).outcomes
    assert first.status == "ok"
    assert (second.status, second.error_kind, second.error_message) == ("failed", "schema", "no such column. Look.")
