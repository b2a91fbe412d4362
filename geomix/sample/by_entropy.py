"""Strategies over spectral entropy, or any other measured column: the highest, over its quantiles, or matched to a region's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geomix import config
from geomix.errors import CompositionError
from geomix.sample import features, order
from geomix.sample.by_region import restricted
from geomix.sample.candidates import Candidates
from geomix.sample.registry import Ask, Ordered, by_groups, plain, register

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@register("entropy")
def entropy(pool: Candidates, ask: Ask, how: config.Entropy) -> Ordered:
    """Candidates by a measured column; rows without a value are left out and counted. Ties go to the smaller number.

    top: the highest values first. stratified: equal counts from bins that hold equal counts of the candidates (order
    statistics). matched: bins are quantiles of all candidates of `like`, which a uniform draw from it follows at any budget
    (so that budgets nest), and counts are in its shares; rows outside its range are left out. quota as for `stratified`.
    """
    values = features.number(pool, how.column, ask.who)
    mine = np.isfinite(values)
    if how.by is not None and how.value is not None:
        mine &= restricted(pool, how.by, how.value, ask.who)
    rows = np.flatnonzero(mine)
    if not len(rows):
        raise CompositionError(
            f"{ask.who}: no candidate of {how.value!r} has a value of {how.column!r}", remedy="measure it first"
        )
    if how.mode == "top":
        head = order.smallest(-values[rows], ask.n)
        head = head[np.lexsort((pool.numbers[rows[head]], -values[rows[head]]))][: ask.n]
        least = float(values[rows[head[: ask.budget]]].min()) if ask.budget else None
        return plain(ask, rows[head], without_value=len(pool) - len(rows), least=least)
    reference = values[rows]
    if how.by is not None and how.like is not None:  # mode matched, as the schema says
        reference = values[restricted(pool, how.by, how.like, ask.who) & np.isfinite(values)]
        if not len(reference):
            raise CompositionError(
                f"{ask.who}: no candidate of {how.like!r} has a value of {how.column!r}", remedy="measure it first"
            )
        rows = rows[(values[rows] >= reference.min()) & (values[rows] <= reference.max())]
    bins = bins_of(reference, how)
    codes = np.full(len(pool), -1, dtype=np.int32)
    codes[rows] = bins.codes(values[rows])
    return by_bins(pool, ask, how, bins, codes)


@dataclass(frozen=True)
class Bins:
    """Bins of a column: upper edges of all but the last, and of those that hold a value their names and shares."""

    edges: F64
    held: I64
    names: list[str]
    shares: F64

    def codes(self, values: F64) -> I32:
        """The bin of each value, int32 [N], as an index of `names`; -1: one that held nothing."""
        renamed = np.full(len(self.edges) + 1, -1, dtype=np.int32)
        renamed[self.held] = np.arange(len(self.held))
        return renamed[np.searchsorted(self.edges, values, side="right")]


def bins_of(reference: F64, how: config.Entropy) -> Bins:
    """The bins that hold equal counts of the `reference` values [M >= 1]."""
    edges = features.quantile_bins(reference, how.bins)
    # Equal values share a bin: some may hold nothing.
    counts = np.bincount(np.searchsorted(edges, reference, side="right"), minlength=how.bins)
    held = np.flatnonzero(counts)
    width = len(str(how.bins))
    shares = counts[held].astype(np.float64) if how.mode == "matched" else np.ones(len(held))
    return Bins(edges, held, [f"bin_{n + 1:0{width}d}" for n in held], shares)


def by_bins(pool: Candidates, ask: Ask, how: config.Entropy, bins: Bins, codes: I32) -> Ordered:
    """Candidates of the bins `codes` [N] in the bins' shares."""
    found = by_groups(pool, ask, codes, bins.names, bins.shares, f"bins of {how.column!r}")
    return Ordered(found.positions, found.strata, found.requested, {**found.notes, "edges": [float(e) for e in bins.edges]})
