"""A store for readers, whose errors say what happened to which source."""

from __future__ import annotations

import re
from collections.abc import Iterable

import icechunk
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

from db.errors import CubeError, SourceChangedError, SourceError

_CHANGED = icechunk.ErrorKind.VIRTUAL_CHUNK_MODIFIED
_UNREACHABLE = (icechunk.ErrorKind.VIRTUAL_CHUNK_FETCH, icechunk.ErrorKind.OBJECT_NOT_FOUND)


class ReadingStore(WrapperStore[icechunk.IcechunkStore]):
    """An Icechunk store that raises errors of ours where a source of virtual chunks has changed or has gone."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """The bytes of a key, see :meth:`zarr.abc.store.Store.get`.

        Raises:
            SourceChangedError: the raster is not the one that was referenced.
            SourceError: the raster is missing or cannot be reached.
        """
        try:
            return await super().get(key, prototype, byte_range)
        except icechunk.IcechunkError as error:
            if (ours := _explained(error, key)) is None:
                raise
            raise ours from None

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Several parts, see :meth:`zarr.abc.store.Store.get_partial_values`."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]


def _explained(error: icechunk.IcechunkError, key: str) -> CubeError | None:
    text = str(error)
    place = re.search(r"\w+://[^\s)`]+|(?<=location ).+?(?= not found)", text)
    source = place[0] if place else key
    if error.kind == _CHANGED:
        return SourceChangedError(
            f"{source} has changed since it was referenced.", remedy="Restore it, or build the cube again with it."
        )
    if error.kind in _UNREACHABLE:
        return SourceError(f"{source} cannot be read.", remedy="Bring it back, or check its server and the credentials.")
    return None
