"""Parcels: straight-edged patches of fields and towns. Rows of uneven width, cut into pieces of uneven length.

Each region of about a kilometre lies in its own direction, except where surveyors laid one grid. P pixels in a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from geomix import ids
from geomix.earth import noise
from geomix.earth.keyed import F64, I64
from geomix.earth.noise import F32


class Style(NamedTuple):
    """How land is divided. Plausible figures, not measured ones."""

    width_m: float
    length_m: float
    turn: float
    """Share of a half circle over which regions are turned: 0 is one grid."""
    bend: float
    """How far edges bend, in widths."""
    edge_m: float
    """Width of hedges, tracks or streets between parcels."""
    uneven: float
    """Largest shift of an edge, in widths; below 0.5."""


STYLES: Mapping[str, Style] = {
    "Africa": Style(60, 90, 1.0, 0.5, 5, 0.35),
    "Asia": Style(55, 120, 1.0, 0.2, 6, 0.3),
    "Europe": Style(120, 300, 1.0, 0.15, 7, 0.35),
    "North America": Style(400, 800, 0.0, 0.0, 12, 0.1),
    "Oceania": Style(380, 700, 0.4, 0.05, 10, 0.25),
    "South America": Style(300, 650, 0.7, 0.1, 8, 0.35),
    "town": Style(80, 130, 1.0, 0.2, 13, 0.3),
}
"""Continent -> its fields; and the blocks of towns."""

NAMES: tuple[str, ...] = tuple(STYLES)
TOWN = NAMES.index("town")
_STYLE = np.array([STYLES[n] for n in NAMES])

REGION = 96
"""Pixels between the middles of regions."""

_STEPS = 256
_ANGLE = np.arange(_STEPS) * (np.pi / _STEPS)
_COS, _SIN = np.cos(_ANGLE), np.sin(_ANGLE)


def styles_of(continent: np.ndarray) -> I64:
    """Number of each continent's style (Africa's where there is none)."""
    return np.array([NAMES.index(c) if c in STYLES else 0 for c in continent], dtype=np.int64)


def divided(state: ids.U64, column: I64, row: I64, bend: F32, style: I64) -> tuple[ids.U64, F32]:
    """The parcel of each pixel: its key, uint64 [P], and the share of the pixel that is the parcel's edge, [P].

    `state` [P]: key of the zone; `bend` [2, P]: two smooth normal fields; `style` [P]: number in `NAMES`.
    """
    width, length, turn, bent, edge_m, uneven = (np.ascontiguousarray(v) for v in _STYLE[style].T)
    width, length = width / 10, length / 10
    region = noise.hashes(
        state,
        np.rint((column + 14.0 * bend[0]) / REGION).astype(np.int64),
        np.rint((row + 14.0 * bend[1]) / REGION).astype(np.int64),
        style,
    )
    angle = (noise.units(region, 0) * turn * _STEPS).astype(np.int64)
    cos, sin = _COS[angle], _SIN[angle]
    x, y = column + bent * width * bend[0], row + bent * width * bend[1]
    strip, across = _piece(region, (y * cos - x * sin) / width, uneven)
    lane = noise.hashes(region, strip)
    # Rows of fields begin anywhere, streets cross.
    start = np.where(style == TOWN, 0.0, noise.units(lane, 0))
    piece, along = _piece(lane, (x * cos + y * sin) / length + start, uneven)
    distance = np.minimum(across * width, along * length)
    edge = np.clip(edge_m / 20 + 0.5 - distance, 0, np.minimum(1, edge_m / 10))
    return noise.hashes(lane, piece), edge.astype(np.float32)


def _piece(state: ids.U64, at: F64, uneven: F64) -> tuple[I64, F64]:
    """Which interval of an uneven partition of a line each position lies in, and how far from its nearer end."""
    whole = np.floor(at).astype(np.int64)
    part = at - whole
    low, high = ((2 * noise.units(noise.hashes(state, whole + k), 1) - 1) * uneven + k for k in (0, 1))
    before, after = part < low, part >= high
    distance = np.minimum(np.abs(part - low), np.abs(part - high))
    return whole - before + after, distance
