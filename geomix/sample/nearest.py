"""Rows of a large pool near some targets, by cells: what is far from all of them is never looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geomix.sample import sphere

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_BLOCK = 1 << 20
_SIDE = 512
"""Cells along each axis of the cube around the sphere: 25 km."""
CELL = 2 / (_SIDE - 2)
"""Side of a cell as a chord of the unit sphere."""
SMALL = 300_000
"""Pools up to this many rows are searched whole: their trees cost less than the cells."""

FINEST = 0.05
"""Least side of the cells of a map of caps, degrees: 5.6 km."""


class Cells:
    """Rows by the cells of a cube around the Earth: finds those near targets, without trouble at poles and dateline."""

    def __init__(self, lon: F64, lat: F64) -> None:
        self.rows = len(lon)
        self.keys = np.empty(len(lon) if len(lon) > SMALL else 0, dtype=np.int32)
        for start in range(0, len(self.keys), _BLOCK):
            part = slice(start, start + _BLOCK)
            self.keys[part] = _key(_cell(sphere.unit_vectors(lon[part], lat[part])))

    def near(self, targets: F64, reach: float) -> I64:
        """Positions, in order, of all rows within a chord `reach` of one of `targets` (unit vectors [T, 3]), and of more."""
        steps = int(np.ceil(reach / CELL))
        if steps > 16 or not len(self.keys):
            return np.arange(self.rows, dtype=np.int64)
        at = np.unique(_key(_cell(targets)))
        for stride in (1, _SIDE, _SIDE * _SIDE):  # along one axis after the other; cells at the cube's faces hold nothing
            at = np.unique(at[:, None] + stride * np.arange(-steps, steps + 1, dtype=np.int32))
        cube = np.zeros(_SIDE**3, dtype=bool)
        cube[at[(at >= 0) & (at < _SIDE**3)]] = True
        return np.flatnonzero(cube[self.keys]).astype(np.int64)


class Caps:
    """Caps of `metres` [T] about targets (degrees, float64 [T]), drawn on a map: which rows may lie in one."""

    def __init__(self, lon: F64, lat: F64, metres: F64) -> None:
        angle = np.degrees(np.minimum((metres + 1) / sphere.RADIUS_M, np.pi))
        self._high = int(180 / np.clip(angle.min() / 2, FINEST, 1.0))
        rows, wide = self._high, 2 * self._high
        south, north = lat - angle, lat + angle
        # Half the width of a cap in degrees of longitude: everything where it holds a pole.
        polar = (south <= -90) | (north >= 90)
        sine = np.sin(np.radians(np.minimum(angle, 90))) / np.maximum(np.cos(np.radians(lat)), 1e-12)
        half = np.where(polar, 180.0, np.degrees(np.arcsin(np.minimum(sine, 1.0))))
        low, high = (np.clip(np.floor((y + 90) / 180 * rows).astype(np.int64), 0, rows - 1) for y in (south, north))
        left, right = (np.floor((x + 180) / 180 * rows).astype(np.int64) for x in (lon - half, lon + half))
        around = right - left >= wide - 1
        left, right = np.where(around, 0, left % wide), np.where(around, wide - 1, right % wide)
        wraps = left > right
        # Corners of rectangles, whose running sums count how many rectangles a cell is in.
        map_ = np.zeros((rows + 1, wide + 1), dtype=np.int32)
        for west, east, these in (
            (left, np.where(wraps, wide - 1, right), slice(None)),
            (np.zeros_like(left), right, wraps),
        ):
            for y, x, sign in ((low, west, 1), (low, east + 1, -1), (high + 1, west, -1), (high + 1, east + 1, 1)):
                np.add.at(map_, (y[these], x[these]), sign)
        self._map = np.cumsum(np.cumsum(map_, axis=0, out=map_), axis=1, out=map_) > 0

    def holds(self, lon: F64, lat: F64) -> npt.NDArray[np.bool_]:
        """Mask [N]: False where a point lies in none of the caps for certain. Degrees, WGS84."""
        y = np.clip(np.floor((lat + 90) / 180 * self._high).astype(np.int64), 0, self._high - 1)
        x = np.floor((lon + 180) / 180 * self._high).astype(np.int64) % (2 * self._high)
        return np.asarray(self._map[y, x], dtype=bool)


def _cell(vectors: F64) -> npt.NDArray[np.int32]:
    return np.floor((vectors + 1) / CELL).astype(np.int32)


def _key(cells: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return (cells[:, 0] * _SIDE + cells[:, 1]) * _SIDE + cells[:, 2]


def along(vectors: F64) -> I64:
    """Positions [N] in an order in which neighbours follow each other: a tree answers such queries twice as fast."""
    x, y, z = np.floor((vectors.T + 1) * 32).astype(np.int64)
    # Boustrophedon: every second column runs backwards.
    y = np.where(x % 2, 63 - y, y)
    return np.lexsort((z, y, x)).astype(np.int64)
