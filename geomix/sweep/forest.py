"""Random forests: many small problems at once, their trees growing together, level by level; large ones by scikit-learn.

Breiman's forest (2001): each tree from a bootstrap, each node the best of sqrt(D) random features by Gini impurity (D / 3
and squared error for a regression), grown until leaves are pure or small. In the small problems thresholds lie between
quantiles of the problem's own training rows (at most BINS - 1 a feature, as in histogram boosting). scikit-learn spends a
millisecond a tree on a hundred samples, nearly all of it outside the splitting; here sixty problems of fifty trees share
each NumPy call. On thousands of rows its exact splits are as fast, and there they matter.

Letters: B problems, S training rows, D features, J targets (one column of a one-hot label less one for two classes),
M test rows, T trees, L nodes of one level, F features tried at a node, Q bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geomix import ids

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

BINS = 32
SMALL = 1000
"""Training rows up to which problems are grown together."""
MOST_ROWS = 5000
"""Rows of a tree's bootstrap, at most: on 16,000 rows, 0.01 less AUC at 0.4 of the time."""

_CHUNK = 250_000  # (row, tried feature) pairs held at once: more would leave the processor's cache
_DEEPEST = 40
# Odd constants that keep the streams of keyed random numbers apart (rows, features, the two children of a node).
_ROW, _FEATURE = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
_SIDES = np.array([0x8EBC6AF09C88C6E3, 0x589965CC75374CC3], dtype=np.uint64)


@dataclass(frozen=True)
class _Trees:
    """Nodes of all trees in one numbering; root n belongs to tree n. Leaves point at themselves."""

    feature: I64
    threshold: F32
    left: I64
    value_J: F64
    depth: int

    def leaves(self, roots: I64, x_MD: F32) -> I64:
        """Leaf of each test row in each tree, int64 [roots, M]."""
        at = np.repeat(roots[:, None], len(x_MD), axis=1)
        row = np.arange(len(x_MD))
        for _ in range(self.depth):
            at = self.left[at] + (x_MD[row, self.feature[at]] > self.threshold[at])
        return at


