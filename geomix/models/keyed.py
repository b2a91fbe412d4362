"""Random numbers keyed by (purpose, seed, step, id), on the device: for masks, dropout and augmentation.

Each sample has a SplitMix64 stream (Steele, Lea and Flood 2014) that starts from the key, so its numbers are the same in
any batch, on any worker and on any device. The streams are those of `masking`, which makes them with NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from geomix import ids as names

_GAMMA = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def uniform(purpose: str, seed: int, step: int, ids: Sequence[str], count: int, device: torch.device) -> Tensor:
    """float64 [B, count] in (0, 1): the first `count` numbers of each sample's stream."""
    start_B = names.permanent_random(names.id64(ids), names.derive_seed(purpose, seed, step)).view(np.int64)
    place_N = torch.arange(1, count + 1, device=device) * _signed(_GAMMA)
    z_BN = torch.from_numpy(start_B).to(device)[:, None] + place_N
    z_BN = (z_BN ^ _shift(z_BN, 30)) * _signed(_FIRST)
    z_BN = (z_BN ^ _shift(z_BN, 27)) * _signed(_SECOND)
    z_BN = z_BN ^ _shift(z_BN, 31)
    return (_shift(z_BN, 12).double() + 0.5) * 2.0**-52


def _signed(value: int) -> int:
    # torch has little arithmetic for uint64; int64 wraps around in the same way.
    return value - (1 << 64) if value >= 1 << 63 else value


def _shift(z: Tensor, bits: int) -> Tensor:
    """The logical shift to the right: torch's keeps the sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
