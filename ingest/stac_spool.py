"""Searches that are done, kept until what they found is in the lake: an interrupted run asks only for the rest.

Layout: ``<cache>/stac/searches/<catalog>/<identity>.ndjson.gz``, written to a temporary name and renamed: a file that is
there is a search that was finished.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ingest.stac_manifest import Catalog
from ingest.stac_policy import Area
from ingest.stac_record import Record, Records

log = logging.getLogger(__name__)

STALE_AFTER_S = 24 * 3600.0
"""A search of yesterday is asked again: catalogs grow by the day."""


class Spool:
    """The finished searches of one catalog.

    Args:
        cache_dir: root of the cache.
        catalog: its source, collections and search policy are part of each search's identity.
    """

    def __init__(self, cache_dir: Path, catalog: Catalog) -> None:
        self._folder = cache_dir / "stac" / "searches" / catalog.key
        self._policy = catalog.model_dump_json(include={"source", "collections", "search"})

    def path(self, area: Area | None) -> Path:
        """Where the search of an area is kept."""
        place = "anywhere" if area is None else f"{area.key} {hashlib.sha256(area.geometry.wkb).hexdigest()}"
        return self._folder / f"{hashlib.sha256(f'{self._policy} {place}'.encode()).hexdigest()[:32]}.ndjson.gz"

    def done(self, area: Area | None) -> bool:
        """Whether the search of an area was finished within the last day, and its answer is still here."""
        try:
            return time.time() - self.path(area).stat().st_mtime < STALE_AFTER_S
        except FileNotFoundError:
            return False

    def records(self, area: Area | None, search: Callable[[], Records]) -> Records:
        """The records of an area: those that are kept, or else what ``search`` gives, which is kept first.

        Raises:
            RemoteError: as ``search``; nothing of this area is kept then.
        """
        path = self.path(area)
        if self.done(area):
            log.info("%s: an interrupted run has done this search already", path.parent.name)
        else:
            self._keep(path, search())
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield Record(**json.loads(line))

    def _keep(self, path: Path, records: Records) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
        try:
            with gzip.open(part, "wt", encoding="utf-8", compresslevel=3) as lines:
                for record in records:
                    lines.write(json.dumps(asdict(record)) + "\n")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove all of it: what was found is in the lake."""
        shutil.rmtree(self._folder, ignore_errors=True)