def scores(
    x_BSD: F32,
    target_BSJ: F64,
    queries: Sequence[tuple[slice, F32]],
    seeds: Sequence[int],
    trees: int,
    least_leaf: int = 1,
    regression: bool = False,
) -> list[F64]:
    """Mean leaf value of the forests, one float64 [b, M, J] a query (problems, x_bMD). Leaves hold `least_leaf` rows or more.

    A tree depends on its problem's rows and seed alone, not on which problems stand beside it.
    """
    problems, rows, features = x_BSD.shape
    tried = max(1, round(features / 3 if regression else features**0.5))
    if rows > SMALL:
        return _large(x_BSD, target_BSJ, queries, seeds, trees, least_leaf, tried)
    width = max(1, _CHUNK // (problems * rows * tried))
    edges = _edges(x_BSD)
    code_BSD = _codes(x_BSD, edges)
    sums = [np.zeros((*x_bMD.shape[:2], target_BSJ.shape[2])) for _, x_bMD in queries]
    for start in range(0, trees, width):
        count = min(width, trees - start)
        tree_seeds = np.array([[ids.derive_seed(s, t) for t in range(start, start + count)] for s in seeds], dtype=np.uint64)
        grown = _grow(code_BSD, edges, target_BSJ, tree_seeds, tried, least_leaf)
        roots = np.arange(problems * count).reshape(problems, count)
        for total, (which, x_bMD) in zip(sums, queries, strict=True):
            for position, own in enumerate(roots[which]):
                total[position] += grown.value_J[grown.leaves(own, x_bMD[position])].sum(axis=0)
    return [total / trees for total in sums]


def _large(
    x_BSD: F32,
    target_BSJ: F64,
    queries: Sequence[tuple[slice, F32]],
    seeds: Sequence[int],
    trees: int,
    least_leaf: int,
    tried: int,
) -> list[F64]:
    # A regression tree on one-hot labels has the Gini tree's splits (their criteria are proportional) and leaf values.
    from sklearn.ensemble import RandomForestRegressor

    forests = [
        RandomForestRegressor(
            trees,
            max_features=tried,
            min_samples_leaf=least_leaf,
            max_samples=min(len(x_SD), MOST_ROWS),
            random_state=seed % 2**32,
            n_jobs=1,
        ).fit(x_SD, target_SJ if target_SJ.shape[1] > 1 else target_SJ[:, 0])
        for x_SD, target_SJ, seed in zip(x_BSD, target_BSJ, seeds, strict=True)
    ]
    return [
        np.stack([f.predict(x).reshape(len(x), -1) for f, x in zip(forests[which], x_bMD, strict=True)])
        for which, x_bMD in queries
    ]


def _edges(x_BSD: F32) -> F32:
    """Thresholds, float32 [B, D, Q - 1]: midway between neighbours in order, at equal steps of rank."""
    ordered = np.sort(x_BSD, axis=1)
    rows = x_BSD.shape[1]
    cuts = np.unique(np.linspace(0, rows, min(BINS, rows) + 1).round().astype(np.int64)[1:-1])
    below, above = ordered[:, cuts - 1], ordered[:, cuts]
    # Where both are one value the cut lies on it; the mean of neighbouring floats could round up to the upper one.
    return np.ascontiguousarray(np.minimum(below + (above - below) / 2, above).transpose(0, 2, 1))


def _codes(x_BSD: F32, edges_BDQ: F32) -> npt.NDArray[np.uint8]:
    """Bin of each value, uint8 [B, S, D]: the number of thresholds below it."""
    code = np.zeros(x_BSD.shape, dtype=np.uint8)
    for q in range(edges_BDQ.shape[2]):
        code += x_BSD > edges_BDQ[:, None, :, q]
    return code


def _bootstrap(tree_seeds_N: U64, rows: int) -> tuple[I64, I64, F64]:
    """(tree, row, times drawn) of every row that a tree's bootstrap holds."""
    with np.errstate(over="ignore"):
        random = ids.splitmix64(tree_seeds_N[:, None] + np.arange(1, rows + 1, dtype=np.uint64) * _ROW)
    picked = (random % np.uint64(rows)).astype(np.int64)
    times = np.bincount((picked + np.arange(len(picked))[:, None] * rows).ravel(), minlength=len(picked) * rows)
    held = np.flatnonzero(times)
    return held // rows, held % rows, times[held].astype(np.float64)


def _grow(
    code_BSD: npt.NDArray[np.uint8], edges_BDQ: F32, target_BSJ: F64, tree_seeds_BT: U64, tried: int, least_leaf: int
) -> _Trees:
    problems, rows, features = code_BSD.shape
    per_problem = tree_seeds_BT.shape[1]
    code, target = code_BSD.reshape(-1, features), target_BSJ.reshape(problems * rows, -1)
    state = tree_seeds_BT.ravel()
    node, row, weight = _bootstrap(state, rows)
    row = row + node // per_problem * rows
    problem = np.repeat(np.arange(problems), per_problem)
    made, first, depth = [], 0, 0
    while len(state):
        level = len(state)
        held: F64 = np.asarray(np.bincount(node, weight, minlength=level), dtype=np.float64)
        sums = [np.bincount(node, weight * column[row], minlength=level) for column in target.T]
        total: F64 = np.stack(sums, axis=1).astype(np.float64)
        feature, bin_, split = _best(code, target, node, row, weight, held, total, state, tried, least_leaf, edges_BDQ.shape[2])
        split &= depth < _DEEPEST
        number = np.cumsum(split) - 1
        at = np.arange(first, first + level)
        threshold = np.where(split, edges_BDQ[problem, feature, bin_], np.float32(np.inf))
        left = np.where(split, first + level + 2 * number, at)
        made.append((np.where(split, feature, 0), threshold, left, total / held[:, None]))
        going = split[node]
        node, row, weight = node[going], row[going], weight[going]
        node, right = 2 * number[node], code[row, feature[node]] > bin_[node]
        node = node + right
        first, depth = first + level, depth + 1
        problem = np.repeat(problem[split], 2)
        with np.errstate(over="ignore"):
            state = ids.splitmix64(np.repeat(state[split], 2) + np.tile(_SIDES, int(split.sum())))
    feature, threshold, left, value = (np.concatenate(column) for column in zip(*made, strict=True))
    return _Trees(feature, threshold, left, value, depth)


def _best(
    code: npt.NDArray[np.uint8],
    target: F64,
    node: I64,
    row: I64,
    weight: F64,
    held_L: F64,
    total_LJ: F64,
    state_L: U64,
    tried: int,
    least_leaf: int,
    cuts: int,
) -> tuple[I64, I64, npt.NDArray[np.bool_]]:
    """Best (feature, bin) of each node, and whether to split there: rows up to the bin go left."""
    level, bins = len(held_L), cuts + 1
    number_D: U64 = np.arange(1, code.shape[1] + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        random = ids.splitmix64(state_L[:, None] + number_D * _FEATURE)
    feature_LF = np.argpartition(random, tried - 1, axis=1)[:, :tried]
    cell = (node[:, None] * tried + np.arange(tried)) * bins + code[row[:, None], feature_LF[node]]
    shape, flat = (level, tried, bins), cell.ravel()

    def below(values: F64) -> F64:
        counted = np.bincount(flat, np.repeat(values, tried), minlength=level * tried * bins)
        return counted.reshape(shape).cumsum(axis=2)[:, :, :-1]

    n_LFQ = below(weight)
    rest_LFQ = held_L[:, None, None] - n_LFQ
    gain = np.zeros_like(n_LFQ)
    with np.errstate(divide="ignore", invalid="ignore"):
        for j in range(target.shape[1]):
            s = below(weight * target[row, j])
            rest = total_LJ[:, j, None, None] - s
            # In place: the arrays of a level are what memory and time go to.
            for value, n in ((s, n_LFQ), (rest, rest_LFQ)):
                value *= value
                value /= n
                gain += value
    gain[(n_LFQ < least_leaf) | (rest_LFQ < least_leaf)] = -np.inf
    choice = gain.reshape(level, -1).argmax(axis=1)
    at = np.arange(level)
    column, bin_ = choice // cuts, choice % cuts
    before = (total_LJ**2).sum(axis=1) / held_L
    split = gain.reshape(level, -1)[at, choice] > before + 1e-9 * np.maximum(held_L, np.abs(before))
    # Empty bins between two groups leave the cut open: take the middle one, as exact trees take the midpoint.
    counts = n_LFQ[at, column]
    last = (counts <= counts[at, bin_][:, None]).sum(axis=1) - 1
    return feature_LF[at, column], (bin_ + last) // 2, split
