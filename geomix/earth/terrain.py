"""Terrain: a synthetic height field, and how the sun lights its slopes.

Letters in names: N windows, H rows, W columns.
"""

from __future__ import annotations

import numpy as np

from geomix.earth import noise
from geomix.earth.grid import PIXEL_M, Windows
from geomix.earth.landscapes import Landscapes
from geomix.earth.noise import F32

SPACINGS: tuple[int, ...] = (192, 96, 48, 24, 12, 6)
"""Lattices of the height field, pixels; each octave's slope is `_STEEPER` times the one before."""

FOLDED = 5
"""The first octaves are folded at their zero line: ridges with a crest."""

_STEEPER = 1.0
# Mean square slope of `noise.smooth`, both axes, in units of 1 / spacing^2: 2 * (integral b'^2 / integral b^2) of the cubic
# B-spline b, 2 * (2/3) / (151/315).
_SLOPE = 2 * (2 / 3) / (151 / 315)

DIFFUSE: dict[str, float] = {
    **{
        "B2": 0.40,
        "B3": 0.30,
        "B4": 0.24,
        "B5": 0.21,
        "B6": 0.19,
        "B7": 0.18,
        "B8": 0.16,
        "B8A": 0.15,
        "B11": 0.08,
        "B12": 0.06,
    },
}
"""Share of skylight on level ground: shadows are blue. Round figures."""


def heights(windows: Windows, seed: int) -> F32:
    """The height field where its root mean square slope is 1: metres, [N, H, W]."""
    total = np.zeros((len(windows), windows.height, windows.width), dtype=np.float32)
    weights = [_STEEPER**k for k in range(len(SPACINGS))]
    unit = np.sqrt(_SLOPE * sum(w * w for w in weights))
    for k, (spacing, weight) in enumerate(zip(SPACINGS, weights, strict=True)):
        z = noise.smooth(windows, spacing, seed, "height")[:, 0]
        total += np.float32(weight * spacing * PIXEL_M / unit) * (-np.abs(z) if k < FOLDED else z)
    return total


def sunlight(landscapes: Landscapes, seed: int, flat: np.ndarray) -> F32:
    """Cosine of the sun's angle to the ground over that to level ground: [N, H, W]; 1 where `flat` [N, H, W].

    The height field is as steep as the landscape (root mean square slope = the node's), by straight lines between nodes.
    """
    w = landscapes.windows
    height = heights(w.grown(1), seed)
    steep = landscapes.blended(np.tan(np.radians(landscapes.ground.slope_deg)))
    steep = np.where(flat, np.float32(0), steep / np.float32(2 * PIXEL_M))
    east = (height[:, 1:-1, 2:] - height[:, 1:-1, :-2]) * steep
    north = (height[:, :-2, 1:-1] - height[:, 2:, 1:-1]) * steep
    level = np.cos(landscapes.sun_height) / np.sin(landscapes.sun_height)
    to_east, to_north = (landscapes.blended(level * f(landscapes.sun_azimuth)) for f in (np.sin, np.cos))
    facing = (1 - east * to_east - north * to_north) / np.sqrt(1 + east * east + north * north)
    return np.asarray(np.maximum(facing, np.float32(0)))
