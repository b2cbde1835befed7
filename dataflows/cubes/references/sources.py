"""From the assets of scenes to rasters that can be referenced, or a refusal by name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import PreconditionError

from dataflows.cubes.rasters.access import HTTP, Access, absolute, container_prefix
from dataflows.cubes.rasters.checksums import Checksums
from dataflows.cubes.rasters.geotiff import WORKERS, RasterHeader
from dataflows.cubes.rasters.virtual_tiff_workarounds import referenced
from dataflows.cubes.references.groups import Source, refusal
from dataflows.cubes.references.refusals import Reason, Refusal, reason_against
from dataflows.cubes.references.scenes import SceneAsset
from db.errors import SourceError

Headers = dict[str, RasterHeader | SourceError]


def reachable_prefixes(scenes: Iterable[SceneAsset]) -> list[str]:
    """Prefixes under which Icechunk must be allowed to read: buckets, web servers, and one folder a collection."""
    remote, local = set(), set()
    folders = defaultdict(list)
    for scene in scenes:
        prefix = container_prefix(scene.href)
        if prefix.startswith("file://"):
            folders[scene.collection].append(prefix.removeprefix("file://"))
        else:
            remote.add(prefix)
    for found in folders.values():
        common = os.path.commonpath(found)
        # Icechunk does not take the root of a file system
        local |= {common} if common != "/" else {f"/{folder.split('/')[1]}" for folder in found}
    return sorted(remote | {f"file://{folder.rstrip('/')}/" for folder in local})


def usable(scenes: Iterable[SceneAsset], headers: Headers, access: Access) -> tuple[list[Source], list[Refusal]]:
    """Rasters that can be referenced, and those that cannot.

    Args:
        scenes: assets.
        headers: ``href`` of every asset → what its file says, or why it cannot be read.
        access: credentials.
    """
    obedient = {host: checks_conditions(found, access) for host, found in _http_files(headers).items()}
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        found = pool.map(partial(_source, headers=headers, access=access, obedient=obedient), scenes)
        results = list(found)
    sources = [result for result in results if isinstance(result, Source)]
    return sources, [result for result in results if isinstance(result, Refusal)]


def checksum_refusals(sources: Iterable[Source], checksums: Checksums) -> dict[SceneAsset, Refusal]:
    """Of rasters that are to be referenced, those whose bytes are not what their items promise."""
    promised = {source.scene: source.scene.promised for source in sources}
    checksums.verify(promised.values())
    refused = {}
    for scene, file in promised.items():
        try:
            checksums.require([file])
        except SourceError as error:
            refused[scene] = refusal(scene, Reason.CHECKSUM, error.message)
    return refused


def checks_conditions(header: RasterHeader, access: Access) -> bool:
    """Whether a web server refuses to serve a file whose ETag is not the expected one, as Icechunk relies on it to do.

    A server that ignores ``If-Match`` gives the bytes of a changed file at the places of the old one's tiles: wrong pixels.
    """
    store, path = access.open(header.href)
    try:
        obstore.get(store, path, options={"if_match": '"eopv-no-such-etag"', "range": (0, 1)}).bytes()
    except PreconditionError:
        return True
    return False


def _http_files(headers: Headers) -> dict[str, RasterHeader]:
    """One readable file of each web server."""
    found: dict[str, RasterHeader] = {}
    for header in headers.values():
        if isinstance(header, RasterHeader) and urlsplit(header.href).scheme in HTTP:
            found.setdefault(container_prefix(header.href), header)
    return found


def _source(scene: SceneAsset, headers: Headers, access: Access, obedient: dict[str, bool]) -> Source | Refusal:
    header = headers[scene.href]
    if isinstance(header, SourceError):
        return refusal(scene, Reason.UNREADABLE, header.message)
    if scene.datetime is None:
        return refusal(scene, Reason.NO_DATETIME, "its item has no datetime")
    if (reason := reason_against(header)) is not None:
        return refusal(scene, *reason)
    if not obedient.get(container_prefix(scene.href), True):
        return refusal(scene, Reason.UNVERIFIABLE, "its server ignores If-Match: a changed file would give wrong pixels")
    try:
        return Source(scene, header, referenced(absolute(scene.href), access))
    except (NotImplementedError, ValueError) as error:
        return refusal(scene, Reason.LAYOUT, str(error).split("\n", 1)[0])
