"""Equal Earth metres (EPSG:8857), hexagons that hold samples, and the outlines of land beneath them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from geomix import atlas

F64 = npt.NDArray[np.float64]

PROJECTION = "EPSG:8857"
"""Equal Earth (Savric, Patterson and Jenny 2018): equal-area, so that equal hexagons are equal ground."""

WIDTH_KM = 400.0
"""Width of a hexagon, flat to flat."""

_CRACK_M = 20_000.0
_LAND_TOLERANCE_M = 50_000.0
_SMALLEST_ISLAND_M2 = 2.5e10


def project(lonlat_N2: F64) -> F64:
    """Equal Earth metres [N, 2] of places in degrees (WGS84, longitude first)."""
    forward = pyproj.Transformer.from_crs("EPSG:4326", PROJECTION, always_xy=True)
    return np.column_stack(forward.transform(lonlat_N2[:, 0], lonlat_N2[:, 1]))


@lru_cache(maxsize=1)
def land_outline() -> tuple[F64, ...]:
    """Outlines of land in Equal Earth metres, simplified to what a small map shows."""
    polygons = shapely.transform(np.asarray(atlas.land().polygon), project)
    # Coarse polygons first: the union of detailed ones takes seconds. The buffer closes the cracks between neighbours.
    coarse = shapely.buffer(shapely.simplify(polygons, _CRACK_M), _CRACK_M, quad_segs=1)
    simple = shapely.simplify(shapely.buffer(shapely.union_all(coarse), -_CRACK_M, quad_segs=1), _LAND_TOLERANCE_M)
    parts = [p for p in shapely.get_parts(simple) if p.area >= _SMALLEST_ISLAND_M2]
    return tuple(shapely.get_coordinates(p.exterior) for p in parts)


def hexagons(xy_N2: F64, width: float) -> tuple[F64, npt.NDArray[np.int64]]:
    """Centres [K, 2] of the hexagons that hold points, and how many each holds [K]. Pointy side up, flat to flat `width`."""
    side = width / np.sqrt(3)
    # Axial coordinates, rounded in cube coordinates to the nearest centre.
    q = (np.sqrt(3) / 3 * xy_N2[:, 0] - xy_N2[:, 1] / 3) / side
    r = (2 / 3 * xy_N2[:, 1]) / side
    cube = np.column_stack([q, -q - r, r])
    near = np.round(cube)
    off = np.abs(near - cube)
    worst = off.argmax(axis=1)
    at = np.arange(len(near))
    near[at, worst] = 0.0
    near[at, worst] = -near.sum(axis=1)
    # One key a cell, in order of (column, row): sorting pairs takes ten times as long.
    column, row = near[:, 0].astype(np.int64), near[:, 2].astype(np.int64)
    wide = int(np.abs(row).max(initial=0)) * 2 + 1
    keys, counts = np.unique(column * wide + row + wide // 2, return_counts=True)
    column, row = keys // wide, keys % wide - wide // 2
    centres = np.column_stack([side * np.sqrt(3) * (column + row / 2), side * 1.5 * row])
    return centres, counts
