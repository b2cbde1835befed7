"""What an acquisition yields: files, where they came from, and the identity of their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from ingest.manifest import PublishedFiles

type Origin = Literal["cache", "mirror", "repository"]


@dataclass(frozen=True)
class AcquiredFile:
    """One file of a dataset on this machine.

    Attributes:
        name: published path with ``/`` separators, relative to the deposit; ``<archive>/<member path>`` for a member.
        path: where the bytes are; not to be written to.
        sha256: hex digest of the bytes.
        bytes: size.
        origin: where the bytes were taken from in this run.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    origin: Origin


@dataclass(frozen=True)
class Acquisition:
    """All files of one distribution of a dataset, or of another publication.

    Attributes:
        dataset: key.
        distribution: the one that was taken.
        files: sorted by name.
        digest: sha256 (hex) over the names and digests of all files: the content's identity wherever it came from.
    """

    dataset: str
    distribution: PublishedFiles
    files: tuple[AcquiredFile, ...]
    digest: str

    @classmethod
    def of(cls, dataset: str, distribution: PublishedFiles, files: Iterable[AcquiredFile]) -> Self:
        """Sort the files and compute the digest."""
        ordered = tuple(sorted(files, key=lambda file: file.name))
        identity = json.dumps([[file.name, file.sha256] for file in ordered], ensure_ascii=True).encode()
        return cls(dataset, distribution, ordered, hashlib.sha256(identity).hexdigest())
