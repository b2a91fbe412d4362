"""Patches: which cover and which of its variants each pixel has.

Every cover has a smooth random field of its own correlation length; the cover with the highest score, log share + field
with Gumbel's distribution, wins the pixel: its chance is then exactly its share in the landscape, whatever the lengths.
Letters in names: N windows, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from geomix import ids
from geomix.earth import noise, parcels, spectra, surfaces
from geomix.earth.grid import Windows
from geomix.earth.keyed import I64
from geomix.earth.landscapes import Landscapes
from geomix.earth.noise import F32

SPACING: Mapping[str, int] = {
    **{"wetland": 12, "shrub": 16, "grass": 20, "mangrove": 24, "built": 32, "tree": 40, "water": 48, "bare": 56, "crop": 64},
}
"""Cover -> spacing, in pixels of 10 m, of its field's lattice."""

CORRELATION_M: Mapping[str, float] = {c: 10 * 1.08 * s for c, s in SPACING.items()}
"""Cover -> distance over which the correlation of its field falls to 1/e, metres."""

_ROUGH: tuple[tuple[int, float], ...] = ((8, 0.35), (3, 0.2))
"""Every field has finer ones on it, which fray the patches' edges."""

RIVER = 0.016
"""Where it rains 3 mm a day: a river's half width, in standard deviations of the field whose zero line it follows."""

_STEP = 1 / 1024
_Z = np.arange(-6, 6 + _STEP, _STEP)
_CHANCE = np.clip(ndtr(_Z), 1e-9, 1 - 1e-9)
_GUMBEL: F32 = -np.log(-np.log(_CHANCE)).astype(np.float32)
_RANK: F32 = _CHANCE.astype(np.float32)


@dataclass(frozen=True)
class Patches:
    """The ground of N windows."""

    cover: npt.NDArray[np.uint8]
    """Number in `spectra.COVERS` [N, H, W]."""
    surface: I64
    """Number of the variant, as in `surfaces` [N, H, W]."""
    tone: F32
    """What a parcel is brighter (above 0) or darker than its kind: a normal deviate; 0 outside parcels."""
    density: F32
    """The same for the leaves on it."""
    edge: F32
    """Share of the pixel that is a parcel's edge."""


def of(landscapes: Landscapes, node: I64, seed: int) -> Patches:
    """The patches of the landscapes' windows. `node` [N, H, W]: each pixel's node, among the landscapes' K."""
    windows = landscapes.windows
    cover = _covers(landscapes, node, seed)
    wide = noise.fractal(windows, ((32, 1.0), (8, 0.4), (3, 0.3)), seed, "variants")[:, 0]
    count = surfaces.COUNT[cover]
    surface = surfaces.FIRST[cover] + (_looked_up(_RANK, wide) * count).astype(np.int64)
    tone, density, edge = (np.zeros(cover.shape, dtype=np.float32) for _ in range(3))

    n, r, c = np.nonzero((cover == spectra.CROP) | (cover == spectra.BUILT))
    kind = cover[n, r, c]
    style = parcels.styles_of(landscapes.ground.continent)[node[n, r, c]]
    style[kind == spectra.BUILT] = parcels.TOWN
    bend = noise.smooth(windows, 40, seed, "bends", 2)[n, :, r, c].T
    state = ids.permanent_random(windows.epsg.astype(np.uint64), ids.derive_seed("earth", seed, "parcels"))[n]
    key, fringe = parcels.divided(state, windows.column[n] + c, windows.row[n] + r, bend, style)
    surface[n, r, c] = surfaces.FIRST[kind] + (noise.units(key, 0) * surfaces.COUNT[kind]).astype(np.int64)
    tone[n, r, c], density[n, r, c], edge[n, r, c] = noise.normals(key, 1), noise.normals(key, 2), fringe
    return Patches(cover, surface, tone, density, edge)


def field_of(windows: Windows, cover: str, seed: int) -> F32:
    """The normal field by which a cover wins pixels: [N, H, W]."""
    return noise.fractal(windows, ((SPACING[cover], 1.0), *_ROUGH), seed, f"cover {cover}")[:, 0]


def _covers(landscapes: Landscapes, node: I64, seed: int) -> npt.NDArray[np.uint8]:
    windows = landscapes.windows
    with np.errstate(divide="ignore"):
        chance = np.log(landscapes.share_K9).astype(np.float32)
    cover = np.zeros(node.shape, dtype=np.uint8)
    best = np.full(node.shape, -np.inf, dtype=np.float32)
    for number, name in enumerate(spectra.COVERS):
        if np.isneginf(chance[:, number]).all():
            continue
        score = _looked_up(_GUMBEL, field_of(windows, name, seed)) + np.ascontiguousarray(chance[:, number])[node]
        cover[score > best] = number
        np.maximum(best, score, out=best)
    wide = landscapes.blended(RIVER / 3 * np.minimum(landscapes.rain_usual_mm, 6) * (landscapes.rain_usual_mm > 0.8))
    line = noise.fractal(windows, ((160, 1.0), (40, 0.2)), seed, "rivers")[:, 0]
    cover[np.abs(line) < wide] = spectra.WATER
    return cover


def _looked_up(table: F32, z: F32) -> F32:
    """The table's value at each normal deviate, to its nearest entry."""
    return np.asarray(table[np.clip((z + 6) * (1 / _STEP) + 0.5, 0, len(table) - 1).astype(np.int32)])
