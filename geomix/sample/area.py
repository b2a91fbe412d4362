"""How much land each row of a pool stands for: the weights of sampling that is uniform over land area.

Cells lie in the cylindrical equal-area projection (longitude, sine of latitude; Lambert 1772), where equal rectangles have
equal areas: 64 x 32 cells of 249,000 km2, each quartered up to five times, down to 2048 x 1024 of 243 km2. A quarter's land
is counted at the centres of the finest cells. Why not the distance to the n-th neighbour: it takes the sea around a
small island for land (of 22,620 rows uniform over land, one on Tahiti counted 970 times the median row).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix import atlas

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Land = Callable[[F64, F64], npt.NDArray[np.bool_]]
"""(longitudes, latitudes) in degrees -> True where there is land."""

BASE, LEVELS = (64, 32), 5
LEAST_ROWS = 4
"""A cell is quartered only if every quarter with land keeps this many rows: no land is lost, and no row weighs too much."""

_EARTH_KM2 = 510_072_000.0
FINEST_KM2 = _EARTH_KM2 / (BASE[0] * BASE[1] << 2 * LEVELS)
"""Area of a finest cell."""


def weights(lon: F64, lat: F64, land: Land, pyramid: Sequence[I64] | None = None) -> F64:
    """Land area that each row stands for, in km2: float64 [N], > 0. Degrees, WGS84, longitude first.

    The land of a row's cell (the smallest that keeps LEAST_ROWS rows in each of its landed quarters), shared by the rows
    in it. Rows of a cell in which `land` finds none share half of a finest cell. `pyramid`: rows in the cells of each
    level, from the base, of a larger pool that these rows are part of.
    """
    column, row = cells(lon, lat, LEVELS)
    lands = _lands(land)
    counts = pyramid or [_count(column >> (LEVELS - level), row >> (LEVELS - level), level) for level in range(LEVELS + 1)]
    leaf = np.zeros(len(column), dtype=np.int64)  # level of each row's cell
    quartered = np.ones(BASE[::-1], dtype=bool)
    for level in range(LEVELS):
        full = (lands[level + 1] == 0) | (counts[level + 1] >= LEAST_ROWS)
        quartered &= (lands[level] > 0) & _quarters(full).all(axis=(1, 3))
        if not quartered.any():
            break
        up = LEVELS - level
        leaf[quartered[row >> up, column >> up]] = level + 1
        quartered = quartered.repeat(2, axis=0).repeat(2, axis=1)
    stands_for = np.empty(len(column), dtype=np.float64)
    for level in range(LEVELS + 1):
        mine, up = leaf == level, LEVELS - level
        at = row[mine] >> up, column[mine] >> up
        stands_for[mine] = np.maximum(lands[level][at], 0.5) / counts[level][at]
    return stands_for * (_EARTH_KM2 / lands[LEVELS].size)


def land_km2(land: Land) -> F64:
    """Land of each base cell in km2: float64 [2048], row by row from the south."""
    return np.asarray(_lands(land)[0].ravel() * FINEST_KM2, dtype=np.float64)


def cells(lon: F64, lat: F64, level: int = 0) -> tuple[I64, I64]:
    """Column and row of each point's equal-area cell: int64 [N] each; level 0: 64 x 32 cells, doubled by every level."""
    high, wide = _shape(level)
    column = np.floor((np.asarray(lon) + 180) / 360 * wide).astype(np.int64) % wide
    row = np.floor((np.sin(np.radians(lat)) + 1) / 2 * high).astype(np.int64)
    return column, np.clip(row, 0, high - 1)


@lru_cache(maxsize=4)
def _lands(land: Land) -> list[I64]:
    """Finest cells with land in each cell, level by level from the base."""
    high, wide = _shape(LEVELS)
    lon = (np.arange(wide) + 0.5) / wide * 360 - 180
    lat = np.degrees(np.arcsin((np.arange(high) + 0.5) / high * 2 - 1))
    return pyramid_of(np.asarray(land(np.tile(lon, high), np.repeat(lat, wide)), dtype=np.int64).reshape(high, wide))


def no_rows() -> I64:
    """Rows in each finest cell where there are none: int64 [1024, 2048], from the south and from 180 degrees west."""
    return np.zeros(_shape(LEVELS), dtype=np.int64)


def add_rows(finest: I64, lon: F64, lat: F64) -> None:
    """Adds rows to those in each finest cell."""
    column, row = cells(lon, lat, LEVELS)
    np.add.at(finest, (row, column), 1)


def pyramid_of(finest: I64) -> list[I64]:
    """What is counted in the cells of each level, from the base, of what is counted in the finest ones."""
    found = [finest]
    for _ in range(LEVELS):
        found.insert(0, _quarters(found[0]).sum(axis=(1, 3)))
    return found


def _count(column: I64, row: I64, level: int) -> I64:
    high, wide = _shape(level)
    return np.bincount(row * wide + column, minlength=high * wide).reshape(high, wide)


def _shape(level: int) -> tuple[int, int]:
    return BASE[1] << level, BASE[0] << level


def _quarters(grid: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return grid.reshape(grid.shape[0] // 2, 2, grid.shape[1] // 2, 2)


def is_land(lon: F64, lat: F64) -> npt.NDArray[np.bool_]:
    """True where the packaged land-cover map has no water, bool [N]."""
    return np.asarray(atlas.lookup("landcover", lon, lat) > 0, dtype=bool)
