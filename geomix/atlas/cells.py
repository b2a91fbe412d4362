"""A two-level longitude-latitude index of polygon parts: most points are answered by their cell, the rest tested exactly.

Coarse cells (1/4 degree) that a boundary may touch are divided into 16 x 16 fine ones (1/64 degree, at most 1.7 km). A
cell that no boundary comes near lies in the same parts with all its points, so one exact test of one point answers for
the cell, and for every cell that it is joined to by such cells. What is left is `EXACT`: the caller tests those points.

Polygons stay as drawn: edges are straight in the polygons' own coordinate system and become curves here. Conservative
where in doubt: a cell is `EXACT` if a curve comes within `_MARGIN`, if the projection tears or stretches it, or if it lies
at a pole or the dateline. The margin (over 400 m of latitude) also covers the metres by which datum shifts may jump.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # loads scipy.ndimage when it is first used
import shapely

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.signedinteger[Any]]
Transform = Callable[[F64, F64], tuple[F64, F64]]

EXACT = -2
"""Code of a cell that has no one answer. Other codes: a part's index, or -1 for none."""

_PER_DEGREE, _BITS = 4, 4  # coarse cells a degree; bits of a fine cell's place along a coarse one
_SIDE = 1 << _BITS
_ROWS, _COLUMNS = 180 * _PER_DEGREE, 360 * _PER_DEGREE
_FINE = _PER_DEGREE * _SIDE
_MARGIN = 0.25  # of a fine cell
_DEPTH = 10  # cuts of a piece by up to 64
_STRETCH = 10.0  # longest side of a cell in the projection, as a multiple of its length at the equator
_CELL_M = 111_320.0 / _PER_DEGREE

CONTINUOUS = frozenset(
    {
        *("Albers Equal Area", "Equal Earth", "Equidistant Cylindrical", "Lambert Azimuthal Equal Area"),
        *("Lambert Conic Conformal (1SP)", "Lambert Conic Conformal (2SP)", "Lambert Cylindrical Equal Area"),
        *("Mercator (variant A)", "Mercator (variant B)", "Mollweide", "Polar Stereographic (variant A)"),
        *("Polar Stereographic (variant B)", "Popular Visualisation Pseudo Mercator", "Robinson", "Sinusoidal"),
        *("Transverse Mercator", "Eckert IV", "Eckert VI", "Winkel Tripel", "Natural Earth"),
    }
)
"""Projections (pyproj's method names) that tear the Earth nowhere but at one meridian, a pole or the antipode. An
interrupted one, such as Goode's, has tears too narrow at their ends to be found by looking at corners of cells."""


@dataclass(frozen=True)
class Cells:
    """The index: `coarse` [720 * 1440], a code or -3 - (position of the cell's block); `fine` [blocks * 256], codes."""

    coarse: npt.NDArray[np.int32]
    fine: Codes

    def codes(self, lon: F64, lat: F64) -> npt.NDArray[np.int32]:
        """Code of the cell of each point: int32 [N]. Degrees, -180 to 180 and -90 to 90."""
        column = np.minimum(((lon + 180.0) * _FINE).astype(np.int32), _COLUMNS * _SIDE - 1)
        row = np.minimum(((lat + 90.0) * _FINE).astype(np.int32), _ROWS * _SIDE - 1)
        found = self.coarse[(row >> _BITS) * _COLUMNS + (column >> _BITS)]
        divided = np.flatnonzero(found < EXACT)
        found[divided] = self.fine[(EXACT - 1 - found[divided]) * _SIDE**2 + _inside(column[divided], row[divided])]
        return found


def _inside(column: Codes, row: Codes) -> Codes:
    # Position of a fine cell in its block.
    return ((row & (_SIDE - 1)) << _BITS) + (column & (_SIDE - 1))


@dataclass(frozen=True)
class Drawing:
    """How polygons are drawn: `forward` and `inverse` transform (longitude, latitude) to their coordinates and back.

    Without transforms they are in degrees, WGS84. `tear`: the meridian, in degrees, at which the projection is cut open.
    `metres`: metres in a unit of the coordinates.
    """

    forward: Transform | None = None
    inverse: Transform | None = None
    tear: float = 180.0
    metres: float = 1.0


