"""The error tree: kinds are a promise to whoever queries ``landing.ingest_outcomes``."""

from __future__ import annotations

import inspect

import pytest

from db import errors

# Append-only: a kind that is recorded in lakes is never renamed and never reused
KINDS = [
    "error",
    "settings",
    "lake",
    "lake_not_found",
    "lake_locked",
    "snapshot_not_found",
    "service",
    "build",
    "ingest",
    "manifest",
    "dataset_not_found",
    "dataset_planned",
    "acquisition",
    "no_file_matched",
    "remote",
    "remote_not_found",
    "incomplete_download",
    "checksum_mismatch",
    "unsafe_archive",
    "corrupt_archive",
    "read",
    "crs",
    "schema",
    "encrypted_archive",
    "lfs_pointer",
    "missing_companion",
    "not_held",
    "catalog_not_found",
    "catalog",
    "cube",
    "cube_not_found",
    "cube_locked",
    "cube_conflict",
    "source",
    "source_changed",
    "scene_refused",
    "source_checksum",
    "context_not_found",
    "release_not_found",
    "too_many_places",
    "publish",
    "not_separable",
]
CLASSES = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, errors.EopvError)]


def test_kinds_are_unique_and_none_has_gone() -> None:
    kinds = [found.kind for found in CLASSES]
    assert len(set(kinds)) == len(kinds)
    assert set(KINDS) <= set(kinds)


def test_every_kind_is_listed_here() -> None:
    assert {found.kind for found in CLASSES} == set(KINDS)


@pytest.mark.parametrize("found", CLASSES)
def test_every_class_states_its_own_kind_and_what_a_handler_would_do(found: type[errors.EopvError]) -> None:
    assert "kind" in vars(found)
    assert (found.__doc__ or "").strip()


@pytest.mark.parametrize("found", CLASSES)
def test_text_is_message_then_remedy(found: type[errors.EopvError]) -> None:
    error = found("It broke.", remedy="Mend it.")
    assert str(error) == "It broke. Mend it."
    assert (error.message, error.remedy) == ("It broke.", "Mend it.")
    assert str(found("It broke.")) == "It broke."


@pytest.mark.parametrize(
    ("found", "builtin"),
    [
        (errors.SettingsError, ValueError),
        (errors.ManifestError, ValueError),
        (errors.DatasetNotFoundError, KeyError),
        (errors.CatalogNotFoundError, KeyError),
        (errors.LakeNotFoundError, FileNotFoundError),
        (errors.RemoteNotFoundError, FileNotFoundError),
        (errors.SnapshotNotFoundError, LookupError),
        (errors.NoFileMatchedError, LookupError),
    ],
)
def test_the_built_in_exception_that_says_the_same_catches_it(found: type[errors.EopvError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise found("It broke.")


@pytest.mark.parametrize(
    ("group", "members"),
    [
        (errors.LakeError, [errors.LakeNotFoundError, errors.LakeLockedError, errors.SnapshotNotFoundError]),
        (errors.IngestError, [errors.ManifestError, errors.DatasetNotFoundError, errors.AcquisitionError, errors.ReadError]),
        (errors.ReadError, [errors.CrsError, errors.SchemaError]),
        (errors.AcquisitionError, [errors.RemoteError, errors.ChecksumMismatchError, errors.UnsafeArchiveError]),
    ],
)
def test_a_group_catches_its_members(group: type[errors.EopvError], members: list[type[errors.EopvError]]) -> None:
    assert all(issubclass(member, group) for member in members)


def test_a_remote_error_keeps_the_status() -> None:
    assert errors.RemoteNotFoundError("Gone.", status=410).status == 410
    assert errors.RemoteError("No answer.").status is None
