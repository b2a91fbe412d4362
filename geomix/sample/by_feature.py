"""Strategies over feature columns: cluster-balanced (k-means) and farthest-point, the same on any machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomix import config, ids
from geomix.errors import CompositionError
from geomix.sample import features, order
from geomix.sample.candidates import Candidates
from geomix.sample.registry import Ask, Ordered, by_groups, plain, register

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

SUBSET = 32_768
"""Rows on which clusters are found: the first in an order of their own that the draw seed keys."""
ROUNDS = 25
_FINE = 16
"""Centres lie on a grid this much finer than features' steps: whole numbers too."""
MOST_STEPS = 2e10
"""Rows times samples times columns that farthest-point does at most: about 10 s on one core (0.5 to 0.6 ns each, measured)."""


@register("cluster_balanced")
def cluster_balanced(pool: Candidates, ask: Ask, how: config.ClusterBalanced) -> Ordered:
    """Equal counts from every k-means cluster of the feature columns; rows that lack a feature are left out and counted.

    Clusters do not depend on the budget, so budgets nest. quota as for `stratified`.
    """
    rows, x = features.quantised(pool, how.columns, ask.who)
    numbers = order.own_numbers(pool.numbers[rows], "clusters", ask.draw_seed)
    subset = order.by_number(numbers, n=SUBSET)
    centres = kmeans(x[:, subset].T.astype(np.float64) * _FINE, how.clusters, ask)
    codes = np.full(len(pool), -1, dtype=np.int32)
    for start in range(0, len(rows), 1 << 16):
        part = slice(start, start + (1 << 16))
        codes[rows[part]] = _nearest(x[:, part].T.astype(np.float64) * _FINE, centres)
    width = len(str(how.clusters))
    names = [f"cluster_{n + 1:0{width}d}" for n in range(len(centres))]
    return by_groups(pool, ask, codes, names, np.ones(len(names)), "clusters")


def kmeans(x: F64, clusters: int, ask: Ask) -> F64:
    """Centres of k-means, float64 [clusters, D], of whole numbers `x`, float64 [M, D], rows in a keyed order.

    Seeded by k-means++ (Arthur and Vassilvitskii 2007) with numbers keyed by the draw seed, then at most ROUNDS of Lloyd's
    steps with centres rounded to whole numbers. All sums are of whole numbers below 2^53, where float64 is exact in any
    order: every BLAS and every machine gives the same. Raises CompositionError if there are fewer different rows.
    """
    seed = ids.derive_seed("kmeans", ask.draw_seed)
    u = ids.unit_interval(ids.permanent_random(np.arange(clusters, dtype=np.uint64), seed))
    centres = x[:1]  # the rows are in a random order: the first is a random one
    apart = ((x - x[0]) ** 2).sum(axis=1)
    for k in range(1, clusters):
        total = np.cumsum(apart)
        if total[-1] == 0:
            raise CompositionError(
                f"{ask.who}: {clusters} clusters are asked for, but the candidates have {k} different features",
                remedy="lower `clusters:` or name more columns",
            )
        pick = int(np.searchsorted(total, np.floor(u[k] * total[-1]), side="right"))
        centres = np.concatenate([centres, x[pick : pick + 1]])
        apart = np.minimum(apart, ((x - x[pick]) ** 2).sum(axis=1))
    for _ in range(ROUNDS):
        own = _nearest(x, centres)
        count = np.bincount(own, minlength=clusters)
        sums = np.stack([np.bincount(own, weights=column, minlength=clusters) for column in x.T], axis=1)
        # A centre that no row is nearest to stays where it is.
        moved = np.where(count[:, None] > 0, np.floor(sums / np.maximum(count, 1)[:, None] + 0.5), centres)
        if (moved == centres).all():
            break
        centres = moved
    return centres


def _nearest(x: F64, centres: F64) -> I32:
    # |x - c|^2 without |x|^2, which is the same for all centres; ties go to the first.
    return np.asarray(((centres**2).sum(axis=1) - 2 * (x @ centres.T)).argmin(axis=1), dtype=np.int32)


@register("farthest_point")
def farthest_point(pool: Candidates, ask: Ask, how: config.FarthestPoint) -> Ordered:
    """Farthest-first order (Gonzalez 1985) on the feature columns: each sample the farthest from all earlier ones.

    The first is the smallest number, and ties go to it; budgets nest. Time is rows x samples x columns; beyond MOST_STEPS
    it is refused, and `candidates: m` takes only the first m rows by number. Rows that lack a feature are left out.
    """
    return farthest(pool, ask, how)


def farthest(pool: Candidates, ask: Ask, how: config.FarthestPoint, ranges: Sequence[features.Ends] | None = None) -> Ordered:
    """`farthest_point`; `ranges`: of the columns of a larger pool, of which `pool` has at least the rows that matter."""
    rows, x = features.quantised(pool, how.columns, ask.who, ranges)
    by_number = order.by_number(pool.numbers[rows], n=how.candidates)
    rows, x = rows[by_number], x[:, by_number]
    n = min(ask.n, len(rows))
    if float(len(rows)) * n * len(x) > MOST_STEPS:
        fitting = int(MOST_STEPS / (n * len(x)))
        raise CompositionError(
            f"{ask.who}: {n:,} farthest of {len(rows):,} rows on {len(x)} columns take "
            f"{float(len(rows)) * n * len(x):.0e} steps",
            wanted=f"at most {MOST_STEPS:.0e} (rows x samples x columns)",
            remedy=f"set `candidates: {max(fitting, 1)}` or less" if fitting >= n else "lower `budget:`",
        )
    return plain(ask, rows[farthest_first(x, n)], without_value=len(pool) - len(rows) if how.candidates is None else None)


def farthest_first(x: I32, n: int) -> I64:
    """Positions of the first `n` points, int64 [n], of `x`, int32 [D, M], from the first on; ties to the earlier point."""
    found = np.zeros(n, dtype=np.int64)
    apart = np.full(x.shape[1], np.iinfo(np.int32).max, dtype=np.int32)
    step, squares = np.empty_like(apart), np.empty_like(apart)
    for k in range(1, n):
        last = found[k - 1]
        np.subtract(x[0], x[0, last], out=squares)
        np.multiply(squares, squares, out=squares)
        for column in x[1:]:
            np.subtract(column, column[last], out=step)
            np.multiply(step, step, out=step)
            np.add(squares, step, out=squares)
        np.minimum(apart, squares, out=apart)
        apart[last] = -1
        found[k] = apart.argmax()
        if apart[found[k]] == 0:  # the rest equals points that are taken: in their order
            left = np.flatnonzero(apart == 0)[: n - k]
            found[k : k + len(left)] = left
            break
    return found
