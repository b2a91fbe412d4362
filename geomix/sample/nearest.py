"""Nearest rows on the sphere at the scale of a pool: rows near some targets, and a row of its own for every target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # loads scipy.spatial when it is first used

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


def nearest_unused(lon: F64, lat: F64, tie: npt.NDArray[np.uint64], to_lon: F64, to_lat: F64) -> tuple[I64, F64]:
    """For each target in turn, the nearest row that no earlier target took: positions int64 [T] and distances in metres.

    Exact: distances are compared in whole metres, ties go to the smaller `tie` (uint64 [N]). Needs T <= N.

    All targets propose to their nearest row at once; a row keeps the earliest of its targets, and the others go on to
    their next nearest (Gale and Shapley 1962). As every row prefers earlier targets, this ends where taking turns ends.
    """
    cells, targets = Cells(lon, lat), sphere.unit_vectors(to_lon, to_lat)
    used = np.zeros(len(lon), dtype=bool)
    found = np.empty(len(targets), dtype=np.int64)
    far = np.empty(len(targets), dtype=np.float64)
    start = 0
    while start < len(targets):
        turn = _Turn(lon, lat, tie, cells, used, targets[start : start + _BLOCK])
        rows, metres = turn.settle()
        found[start : start + len(rows)], far[start : start + len(rows)] = rows, metres
        used[rows] = True
        start += len(rows)
    return found, far


_FIRST = 8
_GROUP = 16_384
"""Targets that look again together."""
_ENTRIES = 1 << 23
"""Most entries of lists that are looked up at once: it bounds memory where many targets crowd."""


@dataclass
class _Turn:
    """Targets of one block: each has a list of rows, nearest first, that is longer or reaches farther when it runs out."""

    lon: F64
    lat: F64
    tie: npt.NDArray[np.uint64]
    cells: Cells
    used: npt.NDArray[np.bool_]
    targets: F64

    def settle(self) -> tuple[I64, F64]:
        """Rows and metres of the first targets of the block (at least one) for which turns are known."""
        count = len(self.targets)
        self.rows, self.whole = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self.begin, self.length, self.cursor = (np.zeros(count, dtype=np.int64) for _ in range(3))
        # Target that each row keeps; `count`: none. It only ever falls, so a later target never gets the row.
        self.holder = np.where(self.used, -1, count).astype(np.int32)
        looked = np.zeros(count, dtype=np.int64)
        waiting, late, size = np.arange(count), count, count
        while len(waiting):
            # The earliest go first: what they keep is left out for those that come later. Who ran out looks farther.
            some = waiting[:size]
            some, rest = some[looked[some] == looked[some[0]]], waiting
            width, reach = _FIRST << int(looked[some[0]]), CELL * 2 ** int(looked[some[0]])
            if len(some) * width > max(_ENTRIES, count * _FIRST):
                # They crowd: those after these, and all that come later, wait for the next block.
                some = some[: max(_ENTRIES // width, 1)]
                late = min(late, int(some[-1]) + 1)
            self._look(some, min(reach, 2.0), width)
            looked[some] += 1
            rest = np.setdiff1d(rest, some, assume_unique=True)
            waiting = np.sort(np.concatenate([rest, self._propose(some)]))
            waiting, size = waiting[waiting < late], _GROUP
        at = self.begin[:late] + self.cursor[:late]
        return self.rows[at], self.whole[at].astype(np.float64)

    def _propose(self, active: I64) -> I64:
        """Proposals until all have a row or are out of their lists; the latter are returned."""
        out = []
        while len(active):
            dry = self.cursor[active] >= self.length[active]
            out.append(active[dry])
            active = active[~dry]
            rows = self.rows[self.begin[active] + self.cursor[active]]
            before = self.holder[rows]
            np.minimum.at(self.holder, rows, active.astype(np.int32))
            after = self.holder[rows]
            displaced = before[(before != after) & (before < len(self.targets))]
            active = np.concatenate([active[after != active], np.unique(displaced)])
            self.cursor[active] += 1
        return np.concatenate(out) if out else active

    def _look(self, mine: I64, reach: float, width: int) -> None:
        """New lists of the targets `mine`, of up to `width` rows within `reach`, without rows that earlier ones keep."""
        near = self.cells.near(self.targets[mine], reach)
        horizon = np.inf if len(near) == self.cells.rows else np.floor(sphere.metres(np.asarray(reach)))
        near = near[self.holder[near] > mine[0]]
        k = min(width, len(near))
        if k == 0:  # their lists stay empty
            return
        points = sphere.unit_vectors(self.lon[near], self.lat[near])
        tree = scipy.spatial.cKDTree(points, balanced_tree=False, compact_nodes=False)
        mine = mine[along(self.targets[mine])]
        chords, at = tree.query(self.targets[mine], k=np.arange(1, k + 1), workers=-1)
        rows, whole = near[at], np.round(sphere.metres(chords)).astype(np.int64)
        ties = np.flatnonzero((whole[:, 1:] == whole[:, :-1]).any(axis=1))
        for part in np.array_split(ties, max(len(ties) * k // _BLOCK, 1)):
            order = np.lexsort((self.tie[rows[part]], whole[part]), axis=-1)
            rows[part] = np.take_along_axis(rows[part], order, axis=1)
        # An equally near row may lie beyond the last that was looked at, and any row beyond the horizon.
        last = whole[:, -1].astype(np.float64) if k < len(near) else np.full(len(mine), np.inf)
        self.begin[mine] = len(self.rows) + np.arange(len(mine)) * k
        self.length[mine] = (whole < np.minimum(last, horizon)[:, None]).sum(axis=1)
        self.cursor[mine] = 0
        self.rows, self.whole = np.concatenate([self.rows, rows.ravel()]), np.concatenate([self.whole, whole.ravel()])
