"""Clouds of a day, their shadows on the ground, and the mask of both.

Letters in names: N windows, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from geomix.earth import noise
from geomix.earth.grid import PIXEL_M, Windows
from geomix.earth.keyed import F64, I64
from geomix.earth.landscapes import Landscapes
from geomix.earth.noise import F32

CLEAR, SHADOW, CLOUD = range(3)
"""Values of the mask."""

OCTAVES: tuple[tuple[int, float], ...] = ((768, 0.7), (192, 0.55), (64, 0.4), (24, 0.25), (8, 0.14), (3, 0.07))
HEIGHT_M = (600.0, 1800.0)
"""Height of the clouds over the ground, one a zone and day."""

LOWEST_SHADOW = np.radians(20.0)
"""A shadow falls no farther than with this sun."""


def share(rain_mm: F64) -> F64:
    """Mean share of the ground under clouds: 3 % plus 3 % a mm of daily rain, at most 30 %: archives prefer clear skies."""
    return np.asarray(np.clip(0.03 + 0.03 * rain_mm, 0, 0.3))


@dataclass(frozen=True)
class Sky:
    """What is between the ground and the satellite."""

    opacity: F32
    """0 (clear) to 1 (nothing of the ground is seen) [N, H, W]."""
    brightness: F32
    """Of the cloud, relative [N, H, W]."""
    shaded: F32
    """Share of the direct sunlight that clouds take [N, H, W]."""
    mask: npt.NDArray[np.uint8]


def over(landscapes: Landscapes, node: I64, seed: int) -> Sky:
    """The sky over the landscapes' windows. `node` [N, H, W]: each pixel's node, among the landscapes' K."""
    windows = landscapes.windows
    threshold = landscapes.blended(-ndtri(share(landscapes.rain_mm)))
    above = _field(windows, seed) - threshold
    opacity = _thickness(above)
    shaded = np.zeros_like(opacity)
    # Shadows lie where the node's sun throws them: each window once for every node in it.
    count = len(landscapes.month)
    pairs = np.bincount((node + count * np.arange(len(windows))[:, None, None]).ravel(), minlength=count * len(windows))
    n, k = np.divmod(np.flatnonzero(pairs), count)
    rows, columns = _throw(landscapes, seed)
    moved = Windows(
        windows.epsg[n], windows.column[n] + columns[k], windows.row[n] + rows[k], windows.day[n], windows.height, windows.width
    )
    beyond = _thickness(_field(moved, seed) - threshold[n])
    for at, (window, own) in enumerate(zip(n, k, strict=True)):
        np.copyto(shaded[window], beyond[at], where=node[window] == own)
    mask = np.where(above > 0, CLOUD, np.where(shaded > 0.3, SHADOW, CLEAR)).astype(np.uint8)
    return Sky(opacity, 0.75 + np.float32(0.18) * np.minimum(above, 1.5), shaded, mask)


def _field(windows: Windows, seed: int) -> F32:
    scale = np.sqrt(sum(w * w for _, w in OCTAVES))
    total = np.zeros((len(windows), windows.height, windows.width), dtype=np.float32)
    for spacing, weight in OCTAVES:
        total += np.float32(weight / scale) * noise.smooth(windows, spacing, seed, "clouds", daily=True)[:, 0]
    return total


def _thickness(above: F32) -> F32:
    return np.asarray(1 - np.exp(-6 * np.maximum(above, np.float32(0))))


def _throw(landscapes: Landscapes, seed: int) -> tuple[I64, I64]:
    """Rows and columns from each node's ground to the cloud that shades it: int64 [K]."""
    w = landscapes.windows
    name, back = np.unique(landscapes.node_NJJ, return_index=True)
    of_node = back // (landscapes.node_NJJ.shape[1] * landscapes.node_NJJ.shape[2])
    key = noise.hashes(w.epsg[of_node].astype(np.uint64), w.day[of_node], np.full(len(name), seed))
    height = HEIGHT_M[0] + (HEIGHT_M[1] - HEIGHT_M[0]) * noise.units(key, 0)
    reach = height / np.tan(np.maximum(landscapes.sun_height[name], LOWEST_SHADOW)) / PIXEL_M
    azimuth = landscapes.sun_azimuth[name]
    return np.rint(-reach * np.cos(azimuth)).astype(np.int64), np.rint(reach * np.sin(azimuth)).astype(np.int64)