def build(polygon: npt.NDArray[np.object_], drawing: Drawing, exact: Callable[[F64, F64], Codes]) -> Cells:
    """The index of polygon parts [P]. `exact`: index of the part that holds each point (longitude, latitude), or -1."""
    blocks = _Blocks()
    x, y = _edges(polygon)
    if drawing.inverse is None:
        _mark_straight(blocks, x, y)
    else:
        length = np.hypot(np.ptp(x, axis=1), np.ptp(y, axis=1)) * drawing.metres
        _mark_curves(blocks, x, y, np.maximum(np.ceil(length / _CELL_M), 1).astype(np.int64), drawing.inverse)
    torn = _torn(drawing)
    undivided = ((blocks.of < 0) & ~torn).reshape(1, _ROWS, _COLUMNS)
    codes = _flooded(undivided, np.zeros(1, dtype=np.int64), _COLUMNS, 1.0 / _PER_DEGREE, exact).ravel()
    kept = np.flatnonzero((blocks.of >= 0) & ~torn)
    codes[kept] = EXACT - 1 - np.arange(len(kept), dtype=np.int32)
    free = ~blocks.marked[blocks.of[kept]].reshape(-1, _SIDE, _SIDE)
    corner = (kept // _COLUMNS) * _SIDE * _COLUMNS * _SIDE + (kept % _COLUMNS) * _SIDE
    fine = _flooded(free, corner, _COLUMNS * _SIDE, 1.0 / _FINE, exact).ravel()
    small = np.int16 if len(polygon) < np.iinfo(np.int16).max else np.int32
    return Cells(codes, fine.astype(small))


def _flooded(free: Bool, corner: I64, columns: int, step: float, exact: Callable[[F64, F64], Codes]) -> npt.NDArray[np.int32]:
    # Codes of cells [blocks, rows, columns]: EXACT where not free; one test for all free cells of a block that touch by a
    # side. `corner`: position of each block's first cell in the whole grid, which has `columns` columns of `step` degrees.
    touching = np.zeros((3, 3, 3), dtype=bool)
    touching[1] = [[False, True, False], [True, True, True], [False, True, False]]
    labels, count = scipy.ndimage.label(free, structure=touching)
    flat = labels.ravel()
    first = np.zeros(count + 1, dtype=np.int64)
    first[flat[::-1]] = np.arange(flat.size - 1, -1, -1)  # the last assignment to a label is its first cell
    block, inside = np.divmod(first[1:], free[0].size if len(free) else 1)
    row, column = np.divmod(inside, free.shape[2])
    row, column = corner[block] // columns + row, corner[block] % columns + column
    codes = np.full(count + 1, EXACT, dtype=np.int32)
    centre = np.column_stack([column, row]) + np.float64(0.5)
    codes[1:] = exact(centre[:, 0] * step - 180.0, centre[:, 1] * step - 90.0)
    return np.asarray(codes[labels])


class _Blocks:
    """Fine cells that a boundary may touch, kept for the coarse cells that have any."""

    def __init__(self) -> None:
        self.of = np.full(_ROWS * _COLUMNS, -1, dtype=np.int32)
        self.marked = np.zeros((0, _SIDE**2), dtype=bool)

    def mark(self, start: F64, end: F64) -> None:
        """Marks the cells near pieces from `start` to `end`: fine-cell coordinates [pieces, 2], at most 1 apart in each."""
        low = np.floor(np.minimum(start, end) - _MARGIN).astype(np.int32)
        span = np.floor(np.maximum(start, end) + _MARGIN).astype(np.int32) - low
        for across in range(3):
            for up in range(3):
                reached = low[(span[:, 0] >= across) & (span[:, 1] >= up)]
                self._mark_cells(reached[:, 0] + across, reached[:, 1] + up)

    def mark_rows(self, lat: F64) -> None:
        """Marks the whole rows at and beside `lat`, in fine-cell coordinates: where a curve turns round a pole."""
        rows = np.unique(np.floor(lat[np.isfinite(lat)]).astype(np.int32))
        rows = np.unique(np.concatenate([rows - 1, rows, rows + 1]))
        column, row = np.meshgrid(np.arange(_COLUMNS * _SIDE, dtype=np.int32), rows)
        self._mark_cells(column.ravel(), row.ravel())

    def _mark_cells(self, column: npt.NDArray[np.int32], row: npt.NDArray[np.int32]) -> None:
        beyond = (row < 0) | (row >= _ROWS * _SIDE) | (column < 0) | (column >= _COLUMNS * _SIDE)
        if beyond.any():
            on = (row >= 0) & (row < _ROWS * _SIDE)
            column, row = column[on] % (_COLUMNS * _SIDE), row[on]
        coarse = (row >> _BITS) * _COLUMNS + (column >> _BITS)
        block = self.of[coarse]
        fresh = np.unique(coarse[block < 0])
        if len(fresh):
            self.of[fresh] = len(self.marked) + np.arange(len(fresh), dtype=np.int32)
            self.marked = np.concatenate([self.marked, np.zeros((len(fresh), _SIDE**2), dtype=bool)])
            block = self.of[coarse]
        self.marked[block, _inside(column, row)] = True


def _edges(polygon: npt.NDArray[np.object_]) -> tuple[F64, F64]:
    # The edges of all rings, x and y of both ends [edges, 2]; a border that two polygons share is there once.
    points, ring = shapely.get_coordinates(shapely.get_rings(polygon), return_index=True)
    at = np.flatnonzero(ring[1:] == ring[:-1])
    ends = np.column_stack([points[at], points[at + 1]])
    turned = (ends[:, 0] > ends[:, 2]) | ((ends[:, 0] == ends[:, 2]) & (ends[:, 1] > ends[:, 3]))
    ends[turned] = ends[turned][:, [2, 3, 0, 1]]
    ends = ends[np.lexsort(ends.T)]
    ends = ends[np.append(True, (ends[1:] != ends[:-1]).any(axis=1))[: len(ends)]]
    return ends[:, [0, 2]], ends[:, [1, 3]]


def _batches(pieces: I64) -> list[I64]:
    # Edges that make about a million pieces together.
    batch = np.cumsum(pieces) // 1_000_000
    return np.split(np.arange(len(pieces)), np.flatnonzero(np.diff(batch)) + 1)


def _cut(x: F64, y: F64, pieces: I64) -> tuple[F64, F64, Bool]:
    # Points along edges cut into equal pieces, and which of them are joined to the next one.
    edge = np.repeat(np.arange(len(pieces)), pieces + 1)
    k = np.arange(len(edge)) - np.repeat(np.cumsum(pieces + 1) - (pieces + 1), pieces + 1)
    t = k / pieces[edge]
    return x[edge, 0] + t * (x[edge, 1] - x[edge, 0]), y[edge, 0] + t * (y[edge, 1] - y[edge, 0]), edge[1:] == edge[:-1]


def _ends(points: F64, joined: Bool) -> tuple[F64, F64]:
    return points[:-1][joined], points[1:][joined]


def _in_cells(lon: F64, lat: F64) -> F64:
    return np.column_stack([(lon + 180.0) * _FINE, (lat + 90.0) * _FINE])


def _mark_straight(blocks: _Blocks, x: F64, y: F64) -> None:
    # Edges that are drawn in degrees, cut into pieces of at most a fine cell in each coordinate.
    pieces = np.maximum(np.ceil(np.maximum(np.ptp(x, axis=1), np.ptp(y, axis=1)) * _FINE), 1).astype(np.int64)
    for some in _batches(pieces):
        xs, ys, joined = _cut(x[some], y[some], pieces[some])
        blocks.mark(*_ends(_in_cells(xs, ys), joined))


def _mark_curves(blocks: _Blocks, x: F64, y: F64, pieces: I64, inverse: Transform, depth: int = 0) -> None:
    # Edges in the polygons' coordinates are cut again until every piece is at most a fine cell long here.
    for some in _batches(pieces):
        xs, ys, joined = _cut(x[some], y[some], pieces[some])
        start, end = _ends(_in_cells(*inverse(xs, ys)), joined)
        expressible = np.isfinite(start).all(axis=1) | np.isfinite(end).all(axis=1)
        with np.errstate(invalid="ignore"):  # outside the projection's domain
            # The short way round: an edge over the dateline is not one round the Earth.
            end[:, 0] -= np.round((end[:, 0] - start[:, 0]) / (_COLUMNS * _SIDE)) * (_COLUMNS * _SIDE)
            extent = np.abs(end - start).max(axis=1)
        near = extent <= 1
        blocks.mark(start[near], end[near])
        # With both ends outside the domain the piece is outside, or where cells are torn: it is no longer than a cell.
        far = ~near & expressible
        if not far.any():
            continue
        if depth == _DEPTH:
            blocks.mark_rows(np.concatenate([start[far, 1], end[far, 1]]))
            continue
        again = np.clip(np.nan_to_num(np.ceil(extent[far] * 1.1), nan=2, posinf=2), 2, 64).astype(np.int64)
        left, right = (_ends(v, joined) for v in (xs, ys))
        xf, yf = (np.column_stack([v[0][far], v[1][far]]) for v in (left, right))
        _mark_curves(blocks, xf, yf, again, inverse, depth + 1)


def _torn(drawing: Drawing) -> Bool:
    # Coarse cells [720 * 1440] that a projection tears, stretches or cannot express, those at the poles, and those at the
    # dateline: 180 is -180, and a point on it is asked about on both sides.
    torn = np.zeros((_ROWS, _COLUMNS), dtype=bool)
    torn[[0, -1]] = True
    torn[:, [0, -1]] = True
    if drawing.forward is None:
        return torn.ravel()
    lon, lat = np.meshgrid(np.linspace(-180, 180, _COLUMNS + 1), np.linspace(-90, 90, _ROWS + 1))
    x, y = (np.reshape(v, lon.shape) * drawing.metres for v in drawing.forward(lon.ravel(), lat.ravel()))
    with np.errstate(invalid="ignore"):
        across = np.hypot(np.diff(x, axis=1), np.diff(y, axis=1))
        up = np.hypot(np.diff(x, axis=0), np.diff(y, axis=0))
    longest = np.maximum(np.maximum(across[1:], across[:-1]), np.maximum(up[:, 1:], up[:, :-1]))
    torn |= ~(longest < _STRETCH * _CELL_M)
    column = ((drawing.tear + 180.0) % 360.0) * _PER_DEGREE
    torn[:, np.floor([column - _MARGIN, column + _MARGIN]).astype(np.int64) % _COLUMNS] = True
    return torn.ravel()
