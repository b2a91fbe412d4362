"""Which sample comes when: a function of (manifest hash, seed, step) alone (design rule 2).

Every epoch is a permutation of the samples, computed in constant memory: a Feistel network on the smallest even number
of bits that holds them all, walked along its cycle until it lands inside (Black and Rogaway 2002, "Ciphers with
arbitrary finite domains"). Any worker can compute any slice of any step, so a restart begins wherever it must.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geomix import ids

I64 = npt.NDArray[np.int64]

_ROUNDS = 6


class Order:
    """Positions, 0 <= p < `samples`, in the order in which steps of `batch_size` consume them."""

    def __init__(self, manifest_hash: str, seed: int, samples: int, batch_size: int) -> None:
        if samples < 1 or batch_size < 1:
            raise ValueError(f"{samples} samples in batches of {batch_size}")
        self.samples, self.batch_size = samples, batch_size
        self._seed = ids.derive_seed("order", manifest_hash, seed)
        self._half = np.uint64(max(1, ((samples - 1).bit_length() + 1) // 2))

    def positions(self, step: int, start: int = 0, stop: int | None = None) -> I64:
        """int64 [stop - start]: the samples of slots `start` to `stop` of the global batch of `step` (from 0)."""
        first = step * self.batch_size
        place = np.arange(first + start, first + (self.batch_size if stop is None else stop), dtype=np.uint64)
        epoch, within = np.divmod(place, np.uint64(self.samples))
        return self._permute(within, epoch).astype(np.int64)

    def _permute(self, x: ids.U64, epoch: ids.U64) -> ids.U64:
        x = self._feistel(x, epoch)
        # The network's domain is less than four times the samples: a few rounds bring everybody inside.
        while (outside := x >= self.samples).any():
            x[outside] = self._feistel(x[outside], epoch[outside])
        return x

    def _feistel(self, x: ids.U64, epoch: ids.U64) -> ids.U64:
        mask = (np.uint64(1) << self._half) - np.uint64(1)
        left, right = x >> self._half, x & mask
        with np.errstate(over="ignore"):
            key = ids.splitmix64(epoch + np.uint64(self._seed))
            for number in range(_ROUNDS):
                mixed = ids.splitmix64((right << np.uint64(8)) ^ np.uint64(number) ^ key)
                left, right = right, left ^ (mixed & mask)
        return (left << self._half) | right


def share(batch_size: int, rank: int, workers: int) -> tuple[int, int]:
    """Slots (start, stop) of the global batch that worker `rank` of `workers` takes; sizes differ by one at most."""
    return batch_size * rank // workers, batch_size * (rank + 1) // workers
