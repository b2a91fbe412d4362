"""The pixel grid of a chip, and how a band's pixels come onto it: copied, bilinear, average or nearest.

Coordinates along an axis are in source pixels: pixel k spans k to k + 1, and its centre is at k + 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from geomix.raster.chips import Recipe, Resampling

F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

AGREES = 0.25
"""Pixels of a raster agree with the ground distance if they drift by less than this part of a pixel from a chip's centre to
its edge: a raster of 10.006 m then is one of 10 m, and is copied instead of resampled."""

PROJECTION_SCALE = 0.01
"""A projection that stretches distances by less than this (UTM: 0.0004 to 0.001) is taken to be true to scale. Beyond it
(Web Mercator: 2 at 60 degrees) the chip's pixels are enlarged, so that they span the ground distance asked for."""

MOSTLY = 0.5
"""A resampled pixel has data if source pixels of at least this weight have."""


@dataclass(frozen=True)
class Lattice:
    """North-up pixels of a raster: western and northern edge, pixel width and height, in units of the CRS; and how many."""

    west: float
    north: float
    dx: float
    dy: float
    columns: int
    rows: int


@dataclass(frozen=True)
class ChipGrid:
    """A chip's pixels in units of the CRS: western and northern edge, width and height of one pixel."""

    west: float
    north: float
    dx: float
    dy: float


def chip_grid(x: float, y: float, step: float, recipe: Recipe, lattice: Lattice) -> ChipGrid:
    """The grid of the chip centred on (x, y), CRS units, its pixels `step` wide and high.

    The corner is put on the nearest pixel corner of `lattice` (the finest band's), so the centre is off by at most half a
    pixel and a band of that size is copied, not resampled.
    """

    def agreed(pixel: float) -> float:
        return pixel if abs(step / pixel - 1) * max(recipe.height, recipe.width) / 2 <= AGREES else step

    def snapped(edge: float, origin: float, pixel: float) -> float:
        # Rounded first: a place on a pixel's centre must not fall left or right by the last digit of a projection.
        return origin + math.floor(round((edge - origin) / pixel, 3) + 0.5) * pixel

    dx, dy = agreed(lattice.dx), agreed(lattice.dy)
    west = snapped(x - recipe.width / 2 * dx, lattice.west, lattice.dx)
    north = snapped(y + recipe.height / 2 * dy, lattice.north, lattice.dy)
    return ChipGrid(west, north, dx, dy)


@dataclass(frozen=True, eq=False)
class Axis:
    """How `n` chip pixels along one axis come from the source pixels `start` to `stop` (none if they are equal).

    Either `pick` (int [n], which of the source pixels, -1 outside the raster) or `weights` (float64 [n, stop - start]).
    """

    start: int
    stop: int
    pick: npt.NDArray[np.int64] | None = None
    weights: F64 | None = None


def method_for(ratio: float, n: int, asked: Resampling | None) -> Resampling:
    """The resampling of a band whose pixels are 1 / `ratio` chip pixels wide, on a chip `n` pixels wide."""
    if asked is not None:
        return asked
    if abs(ratio - 1) * n / 2 <= AGREES:
        return "nearest"
    return "bilinear" if ratio < 1 else "average"


def axis(first: float, ratio: float, n: int, size: int, method: Resampling) -> Axis:
    """The axis of `n` chip pixels that begin at source coordinate `first` and are `ratio` source pixels wide each.

    `size`: how many source pixels there are. nearest: the pixel that a centre lies in. bilinear: the two pixels round a
    centre by distance; the outermost pixel is repeated up to the raster's edge. average: by overlap.
    """
    base = math.floor(first)
    reach = math.ceil(n * ratio) + 2
    # All of the axis is relative to `base`, so that chips inside a raster share one table for each offset within a pixel.
    low, high = max(-base, -2), min(size - base, reach)
    start, pick, weights = _table(round(first - base, 6), round(ratio, 9), n, low, high, method)
    count = len(pick) if pick is not None else 0
    if weights is not None:
        return Axis(base + start, base + start + weights.shape[1], weights=weights)
    stop = start + (int(pick.max()) + 1 if pick is not None and count else 0)
    return Axis(base + start, base + stop, pick=pick)


@lru_cache(maxsize=4096)
def _table(
    first: float, ratio: float, n: int, low: int, high: int, method: Resampling
) -> tuple[int, npt.NDArray[np.int64] | None, F64 | None]:
    """First source pixel, and `pick` or `weights`; only source pixels from `low` to below `high` exist."""
    # Rounded: a centre on the border of two pixels must not depend on the last digit.
    centre = np.round(first + (np.arange(n) + 0.5) * ratio, 6)
    inside = (centre >= low) & (centre < high)
    if method == "nearest":
        at = np.floor(centre).astype(np.int64)
        start = int(at[inside].min()) if inside.any() else low
        return start, np.where(inside, at - start, -1), None
    if high <= low:
        return low, None, np.zeros((n, 0))
    pixels = np.arange(low, high)
    if method == "bilinear":
        distance = np.abs(np.clip(centre, low + 0.5, high - 0.5)[:, None] - (pixels + 0.5))
        weights = np.where(inside[:, None], np.clip(1 - distance, 0, None), 0.0)
    else:
        upper = np.minimum(centre[:, None] + ratio / 2, pixels + 1)
        lower = np.maximum(centre[:, None] - ratio / 2, pixels)
        weights = np.round(np.clip(upper - lower, 0, None) / ratio, 6)
    used = np.flatnonzero(weights.any(axis=0))
    if not used.size:
        return low, None, np.zeros((n, 0))
    weights = np.ascontiguousarray(weights[:, used[0] : used[-1] + 1])
    return low + int(used[0]), None, weights


def apply(rows: Axis, columns: Axis, x_BHW: npt.NDArray[np.generic], good_BHW: Bool | None) -> tuple[F64, Bool]:
    """Source pixels on the chip's grid: values float64 [B, H, W] (0 where there are none) and where there are values.

    `x_BHW`: the source pixels rows.start:rows.stop, columns.start:columns.stop. `good_BHW`: where they have data; None:
    everywhere. With weights, pixels without data are left out and the others' weights made to sum to 1.
    """
    if rows.pick is not None and columns.pick is not None:
        inside = (rows.pick >= 0)[:, None] & (columns.pick >= 0)
        if not inside.any():
            shape = (len(x_BHW), *inside.shape)
            return np.zeros(shape), np.zeros(shape, dtype=bool)
        at = np.ix_(np.arange(len(x_BHW)), np.maximum(rows.pick, 0), np.maximum(columns.pick, 0))
        good = np.broadcast_to(inside, (len(x_BHW), *inside.shape)) if good_BHW is None else good_BHW[at] & inside
        return np.where(good, x_BHW[at], 0).astype(np.float64), good
    assert rows.weights is not None  # one method for both axes
    assert columns.weights is not None
    if good_BHW is None:
        total = rows.weights.sum(axis=1)[:, None] * columns.weights.sum(axis=1)
        summed = rows.weights @ x_BHW.astype(np.float64) @ columns.weights.T
        total = np.broadcast_to(total, summed.shape)
    else:
        summed = rows.weights @ np.where(good_BHW, x_BHW, 0).astype(np.float64) @ columns.weights.T
        total = rows.weights @ good_BHW.astype(np.float64) @ columns.weights.T
    good = total >= MOSTLY - 1e-6
    return np.where(good, summed / np.where(good, total, 1.0), 0.0), good
