"""Orders in which samples and quotas are taken: permanent random numbers and the divisor rule.

Every order here is a function of (id, seed) alone, so that a smaller budget takes the head of a larger one's list.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomix import ids

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


def draw_numbers(sample_ids: Sequence[str], draw_seed: int) -> ids.U64:
    """Permanent random number of every sample for a draw seed, uint64 [N]: shared by all strategies (design rule 3)."""
    return ids.permanent_random(ids.id64(sample_ids), ids.derive_seed("draw", draw_seed))


def by_number(numbers: ids.U64, weights: F64 | None = None) -> I64:
    """Positions in the order of drawing, int64 [N]: smallest number first.

    With `weights` (> 0) it is successive sampling in proportion to them, without replacement: keys -log(1 - u) / w,
    smallest first (Efraimidis and Spirakis 2006). As -log(1 - u) rises with u, equal weights give the unweighted order.
    Ties keep the order of the rows, which is that of their ids.
    """
    if weights is None:
        return np.argsort(numbers, kind="stable").astype(np.int64)
    keys = -np.log1p(-ids.unit_interval(numbers)) / weights
    return np.lexsort((numbers, keys)).astype(np.int64)


def interleave(group: I64, shares: F64) -> I64:
    """Positions of an ordered list, int64 [N], so that every head of it holds the groups in the given shares.

    `group` [N]: index of each element's group, elements in their order inside it; -1: left out. Sainte-Lague's rule: the
    k-th element (from 0) of a group stands at (2k + 1) / share; ties go to the group of the smaller index. A group that
    runs dry leaves its turns to the others. Unlike quotas by largest remainders, these nest.
    """
    kept = np.flatnonzero(group >= 0)
    own = group[kept]
    by_group = np.argsort(own, kind="stable")
    starts = np.searchsorted(own[by_group], np.arange(len(shares)))
    k = np.empty(len(kept), dtype=np.int64)
    k[by_group] = np.arange(len(kept)) - starts[own[by_group]]
    keys = (2 * k + 1) / shares[own]
    return kept[np.lexsort((own, keys))].astype(np.int64)


def quotas(shares: F64, n: int) -> I64:
    """How many of `n` each group gets by Sainte-Lague's rule, ties to the smaller index: int64 [groups], summing to n."""
    exact = n * shares / shares.sum()
    # A group's count by this rule can exceed its exact share, but the turns of all groups up to it are a bound.
    room = np.ceil(exact).astype(np.int64) + len(shares)
    group = np.repeat(np.arange(len(shares)), room)
    return np.bincount(group[interleave(group, shares)[:n]], minlength=len(shares)).astype(np.int64)
