"""Random fields over the ground: smooth ones of a stated correlation length, and white noise, keyed by pixel.

The same (seed, stream, zone, column, row) gives the same bits in any window: the values at the lattice's nodes and the
weights between them are multiples of powers of two, so that their sums are exact in whatever order BLAS adds them.
Letters in names: N windows, L lanes (independent fields of one stream, at most 4), H rows, W columns.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from geomix import ids
from geomix.earth.grid import Windows
from geomix.earth.keyed import F64, I64

F32 = npt.NDArray[np.float32]

LANES = 4
"""Numbers of 16 bits in a hash of 64."""

CORRELATION = 1.16
"""Distance, in spacings of the lattice, over which the correlation of `smooth` falls to 1/e."""

# 13 bits a node, 12 bits a weight in each of two directions: 41 bits with the sum's carries, of a double's 53.
_NORMAL: F64 = np.rint(ndtri((np.arange(65536) + 0.5) / 65536) * 1024) / 1024
_NORMAL32: F32 = _NORMAL.astype(np.float32)
_WEIGHT_UNIT = 4096.0
_SIXTEEN = np.uint64(0xFFFF)


def smooth(windows: Windows, spacing: int, seed: int, stream: str, lanes: int = 1, daily: bool = False) -> F32:
    """Normal fields, mean 0 and variance 1 at every pixel: [N, L, H, W].

    White noise on a square lattice of `spacing` pixels, between its nodes a cubic B-spline, weights scaled so that the
    variance is 1 everywhere. `daily`: another field on every day.
    """
    key = _keys(windows, seed, f"{stream} {spacing}", daily)
    first_c, weights_c = _weights(windows.column, windows.width, spacing)
    first_r, weights_r = _weights(windows.row, windows.height, spacing)
    at_c = first_c[:, None] + np.arange(weights_c.shape[2])
    at_r = first_r[:, None] + np.arange(weights_r.shape[2])
    hashed = _hash(key, at_r, at_c)
    out = np.empty((len(windows), lanes, windows.height, windows.width), dtype=np.float32)
    turned = weights_c.transpose(0, 2, 1)
    for lane in range(lanes):
        nodes = _NORMAL[_lane(hashed, lane)]
        out[:, lane] = weights_r @ nodes @ turned
    return out


def fractal(windows: Windows, octaves: tuple[tuple[int, float], ...], seed: int, stream: str, lanes: int = 1) -> F32:
    """Sum of `smooth` fields of (spacing, weight), scaled to variance 1: [N, L, H, W]."""
    total = np.zeros((len(windows), lanes, windows.height, windows.width), dtype=np.float32)
    scale = np.sqrt(sum(w * w for _, w in octaves))
    for spacing, weight in octaves:
        total += np.float32(weight / scale) * smooth(windows, spacing, seed, stream, lanes)
    return total


def white(windows: Windows, seed: int, stream: str, lanes: int, daily: bool = True) -> F32:
    """Normal noise, independent from pixel to pixel: [N, L, H, W]."""
    hashed = _hash(
        _keys(windows, seed, stream, daily),
        windows.row[:, None] + np.arange(windows.height),
        windows.column[:, None] + np.arange(windows.width),
    )
    return np.stack([_NORMAL32[_lane(hashed, k)] for k in range(lanes)], axis=1)


def hashes(state: ids.U64, *numbers: I64) -> ids.U64:
    """`state` and whole numbers hashed together: uint64, of the shape of all arguments together."""
    for number in numbers:
        state = ids.splitmix64(state ^ np.asarray(number, dtype=np.int64).view(np.uint64))
    return state


def normals(hashed: ids.U64, lane: int) -> F32:
    """The normal number in lane 0 to 3 of each hash."""
    return _NORMAL32[_lane(hashed, lane)]


def units(hashed: ids.U64, lane: int) -> F32:
    """The uniform number, in (0, 1), in lane 0 to 3 of each hash."""
    return (_lane(hashed, lane).astype(np.float32) + np.float32(0.5)) / np.float32(65536)


def _lane(hashed: ids.U64, lane: int) -> ids.U64:
    return np.asarray((hashed >> np.uint64(16 * lane)) & _SIXTEEN)


def _keys(windows: Windows, seed: int, stream: str, daily: bool) -> ids.U64:
    """Key of each window's zone (and day) in the stream: uint64 [N]."""
    state = ids.permanent_random(windows.epsg.astype(np.uint64), ids.derive_seed("earth", seed, "image", stream))
    return hashes(state, windows.day) if daily else state


def _hash(key: ids.U64, row_NR: I64, column_NK: I64) -> ids.U64:
    """Hash of every node: uint64 [N, rows, columns]; one round a row and a column, and one to mix them."""
    # Rows and columns are hashed from different states, lest the nodes on the diagonal be all alike.
    by_row, by_column = hashes(ids.splitmix64(key)[:, None], row_NR), hashes(key[:, None], column_NK)
    return ids.splitmix64(by_row[:, :, None] ^ by_column[:, None, :])


def _weights(first: I64, count: int, spacing: int) -> tuple[I64, F64]:
    """The first node that each window needs [N], and the weights of its nodes at every pixel [N, count, nodes]."""
    node = first // spacing
    phase = first - node * spacing
    found, back = np.unique(phase, return_inverse=True)
    table = np.stack([_phase_weights(int(p), count, spacing) for p in found])
    return node - 1, table[back]


@lru_cache(maxsize=4096)
def _phase_weights(phase: int, count: int, spacing: int) -> F64:
    at, part = np.divmod(phase + np.arange(count), spacing)
    t = (part + 0.5) / spacing
    taps = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    taps = np.rint(taps / np.sqrt((taps**2).sum(axis=1, keepdims=True)) * _WEIGHT_UNIT) / _WEIGHT_UNIT
    # The same number of nodes whatever the phase.
    weights = np.zeros((count, (count + spacing - 2) // spacing + 4))
    for k in range(4):
        weights[np.arange(count), at + k] = taps[:, k]
    return weights
