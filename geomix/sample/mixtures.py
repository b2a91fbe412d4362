"""Strategies made of others: mix, dose, simplex and placebo; and the user's own list of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geomix import config, tables
from geomix.errors import CompositionError
from geomix.sample import expressions, order
from geomix.sample.candidates import NOT_STRATA, Candidates
from geomix.sample.registry import Ask, Ordered, draw, plain, register

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@register("mix")
def mix(pool: Candidates, ask: Ask, how: config.Mix) -> Ordered:
    """Other compositions in shares `of`, interleaved by the divisor rule; a sample that an earlier turn took is skipped.

    quota exact: a part that runs dry before its share is a CompositionError; water_fill: the others take its turns.
    """
    parts = [draw(pool, part, ask.parts[name]) for name, part in asked(ask, how).items()]
    return mixed(ask, how, parts, len(pool))


def asked(ask: Ask, how: config.Mix) -> dict[str, Ask]:
    """What is asked of each part of a mixture, in order of name."""
    names, shares = _shares(how)
    short = ask.quota == "water_fill"
    # n turns use at most n samples of each part: what a turn skips is in the mixture already.
    return {
        name: replace(ask, budget=quota, reserves=ask.n - quota, name=f"{ask.name}, part {name}", may_fall_short=short)
        for name, quota in zip(names, order.quotas(shares, ask.budget).tolist(), strict=True)
    }


def _shares(how: config.Mix) -> tuple[list[str], F64]:
    names = sorted(how.of)
    return names, order.whole([how.of[name] for name in names])


def mixed(ask: Ask, how: config.Mix, parts: Sequence[Ordered], size: int) -> Ordered:
    """The mixture of what was drawn for each of its parts, in order of name: positions below `size`."""
    names, shares = _shares(how)
    quotas = order.quotas(shares, ask.budget)
    head, origin = interleave_unused([p.positions for p in parts], shares, ask.n, size)
    counts = np.bincount(origin[: ask.budget], minlength=len(names))
    dry = [n for n in range(len(names)) if counts[n] < quotas[n]]
    if dry and ask.quota == "exact":
        raise CompositionError(
            f"{ask.who}: part {names[dry[0]]} has {counts[dry[0]]:,} samples that the others have not taken",
            wanted=f"{quotas[dry[0]]:,} ({how.of[names[dry[0]]]:g} of {shares.sum():g} in {ask.budget:,})",
            remedy="lower `budget:` or its share, enlarge the pool, or set `quota: water_fill`",
        )
    notes = {
        "parts": {name: dict(part.notes) for name, part in zip(names, parts, strict=True)},
        "filled_from_others": {names[n]: int(quotas[n] - counts[n]) for n in dry},
    }
    requested = dict(zip(names, quotas.tolist(), strict=True))
    return Ordered(head, np.asarray(names, dtype=object)[origin], requested, notes)


def interleave_unused(lists: Sequence[I64], shares: F64, n: int, size: int) -> tuple[I64, I64]:
    """The first `n` samples when lists take turns by the divisor rule, each with its next sample that none has taken.

    Samples, int64 [<= n], and the list of each. A list that runs dry leaves its turns to the others.
    """
    # A turn depends on all earlier ones: a plain loop over Python's own numbers, 0.2 us a turn, and no search for the
    # next turn in it, because the order of turns is known until a list runs dry.
    used = bytearray(size)
    head: list[int] = []
    origin: list[int] = []
    left = [iter(own.tolist()) for own in lists]
    wet = list(range(len(lists)))
    taken = np.zeros(len(lists), dtype=np.int64)
    while len(head) < n and wet:
        for group in _coming(shares, taken, wet, n - len(head)):
            for sample in left[group]:
                if not used[sample]:
                    break
            else:
                # Dry lists that are found now differ only in when, not in whether, they are passed over.
                wet.remove(group)
                break
            used[sample] = 1
            head.append(sample)
            origin.append(group)
        taken = np.bincount(np.asarray(origin, dtype=np.int64), minlength=len(lists))
    return np.asarray(head, dtype=np.int64), np.asarray(origin, dtype=np.int64)


def _coming(shares: F64, taken: I64, wet: list[int], n: int) -> list[int]:
    """Lists of the next `n` turns, if none of `wet` runs dry."""
    upto = order.turns_after(shares[wet], taken[wet], n)
    return [wet[g] for g in upto.tolist()]


@register("dose")
def dose(pool: Candidates, ask: Ask, how: config.Dose) -> Ordered:
    """A mixture with `percent` of the second composition, one percentage; 0 and 100 are the two themselves."""
    if len(how.percent) != 1:
        raise CompositionError(
            f"{ask.who}: {len(how.percent)} percentages stand for several compositions", wanted="one percentage"
        )
    part = how.at(how.percent[0])
    return draw(pool, ask, ask.parts[part] if isinstance(part, str) else part)


@register("simplex")
def simplex(pool: Candidates, ask: Ask, how: config.Simplex) -> Ordered:
    """Refused: a design stands for several compositions, each a `stratified` with weights."""
    raise CompositionError(f"{ask.who}: a simplex design stands for {len(how.points)} compositions", wanted="one of them")


@register("placebo")
def placebo(pool: Candidates, ask: Ask, how: config.Placebo) -> Ordered:
    """Composition `of` with strata and features shuffled over the rows: places keep their numbers and coordinates.

    One permutation for all columns, keyed by the draw seed: counts of every value, and of values together, stay.
    """
    part = ask.parts[how.of]
    fixed = sorted(set(expressions.columns(part.expr) or ()) & set(NOT_STRATA)) if isinstance(part, config.Where) else []
    if fixed:
        raise CompositionError(
            f"{ask.who}: {how.of!r} asks for {', '.join(fixed)}, which a placebo does not move",
            wanted="a composition by strata or columns of one's own",
            remedy="leave the placebo out, or ask for a stratum such as latitude_band",
        )
    numbers = order.own_numbers(pool.numbers, "placebo", ask.draw_seed)
    return draw(pool.shuffled(order.by_number(numbers)), ask, ask.parts[how.of])


@register("ids")
def own_list(pool: Candidates, ask: Ask, how: config.Ids) -> Ordered:
    """The user's own list, in its order. Raises CompositionError for ids that are repeated or no candidates."""
    wanted = listed(how)
    counted = wanted.value_counts()
    twice = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    if len(twice):
        raise CompositionError(
            f"{ask.who}: {how.uri} holds {_some(twice)} more than once", wanted="every id once", remedy="leave out the repeats"
        )
    # The pool's ids are looked up in the list, which is the shorter: its table of hashes fits in the cache.
    at = pc.index_in(pool.table["id"], value_set=wanted)
    rows = np.flatnonzero(at.is_valid().to_numpy())
    places = at.drop_null().to_numpy()
    positions = np.full(len(wanted), -1, dtype=np.int64)
    positions[places] = rows
    unknown = wanted.filter(pa.array(positions < 0))
    if len(unknown):
        raise CompositionError(
            f"{ask.who}: {len(unknown):,} of {len(wanted):,} ids of {how.uri} are no candidates: {_some(unknown)}",
            wanted="ids of this pool, outside of exclusion zones",
            remedy="leave them out of the list, or lower `exclude: near_tasks_km`",
        )
    return plain(ask, positions, listed=len(wanted))


def listed(how: config.Ids) -> pa.Array:
    """The user's ids in their order, as text."""
    return pa.array(tables.read(how.uri, [how.column])[how.column].map(str).tolist(), type=pa.string())


def _some(values: pa.Array) -> str:
    return ", ".join(map(repr, values.slice(0, 5).to_pylist())) + (", ..." if len(values) > 5 else "")
