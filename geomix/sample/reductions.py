"""What of a large pool each strategy needs, found in passes over its blocks; the strategy then draws from the rows kept.

A reduction is a generator: it yields what to look at in the next pass (`Look`), is sent what was kept, and returns what was
drawn (`Found`). Each keeps at least the rows that decide the first n = budget + reserves, so that the strategy itself, run on
them, gives the same list. Counts that it cannot make from these (rows without a value, rows that an expression holds for)
are made in the passes, and replace those in its notes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geomix import config
from geomix.sample import (
    by_entropy,
    by_feature,
    by_place,
    expressions,
    features,
    mixtures,
    nearest,
    order,
    passes,
    stats,
    strategies,
)
from geomix.sample.candidates import Candidates
from geomix.sample.passes import Found, Passes, Whole
from geomix.sample.registry import Ask, plain

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def of(whole: Whole, ask: Ask, how: Any) -> Passes:
    """The reduction of a composition, which `reducible` says there is."""
    return _REDUCTIONS[how.strategy](whole, ask, how)


def reducible(how: Any) -> bool:
    """Whether less than the whole pool decides a composition (its parts apart)."""
    return how.strategy in _REDUCTIONS and not (how.strategy == "farthest_point" and how.candidates is None)


def _uniform(whole: Whole, ask: Ask, how: config.Uniform) -> Passes:
    yield from passes.count(lambda block: None)
    kept, weights, land = yield from passes.first(whole, ask.n, lambda block: block.numbers, how.weight == "area")
    notes = {} if weights is None else {"land_km2": round(land)}
    ordered = plain(ask, order.by_number(kept.pool.numbers, weights, ask.n), **notes)
    return Found(kept.pool, kept.rows, strategies.enough(kept.pool, ask, ordered))


def _stratified(whole: Whole, ask: Ask, how: config.Stratified | config.Balanced | config.LeaveOneOut) -> Passes:
    values = passes.Values(how.reads[0], ask.who)
    yield from passes.count(values.see, how.reads)
    names = sorted(values.have)
    if isinstance(how, config.LeaveOneOut):
        names = [name for name in names if name != how.value]
    elif how.values is not None:
        names = sorted(set(how.values) & set(names))
    elif isinstance(how, config.Balanced) and how.by == "continent":
        names = [name for name in names if name != "Antarctica"]
    elif isinstance(how, config.Stratified) and how.weights is not None:
        names = sorted(set(how.weights) & set(names))
    have = np.asarray([values.have[name] for name in names], dtype=np.int64)
    shares = np.ones(len(names))
    if isinstance(how, config.Stratified) and how.allocation != "equal":
        if how.weights is not None:
            shares = np.asarray([how.weights[name] for name in names], dtype=np.float64)
        else:
            shares = have.astype(np.float64) if how.allocation == "proportional" else np.sqrt(have)
            # The rows that are kept no longer tell the shares.
            given = dict(zip(names, shares.tolist(), strict=True))
            how = how.model_copy(update={"allocation": "weights", "weights": given, "values": None}) if names else how
    wanted = order.taken(shares, have, ask.n) if names else have
    kept = yield from passes.heads(how.reads, values.groups(names, wanted), values.one_each)
    return passes.drawn(kept, ask, how, without_value=whole.rows - int(have.sum()))


def _leave_one_out(whole: Whole, ask: Ask, how: config.LeaveOneOut) -> Passes:
    if how.allocation == "equal":
        return (yield from _stratified(whole, ask, how))
    values = passes.Values(how.reads[0], ask.who)
    yield from passes.count(values.see, how.reads)
    others = sum(values.have.values()) - values.have[str(how.value)]

    def holds(block: Candidates) -> Mask:
        return np.asarray((block.text(values.by)[0] >= 0) & ~values.holds(block, str(how.value)), dtype=bool)

    kept = yield from passes.heads(how.reads, passes.masked(holds, others, ask.n), values.one_each)
    return passes.drawn(kept, ask, how, without_value=values.unknown)


def _onehot(whole: Whole, ask: Ask, how: config.OneHot) -> Passes:
    values = passes.Values(how.reads[0], ask.who)
    yield from passes.count(values.see, how.reads)
    mine = passes.masked(lambda block: values.holds(block, str(how.value)), values.have[str(how.value)], ask.n)
    return passes.drawn((yield from passes.heads(how.reads, mine, values.one_each)), ask, how)


def _where(whole: Whole, ask: Ask, how: config.Where) -> Passes:
    columns, selected = expressions.columns(how.expr), 0

    def see(block: Candidates) -> None:
        nonlocal selected
        selected += int(block.select(how.expr, ask.who).sum())

    yield from passes.count(see, columns)
    kept = yield from passes.heads(columns, passes.masked(lambda block: block.select(how.expr, ask.who), selected, ask.n))
    return passes.drawn(kept, ask, how, selected=selected)


def _entropy(whole: Whole, ask: Ask, how: config.Entropy) -> Passes:
    strata = None if how.by is None else passes.Values(how.by, ask.who)
    seen: list[F64] = []
    like: list[F64] = []
    finite = 0

    def values(block: Candidates, region: str | None) -> tuple[F64, Mask]:
        column = features.maybe_number(block, how.column, ask.who)
        known = np.isfinite(column)
        return column, known if strata is None or region is None else known & strata.holds(block, region)

    def see(block: Candidates) -> None:
        nonlocal finite
        column, mine = values(block, how.value)
        finite += int(np.isfinite(column).sum())
        seen.append(column[mine])
        if strata is not None:
            strata.see(block)
        if how.like is not None:
            like.append(column[values(block, how.like)[1]])
        whole.need(16 * sum(map(len, (*seen, *like))), ask, "the values")

    yield from passes.count(see, how.reads)
    own = np.concatenate(seen) if seen else np.empty(0)
    reference = own if how.like is None else np.concatenate(like) if like else np.empty(0)
    seen.clear()
    like.clear()
    if not len(own) or not len(reference):
        # The strategy says what is wrong: it sees one row of every kind.
        some = passes.masked(lambda block: values(block, None)[1], finite, 1)
        mine = passes.masked(lambda block: values(block, how.value)[1], len(own), 1)
        return passes.drawn((yield from passes.heads(how.reads, some, mine, *([strata.one_each] if strata else []))), ask, how)
    if how.mode == "top":
        last = -float(np.partition(-own, min(ask.n, len(own)) - 1)[min(ask.n, len(own)) - 1])
        above, ties = int((own > last).sum()), int((own == last).sum())

        def top(block: Candidates) -> I32:
            column, mine = values(block, how.value)
            codes = np.select([mine & (column > last), mine & (column == last)], [0, 1], -1)
            return codes.astype(np.int32)

        wanted = np.asarray([above, ask.n - above])
        kept = yield from passes.heads(how.reads, passes.Groups(top, np.asarray([above, ties]), wanted))
        return passes.drawn(kept, ask, how, without_value=whole.rows - len(own))
    bins = by_entropy.bins_of(reference, how)
    low, high = float(reference.min()), float(reference.max())
    del reference

    def binned(block: Candidates) -> I32:
        column, mine = values(block, how.value)
        mine &= (column >= low) & (column <= high)
        codes = np.full(len(block), -1, dtype=np.int32)
        codes[mine] = bins.codes(column[mine])
        return codes

    have = np.zeros(len(bins.names), dtype=np.int64)
    for start in range(0, len(own), 1 << 20):
        part = own[start : start + (1 << 20)]
        codes = bins.codes(part[(part >= low) & (part <= high)])
        have += np.bincount(codes[codes >= 0], minlength=len(have))
    del own
    kept = yield from passes.heads(how.reads, passes.Groups(binned, have, order.taken(bins.shares, have, ask.n)))
    ordered = strategies.enough(kept.pool, ask, by_entropy.by_bins(kept.pool, ask, how, bins, binned(kept.pool)))
    notes = {**ordered.notes, "without_value": whole.rows - int(have.sum())}
    return Found(kept.pool, kept.rows, replace(ordered, notes=notes))


def _farthest(whole: Whole, ask: Ask, how: config.FarthestPoint) -> Passes:
    seen: list[list[F64]] = [[] for _ in how.columns]
    finite = np.zeros(len(how.columns), dtype=np.int64)

    def columns(block: Candidates) -> tuple[list[F64], Mask]:
        found = [features.maybe_number(block, name, ask.who) for name in how.columns]
        return found, np.asarray(np.isfinite(found).all(axis=0), dtype=bool)

    def see(block: Candidates) -> None:
        found, known = columns(block)
        for n, column in enumerate(found):
            finite[n] += int(np.isfinite(column).sum())
            seen[n].append(column[known])
        whole.need(8 * (len(seen) + 2) * sum(map(len, seen[0])), ask, "the features")

    yield from passes.count(see, how.reads)
    count = sum(map(len, seen[0]))
    if count and how.candidates is not None:
        ranges = [features.ends(np.concatenate(column)) for column in seen]
        kept = yield from passes.heads(how.reads, passes.masked(lambda block: columns(block)[1], count, how.candidates))
        ordered = strategies.enough(kept.pool, ask, by_feature.farthest(kept.pool, ask, how, ranges))
        return Found(kept.pool, kept.rows, ordered)
    some = [passes.masked(lambda b, n=n: np.isfinite(columns(b)[0][n]), int(c), 1) for n, c in enumerate(finite)]  # type: ignore[misc]
    return passes.drawn((yield from passes.heads(how.reads, *some)), ask, how)


def _cities(whole: Whole, ask: Ask, how: config.Cities) -> Passes:
    yield from passes.count(lambda block: None)
    points = by_place.points(how, ask, whole.rows)
    # A point's candidate is sought within its own reach; what the others take before it is within theirs.
    metres = np.full(len(points.lon), 2000 * float(np.sqrt(510e6 / max(whole.rows, 1))))
    while True:
        near = nearest.Caps(points.lon, points.lat, metres)
        kept = yield from passes.keep(lambda block, near=near: near.holds(block.lon, block.lat), ())  # type: ignore[misc]
        if len(kept.rows) < len(points.lon):
            metres *= 2
            continue
        ordered, far = by_place.about(kept.pool, ask, points)
        beyond = far > metres
        if len(kept.rows) == whole.rows or not beyond.any():
            return Found(kept.pool, kept.rows, strategies.enough(kept.pool, ask, ordered))
        metres[beyond] = np.clip(far[beyond] + 1, 2 * metres[beyond], 64 * metres[beyond])


def _clustered(whole: Whole, ask: Ask, how: config.Clustered) -> Passes:
    yield from passes.count(lambda block: None)
    several = 4 * how.clusters
    while True:  # rows at one place are one centre
        numbers = lambda block: by_place.centre_numbers(block, ask.draw_seed)  # noqa: E731 (a name for one line)
        kept, weights, _ = yield from passes.first(whole, several, numbers, how.weight == "area")
        places = np.unique(np.column_stack([kept.pool.lon, kept.pool.lat]), axis=0)
        if len(places) >= how.clusters or len(kept.rows) == whole.rows:
            break
        several *= 4
    centres = by_place.centres(kept.pool, ask, how, weights)
    have = np.zeros(how.clusters, dtype=np.int64)

    def see(block: Candidates) -> None:
        codes = centres.codes(block.lon, block.lat)
        have[:] += np.bincount(codes[codes >= 0], minlength=len(have))

    yield from passes.count(see)
    wanted = order.taken(np.ones(len(have)), have, ask.n)
    kept = yield from passes.heads((), passes.Groups(lambda block: centres.codes(block.lon, block.lat), have, wanted))
    ordered = strategies.enough(kept.pool, ask, by_place.about_centres(kept.pool, ask, centres))
    notes = {**ordered.notes, "outside": whole.rows - int(have.sum())}
    return Found(kept.pool, kept.rows, replace(ordered, notes=notes))


def _ids(whole: Whole, ask: Ask, how: config.Ids) -> Passes:
    wanted = mixtures.listed(how)
    see = lambda block: np.asarray(pc.is_in(block.table["id"], value_set=wanted), dtype=bool)  # noqa: E731
    return passes.drawn((yield from passes.keep(see, ("id",))), ask, how)


def _dose(whole: Whole, ask: Ask, how: config.Dose) -> Passes:
    part = how.at(how.percent[0])
    return (yield from of(whole, ask, ask.parts[part] if isinstance(part, str) else part))


def _mix(whole: Whole, ask: Ask, how: config.Mix) -> Passes:
    found = yield from passes.together([of(whole, part, ask.parts[name]) for name, part in mixtures.asked(ask, how).items()])
    chosen = [one.rows[one.ordered.positions] for one in found]
    every, first = np.unique(np.concatenate(chosen), return_index=True)
    shown = [c for c in ("id", "lon", "lat", *stats.STRATA) if c in found[0].pool.table.column_names]
    tables = [one.pool.table.select(shown).take(pa.array(one.ordered.positions)) for one in found]
    numbers = np.concatenate([one.pool.numbers[one.ordered.positions] for one in found])
    table = pa.concat_tables(tables).take(pa.array(first))
    pool = Candidates(table, numbers[first], found[0].pool.known, whole.rows)
    parts = [replace(one.ordered, positions=np.searchsorted(every, rows)) for one, rows in zip(found, chosen, strict=True)]
    return Found(pool, every, strategies.enough(pool, ask, mixtures.mixed(ask, how, parts, len(every))))


_REDUCTIONS: dict[str, Callable[[Whole, Ask, Any], Passes]] = {
    "uniform": _uniform,
    "stratified": _stratified,
    "balanced": _stratified,
    "onehot": _onehot,
    "leave_one_out": _leave_one_out,
    "where": _where,
    "entropy": _entropy,
    "farthest_point": _farthest,
    "cities": _cities,
    "clustered": _clustered,
    "ids": _ids,
    "mix": _mix,
    "dose": _dose,
}
