"""HDF5 files in a bucket, read by ranges: what h5py wants of a file, with few requests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import h5py

from db.errors import EopvError, ReadError
from ingest.bucket import Bucket, SeekableObject, StoredFile

BLOCK_BYTES = 1 << 16
"""Headers and indices of HDF5 are read a few bytes at a time; one request of this size holds many of them."""
BLOCKS = 256


class _Blocks(SeekableObject):
    """Small reads through blocks that are kept, large ones as they are."""

    def __init__(self, bucket: Bucket, file: StoredFile) -> None:
        super().__init__(bucket, file)
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def readinto(self, buffer) -> int:
        target = memoryview(buffer).cast("B")
        size = min(len(target), max(0, self._file.size - self._position))
        if size >= BLOCK_BYTES:
            target[:size] = self._bucket.read(self._file, self._position, size)
        else:
            done = 0
            while done < size:
                number, offset = divmod(self._position + done, BLOCK_BYTES)
                piece = self._block(number)[offset : offset + size - done]
                target[done : done + len(piece)] = piece
                done += len(piece)
        self._position += size
        return size

    def _block(self, number: int) -> bytes:
        if number not in self._kept:
            start = number * BLOCK_BYTES
            self._kept[number] = bytes(self._bucket.read(self._file, start, min(BLOCK_BYTES, self._file.size - start)))
            if len(self._kept) > BLOCKS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]


@contextmanager
def hdf5(bucket: Bucket, file: StoredFile) -> Iterator[h5py.File]:
    """An HDF5 file to read from where it is.

    Raises:
        ReadError: it is no HDF5, or damaged.
        RemoteError: the server does not answer, or refuses.
    """
    try:
        with _Blocks(bucket, file) as stream, h5py.File(stream, "r") as content:
            yield content
    except EopvError:  # of the server, and some of these are OSErrors too
        raise
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ReadError(f"{file.path} cannot be read as HDF5: {reason}.", remedy="Check 'origin' in the manifest.") from error
