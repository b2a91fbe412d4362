"""Strategies over spectral entropy, or any other measured column: the highest, over its quantiles, or matched to a region's."""

from __future__ import annotations

import numpy as np

from geomix import config
from geomix.errors import CompositionError
from geomix.sample import features, order
from geomix.sample.by_region import restricted
from geomix.sample.candidates import Candidates
from geomix.sample.registry import Ask, Ordered, by_groups, plain, register


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
        return plain(ask, rows[head], without_value=len(pool) - len(rows), least=float(values[rows[head[: ask.budget]]].min()))
    reference = values[rows]
    if how.by is not None and how.like is not None:  # mode matched, as the schema says
        reference = values[restricted(pool, how.by, how.like, ask.who) & np.isfinite(values)]
        if not len(reference):
            raise CompositionError(
                f"{ask.who}: no candidate of {how.like!r} has a value of {how.column!r}", remedy="measure it first"
            )
        rows = rows[(values[rows] >= reference.min()) & (values[rows] <= reference.max())]
    edges = features.quantile_bins(reference, how.bins)
    codes = np.full(len(pool), -1, dtype=np.int32)
    codes[rows] = np.searchsorted(edges, values[rows], side="right")
    # Equal values share a bin: some may hold nothing.
    counts = np.bincount(np.searchsorted(edges, reference, side="right"), minlength=how.bins)
    held = np.flatnonzero(counts)
    renamed = np.full(how.bins + 1, -1, dtype=np.int32)
    renamed[held] = np.arange(len(held))
    width = len(str(how.bins))
    names = [f"bin_{n + 1:0{width}d}" for n in held]
    shares = counts[held].astype(np.float64) if how.mode == "matched" else np.ones(len(held))
    found = by_groups(pool, ask, renamed[codes], names, shares, f"bins of {how.column!r}")
    return Ordered(found.positions, found.strata, found.requested, {**found.notes, "edges": [float(e) for e in edges]})
