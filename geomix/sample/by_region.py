"""Strategies over the values of a stratum: stratified, balanced, one-hot, leave-one-out, and `where` expressions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomix import config
from geomix.errors import CompositionError
from geomix.sample import order
from geomix.sample.candidates import Candidates, stratum, suggestion
from geomix.sample.registry import Ask, Ordered, by_groups, plain, register

I32 = npt.NDArray[np.int32]


@register("stratified")
def stratified(pool: Candidates, ask: Ask, how: config.Stratified) -> Ordered:
    """Counts from every value of stratum `by` in the shares of `allocation`; rows without a value are left out and counted.

    Shares: 1 (equal), the value's candidates (proportional), their square root (sqrt), or the given weights.
    quota exact: a value with fewer rows than its quota is a CompositionError; water_fill: the others fill its turns.
    """
    codes, names = _values(pool, ask, how.by, how.values or (None if how.weights is None else sorted(how.weights)))
    have = np.bincount(codes[codes >= 0], minlength=len(names)).astype(np.float64)
    if how.weights is not None:
        shares = order.whole([how.weights[name] for name in names])
    else:
        shares = {"equal": np.ones(len(names)), "proportional": have, "sqrt": np.sqrt(have)}[how.allocation]
    if how.allocation == "equal":
        _one_each(ask, how.by, names)
    return by_groups(pool, ask, codes, names, shares, f"values of {how.by!r}")


@register("balanced")
def balanced(pool: Candidates, ask: Ask, how: config.Balanced) -> Ordered:
    """Equal counts from every region; of continents all but Antarctica, unless `values` names them."""
    chosen = how.values
    if chosen is None and how.by == "continent":
        chosen = tuple(name for name in stratum(pool, how.by, ask.who)[1] if name != "Antarctica")
    codes, names = _values(pool, ask, how.by, chosen)
    _one_each(ask, how.by, names)
    return by_groups(pool, ask, codes, names, np.ones(len(names)), f"values of {how.by!r}")


@register("where")
def where(pool: Candidates, ask: Ask, how: config.Where) -> Ordered:
    """Candidates uniform among the rows that satisfy the DuckDB boolean `expr`."""
    mask = pool.select(how.expr, ask.who)
    if not mask.any():
        raise CompositionError(
            f"{ask.who}: `{how.expr}` holds for none of {pool.total:,} candidates",
            wanted=f"{ask.budget:,} samples",
            remedy="check names and values: text is case-sensitive, and null counts as false",
        )
    rows = np.flatnonzero(mask)
    return plain(ask, rows[order.by_number(pool.numbers[rows], n=ask.n)], selected=len(rows))


@register("onehot")
def onehot(pool: Candidates, ask: Ask, how: config.OneHot) -> Ordered:
    """Candidates of one region: stratum `by` has `value`."""
    by, value = _one(ask, how)
    codes, _ = _values(pool, ask, by, [value])
    rows = np.flatnonzero(codes == 0)
    head = rows[order.by_number(pool.numbers[rows], n=ask.n)]
    return Ordered(head, np.full(len(head), value, dtype=object), {value: ask.budget})


@register("leave_one_out")
def leave_one_out(pool: Candidates, ask: Ask, how: config.LeaveOneOut) -> Ordered:
    """Candidates of all regions but one; rows without a value are left out and counted.

    allocation rows: uniform over the rows that are left; equal: equal counts from every other region.
    """
    by, value = _one(ask, how)
    _values(pool, ask, by, [value])
    others = [name for name in stratum(pool, by, ask.who)[1] if name != value]
    if not others:
        raise CompositionError(f"{ask.who}: {by!r} has no value but {value!r}", remedy="leave out a value of another stratum")
    codes, names = _values(pool, ask, by, others)
    if how.allocation == "equal":
        _one_each(ask, by, names)
        return by_groups(pool, ask, codes, names, np.ones(len(names)), f"values of {by!r}")
    rows = np.flatnonzero(codes >= 0)
    head = rows[order.by_number(pool.numbers[rows], n=ask.n)]
    return plain(ask, head, left_out=value, without_value=int((stratum(pool, by, ask.who)[0] < 0).sum()))


def restricted(pool: Candidates, by: str, value: str, who: str) -> npt.NDArray[np.bool_]:
    """Mask [N] of the candidates whose stratum `by` has `value`. Raises CompositionError if none has."""
    codes, names = stratum(pool, by, who)
    _need_values(names, by, [value], who)
    return np.asarray(codes == names.index(value), dtype=bool)


def _values(pool: Candidates, ask: Ask, by: str, chosen: Sequence[str] | None) -> tuple[I32, list[str]]:
    """Codes [N] (-1: none of them) and names of the `chosen` values (None: all) of a stratum, in order of name."""
    codes, names = stratum(pool, by, ask.who)
    if not names:
        raise CompositionError(f"{ask.who}: no candidate has a value of {by!r}", remedy="stratify by something else")
    if chosen is None:
        return codes, names
    _need_values(names, by, chosen, ask.who)
    kept = sorted(set(chosen))
    renamed = np.full(len(names) + 1, -1, dtype=np.int32)
    renamed[[names.index(value) for value in kept]] = np.arange(len(kept))
    return renamed[codes], kept


def _need_values(names: Sequence[str], by: str, wanted: Sequence[str], who: str) -> None:
    for value in wanted:
        if value not in names:
            shown = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
            raise CompositionError(
                f"{who}: no candidate has {by} {value!r}{suggestion(value, names)}",
                wanted=f"one of: {shown or 'none is known'}",
                remedy="mend the value",
            )


def _one_each(ask: Ask, by: str, names: Sequence[str]) -> None:
    if 0 < ask.budget < len(names):  # a part of a mixture may have no turn
        raise CompositionError(
            f"{ask.who}: {by!r} has {len(names):,} values, more than the {ask.budget:,} samples of the budget",
            wanted="at least one sample a value",
            remedy="raise `budget:` or stratify by something coarser",
        )


def _one(ask: Ask, how: config.OneHot | config.LeaveOneOut) -> tuple[str, str]:
    if how.by is None or how.value is None:
        raise CompositionError(f"{ask.who}: `each: {how.each}` stands for several compositions", wanted="`by:` with `value:`")
    return how.by, how.value
