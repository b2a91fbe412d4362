"""A row of its own for every target: the nearest that no earlier target took, for millions of both.

Taking turns cannot be vectorised - what a target gets depends on all before it, and around busy cities the near rows run
out - so this one loop is compiled (numba; the machine code is kept beside the module or in the user's cache).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from geomix.sample import sphere

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

_NESTED = 16
"""Fine bands in a coarse one: coarse cells without a free row are passed over at once."""
_RADIUS = sphere.RADIUS_M


class _Grid(NamedTuple):
    """Cells of about equal width: bands of latitude, each with columns of its own. Coarse ones hold _NESTED bands."""

    height: float
    """Height of a fine band, degrees."""
    first: I64
    """Number of the first cell of each fine band, and of one band more."""
    columns: I64
    """Cells of each fine band: a multiple of the cells of its coarse band."""
    coarse_first: I64
    coarse_columns: I64


def nearest_unused(lon: F64, lat: F64, tie: npt.NDArray[np.uint64], to_lon: F64, to_lat: F64) -> tuple[I64, F64]:
    """For each target in turn, the nearest row that no earlier target took: positions int64 [T] and distances in metres.

    Exact: distances are compared in whole metres, ties go to the smaller `tie` (uint64 [N]). Needs T <= N. Degrees, WGS84.
    """
    grid = _grid(len(lon))
    targets = sphere.unit_vectors(to_lon, to_lat)
    rows, free, slots = _slots(lon, lat, tie, grid)
    found = np.empty(len(targets), dtype=np.int64)
    far = np.empty(len(targets), dtype=np.float64)
    where = targets, np.radians(to_lat), np.asarray(to_lon, dtype=np.float64)
    compiled: Any = _take
    compiled(*slots, *rows, free, *grid, *where, found, far)
    return found, far


def _grid(rows: int) -> _Grid:
    # About four rows a cell if they cover the Earth evenly; cells of 0.25 to 3 degrees.
    coarse_bands = int(np.clip(np.sqrt(rows * np.pi) / 4 / _NESTED, 180 / (3 * _NESTED), 180 / (0.25 * _NESTED)))
    bands = coarse_bands * _NESTED
    height = 180 / bands
    edges = np.radians(np.arange(coarse_bands + 1) * height * _NESTED - 90)
    widest = np.maximum(np.cos(edges[:-1]), np.cos(edges[1:]))
    widest[(edges[:-1] < 0) & (edges[1:] > 0)] = 1.0
    coarse_columns = np.maximum(1, np.rint(360 / (height * _NESTED) * widest)).astype(np.int64)
    middles = np.radians((np.arange(bands) + 0.5) * height - 90)
    own = coarse_columns.repeat(_NESTED)
    columns = own * np.maximum(1, np.rint(360 / height * np.cos(middles) / own)).astype(np.int64)
    first, coarse_first = (np.concatenate([[0], np.cumsum(c)]).astype(np.int64) for c in (columns, coarse_columns))
    return _Grid(height, first, columns, coarse_first, coarse_columns)


def _slots(lon: F64, lat: F64, tie: npt.NDArray[np.uint64], grid: _Grid) -> tuple[Any, Any, Any]:
    """Rows in order of cell: (x, y, z, tie, position), the free ones of each coarse cell, and (first slot, free) of cells."""
    cell = np.empty(len(lon), dtype=np.int64)
    _cells(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64), *grid, cell)
    free = np.bincount(cell, minlength=int(grid.first[-1]))
    start = np.concatenate([[0], np.cumsum(free)[:-1]])
    position = np.empty(len(cell), dtype=np.int64)
    _sort(cell, start.copy(), position)
    x, y, z = (np.ascontiguousarray(v) for v in sphere.unit_vectors(lon[position], lat[position]).T)
    coarse = np.zeros(int(grid.coarse_first[-1]), dtype=np.int64)
    _coarse(free, *grid, coarse)
    return (x, y, z, tie[position], position), coarse, (start, free)


@numba.njit(cache=True)
def _cells(lon, lat, height, first, columns, coarse_first, coarse_columns, cell):  # type: ignore[no-untyped-def]
    for n in range(len(lon)):
        band = min(max(int((lat[n] + 90) / height), 0), len(columns) - 1)
        column = int(np.floor((lon[n] + 180) / 360 * columns[band])) % columns[band]
        cell[n] = first[band] + column


@numba.njit(cache=True)
def _sort(cell, at, position):  # type: ignore[no-untyped-def]
    for n in range(len(cell)):
        position[at[cell[n]]] = n
        at[cell[n]] += 1


@numba.njit(cache=True)
def _coarse(free, height, first, columns, coarse_first, coarse_columns, coarse):  # type: ignore[no-untyped-def]
    for band in range(len(columns)):
        above = band // _NESTED
        nested = columns[band] // coarse_columns[above]
        for column in range(columns[band]):
            coarse[coarse_first[above] + column // nested] += free[first[band] + column]


@numba.njit(cache=True)
def _take(  # type: ignore[no-untyped-def]
    start, free, x, y, z, tie, position, coarse, height, first, columns, coarse_first, coarse_columns,
    targets, target_lat, target_lon, found, far,
):  # fmt: skip
    for t in range(len(targets)):
        tx, ty, tz = targets[t]
        reach = height * np.pi / 180 * _RADIUS / 2
        while True:
            best, best_tie, slot, home, home_coarse = np.inf, np.uint64(0), -1, -1, -1
            bound = np.inf
            angle = min((reach + 1) / _RADIUS, np.pi)
            low = max(int(((target_lat[t] - angle) * 180 / np.pi + 90) / height), 0)
            high = min(int(((target_lat[t] + angle) * 180 / np.pi + 90) / height), len(columns) - 1)
            # Half the width of the cap in degrees of longitude: everything where it holds a pole.
            if abs(target_lat[t]) + angle >= np.pi / 2:
                half = 180.0
            else:
                half = np.arcsin(min(1.0, np.sin(angle) / np.cos(target_lat[t]))) * 180 / np.pi
            for band in range(low, high + 1):
                above, count = band // _NESTED, columns[band]
                nested = count // coarse_columns[above]
                left = int(np.floor((target_lon[t] - half + 180) / 360 * count))
                right = int(np.floor((target_lon[t] + half + 180) / 360 * count))
                if right - left >= count:
                    left, right = 0, count - 1
                c = left
                while c <= right:
                    column = c % count
                    parent = coarse_first[above] + column // nested
                    if coarse[parent] == 0:
                        c += nested - column % nested
                        continue
                    cell = first[band] + column
                    for s in range(start[cell], start[cell] + free[cell]):
                        dx, dy, dz = x[s] - tx, y[s] - ty, z[s] - tz
                        square = dx * dx + dy * dy + dz * dz
                        if square > bound:
                            continue
                        whole = np.rint(2 * _RADIUS * np.arcsin(min(1.0, np.sqrt(square) / 2)))
                        if whole < best or (whole == best and tie[s] < best_tie):
                            best, best_tie, slot, home, home_coarse = whole, tie[s], s, cell, parent
                            chord = 2 * np.sin(min((whole + 1) / _RADIUS, np.pi) / 2)
                            bound = chord * chord
                    c += 1
            if slot >= 0 and best + 1 <= reach:
                break
            if reach > np.pi * _RADIUS + 2:
                break
            # A row beyond the cap may be the nearest, or one inside may be nearer: look as far as that row.
            reach = best + 2 if slot >= 0 else min(2 * reach, np.pi * _RADIUS + 3)
        found[t], far[t] = position[slot], best
        free[home] -= 1
        coarse[home_coarse] -= 1
        last = start[home] + free[home]
        x[slot], y[slot], z[slot] = x[last], y[last], z[last]
        tie[slot], position[slot] = tie[last], position[last]
