"""Orders in which samples and quotas are taken: permanent random numbers and the divisor rule.

Every order here is a function of (id, seed) alone, so that a smaller budget takes the head of a larger one's list. Only
the head that is asked for is sorted: of 10 million rows the smallest 700,000 are partitioned off first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix import ids

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


def draw_numbers(sample_ids: Sequence[str], draw_seed: int) -> ids.U64:
    """Permanent random number of every sample for a draw seed, uint64 [N]: shared by all strategies (design rule 3)."""
    return ids.permanent_random(ids.id64(sample_ids), ids.derive_seed("draw", draw_seed))


def own_numbers(numbers: ids.U64, name: str, draw_seed: int) -> ids.U64:
    """Another permanent random number of every sample, uint64 [N], for a purpose `name`: independent of `numbers`."""
    return ids.permanent_random(numbers, ids.derive_seed(name, draw_seed))


def by_number(numbers: ids.U64, weights: F64 | None = None, n: int | None = None) -> I64:
    """The first `n` (None: all) positions in the order of drawing, int64 [n]: smallest number first.

    With `weights` (> 0) it is successive sampling in proportion to them, without replacement: keys -log(1 - u) / w,
    smallest first (Efraimidis and Spirakis 2006). As -log(1 - u) rises with u, equal weights give the unweighted order.
    Ties keep the order of the rows, which is that of their ids.
    """
    if weights is None:
        head = smallest(numbers, n)
        return head[np.argsort(numbers[head], kind="stable")]
    keys = -np.log1p(-ids.unit_interval(numbers)) / weights
    head = smallest(keys, n)
    return head[np.lexsort((numbers[head], keys[head]))][:n]


def smallest(keys: npt.NDArray[Any], n: int | None) -> I64:
    """Positions of the `n` smallest keys and of all that equal the n-th, in order of position: int64 [>= n].

    Whoever sorts these with a further key and cuts at `n` gets the head of the whole sorted list.
    """
    if n is None or n >= len(keys):
        return np.arange(len(keys), dtype=np.int64)
    if n <= 0:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(keys <= np.partition(keys, n - 1)[n - 1]).astype(np.int64)


def by_group(numbers: ids.U64, codes: npt.NDArray[Any], shares: F64, have: I64, n: int) -> I64:
    """The first `n` positions when groups take turns by the divisor rule, smallest number first inside each: int64 [<= n].

    `codes` [N]: group of each row, -1: left out; `shares` (> 0), `have` [groups]: rows of each. It is
    `interleave(codes, shares)` over all rows in order of number, of which only each group's head is sorted.
    """
    rows = heads(numbers, codes, have, taken(shares, have, n))
    rows = rows[np.argsort(numbers[rows], kind="stable")]
    return rows[interleave(codes[rows], shares)][:n]


def taken(shares: F64, have: I64, n: int) -> I64:
    """How many of the first `n` turns each group has when groups that hold `have` rows run dry: int64 [groups]."""
    return np.bincount(_turns(shares, have, n), minlength=len(shares))


def heads(numbers: ids.U64, codes: npt.NDArray[Any], have: I64, wanted: I64) -> I64:
    """Positions, in order, of at least the `wanted` [groups] smallest numbers of every group: int64 [M].

    Numbers are uniform, so a group's head lies below a cut that its size tells; a cut that was too low is doubled.
    """
    wanted = np.minimum(wanted, have)
    share = head_share(wanted, have)
    while True:
        rows = np.flatnonzero(below(numbers, codes, share)).astype(np.int64)
        short = np.bincount(codes[rows], minlength=len(have)) < wanted
        if not short.any():
            return rows
        share[short] *= 2


def head_share(wanted: I64, have: I64) -> F64:
    """Share of each group's numbers below which its `wanted` smallest almost surely lie: float64 [groups]; > 0.5 is all."""
    return np.asarray((wanted + 6 * np.sqrt(wanted) + 16) / np.maximum(have, 1), dtype=np.float64)


def below(numbers: ids.U64, codes: npt.NDArray[Any], share: F64) -> npt.NDArray[np.bool_]:
    """Mask [N] of the numbers in the lowest `share` [groups] of all possible ones; above 0.5 a group's share is all."""
    cut = (np.minimum(share, 0.5) * 2.0**64).astype(np.uint64)
    cut[share > 0.5] = np.uint64(2**64 - 1)
    return np.asarray((numbers <= np.append(cut, np.uint64(0))[codes]) & (codes >= 0), dtype=bool)


def interleave(group: npt.NDArray[Any], shares: F64) -> I64:
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


def whole(shares: Sequence[float]) -> F64:
    """Shares as whole numbers in the same proportions, float64 [groups], where they are short decimals; else as they are.

    0.01 and 0.07 tie where 1 and 7 do: turns are compared as quotients, which floating point rounds.
    """
    exact = [Fraction(str(share)) for share in shares]
    together = math.lcm(*(share.denominator for share in exact))
    found = [share * together for share in exact]
    return np.asarray(found if together <= 10**9 else shares, dtype=np.float64)


def quotas(shares: F64, n: int) -> I64:
    """How many of `n` each group gets by Sainte-Lague's rule, ties to the smaller index: int64 [groups], summing to n."""
    return np.bincount(turns(shares, n), minlength=len(shares)).astype(np.int64)


def turns(shares: F64, n: int) -> I64:
    """Group of each of the first `n` turns by Sainte-Lague's rule, no group running dry: int64 [n]."""
    return _turns(shares, np.full(len(shares), n, dtype=np.int64), n)


def _turns(shares: F64, have: I64, n: int) -> I64:
    # Turns up to a key t: the least t (by bisection) that gives n. One more a group than the count by floats, to be safe.
    low, high = 0.0, (2.0 * n + 1) / float(shares.min())

    def upto(t: float) -> I64:
        return np.minimum(have, np.floor(np.minimum((t * shares + 1) / 2, 2.0**53)).astype(np.int64) + 1)

    for _ in range(64):
        middle = (low + high) / 2
        low, high = (low, middle) if int(upto(middle).sum()) >= n + len(shares) else (middle, high)
    group = np.repeat(np.arange(len(shares)), upto(high))
    return group[interleave(group, shares)[:n]]


def turns_after(shares: F64, taken: I64, n: int) -> I64:
    """Group of each of the next `n` turns when the groups have had `taken` turns, none running dry: int64 [n]."""
    if not taken.any():
        return turns(shares, n)
    group = np.repeat(np.arange(len(shares)), n)
    keys = (2 * (np.tile(np.arange(n), len(shares)) + taken[group]) + 1) / shares[group]
    return group[np.lexsort((group, keys))][:n]
