"""Batches that read whole chunks: samples that are stored together are drawn together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from db.errors import CubeError

MIX = 4


class ChunkBatches:
    """Batches of sample numbers, for ``torch.utils.data.DataLoader(dataset, batch_sampler=…)`` or a loop of one's own.

    Chunks are drawn at random and put into a pool until it holds ``mix`` batches; batches are drawn at random from the pool.
    So every chunk is decoded once an epoch (by each worker that gets samples of it), and samples of a batch come from several
    places. The order follows from the seed and the epoch alone.
    """

    def __init__(
        self,
        chunks: NDArray[np.int64],
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        mix: int = MIX,
        drop_last: bool = False,
    ) -> None:
        """Nothing is read.

        Args:
            chunks: of a dataset: number of the chunk that each sample is read from, shape (samples,).
            batch_size: samples a batch.
            shuffle: otherwise in the order of the dataset, which is that of the store.
            seed: of the order.
            mix: batches that are drawn from the same chunks.
            drop_last: leave out a last batch that is not full.

        Raises:
            CubeError: a number below 1.
        """
        if batch_size < 1 or mix < 1:
            raise CubeError(f"Batches of {batch_size} and a mix of {mix} cannot be.", remedy="Give numbers of 1 or more.")
        self._chunks = chunks
        self._batch_size, self._mix = batch_size, mix
        self._shuffle, self._seed, self._drop_last = shuffle, seed, drop_last
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Draw another order; the same one for the same number."""
        self._epoch = epoch

    def __len__(self) -> int:
        whole, rest = divmod(len(self._chunks), self._batch_size)
        return whole + (rest > 0 and not self._drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        for first in range(0, len(order), self._batch_size):
            batch = order[first : first + self._batch_size]
            if len(batch) == self._batch_size or not self._drop_last:
                yield batch.tolist()

    def _order(self) -> NDArray[np.int64]:
        if not self._shuffle:
            return np.arange(len(self._chunks))
        rng = np.random.default_rng([self._seed & (2**64 - 1), self._epoch])
        number = np.unique(self._chunks, return_inverse=True)[1]
        drawn = rng.permutation(int(number.max(initial=-1)) + 1)[number]
        order = np.argsort(drawn, kind="stable")
        pool = self._batch_size * self._mix
        return np.concatenate([rng.permutation(order[at : at + pool]) for at in range(0, len(order), pool)] or [order])
