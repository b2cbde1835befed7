"""Which release of Overture Maps is meant, and what is said where it is not there."""

from __future__ import annotations

import pytest

from db.errors import ReleaseNotFoundError
from ingest.context_manifest import OvertureSource
from ingest.overture_release import age, resolve

THERE = ["2026-09-23.0", "2026-10-21.0", "2026-11-18.0"]


def source(release: str) -> OvertureSource:
    return OvertureSource(kind="overture", theme="buildings", type="building", release=release)


def test_releases_are_ordered_by_date_and_number() -> None:
    shuffled = ["2026-11-18.10", "2026-11-18.9", "2024-01-17-alpha.0", "2026-10-21.0"]
    assert sorted(shuffled, key=age) == ["2024-01-17-alpha.0", "2026-10-21.0", "2026-11-18.9", "2026-11-18.10"]


def test_the_newest_or_the_pinned_one() -> None:
    assert resolve(source("newest"), THERE, "s3://somewhere") == "2026-11-18.0"
    assert resolve(source("2026-10-21.0"), THERE, "s3://somewhere") == "2026-10-21.0"


def test_an_expired_release_is_explained_and_the_others_are_listed() -> None:
    with pytest.raises(ReleaseNotFoundError) as caught:
        resolve(source("2026-01-21.0"), THERE, "s3://somewhere")
    assert "it has expired, a release lives about 60 days" in caught.value.message
    assert all(release in caught.value.message for release in THERE)
    assert "newest" in caught.value.remedy


def test_a_release_that_never_was_is_not_called_expired() -> None:
    with pytest.raises(ReleaseNotFoundError) as caught:
        resolve(source("2026-10-22.0"), THERE, "s3://somewhere")
    assert "expired" not in caught.value.message


def test_no_release_at_all() -> None:
    with pytest.raises(ReleaseNotFoundError, match="s3://somewhere has no release"):
        resolve(source("newest"), [], "s3://somewhere")
