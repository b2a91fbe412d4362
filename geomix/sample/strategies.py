"""The strategies, by name: pure functions of (candidates, what is asked, parameters) that order the candidates.

Every order is that of an unlimited list: the first `budget` are the draw, what follows are the reserves, and a smaller
budget takes the head of a larger one's list. Nothing depends on the order of the rows. All strategies of one draw seed
share the samples' permanent random numbers, so that compositions overlap as much as their definitions allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix import atlas, config, ids, tables
from geomix.errors import CompositionError
from geomix.sample import area, order, sphere
from geomix.sample.candidates import Candidates, stratum, suggestion

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ask:
    """What is asked: `budget` samples and up to `reserves` more; `name` is the composition's, for messages."""

    budget: int
    reserves: int
    draw_seed: int
    quota: str = "exact"
    name: str = "composition"
    parts: Mapping[str, config.Composition] = field(default_factory=dict)
    """Definitions of the compositions that a `mix` names."""

    @property
    def n(self) -> int:
        """Length of the list that is asked for."""
        return self.budget + self.reserves


@dataclass(frozen=True)
class Ordered:
    """An ordered list: `positions` of candidates, int64 [<= n], the stratum of each (None: no strata), and counts."""

    positions: I64
    strata: npt.NDArray[np.object_]
    requested: Mapping[str, int]
    """Stratum -> samples asked for within the budget; `all` where there are no strata."""
    notes: Mapping[str, Any] = field(default_factory=dict)


Strategy = Callable[[Candidates, Ask, Any], Ordered]
STRATEGIES: dict[str, Strategy] = {}


def register(name: str) -> Callable[[Strategy], Strategy]:
    """Decorator: makes a function the strategy `name` of study files."""

    def add(function: Strategy) -> Strategy:
        STRATEGIES[name] = function
        return function

    return add


def draw(pool: Candidates, ask: Ask, definition: config.Composition) -> Ordered:
    """The ordered list of a composition: budget + reserves, or as many reserves as there are.

    Raises CompositionError if the budget cannot be reached or the definition does not fit the pool, DataError if an
    expression is not valid.
    """
    if definition.strategy not in STRATEGIES:
        raise CompositionError(f"composition {ask.name!r}: strategy {definition.strategy!r} draws nothing")
    ordered = STRATEGIES[definition.strategy](pool, ask, definition)
    if len(ordered.positions) < ask.budget:
        raise CompositionError(
            f"composition {ask.name!r}: {len(ordered.positions):,} samples can be drawn from {len(pool):,} candidates",
            wanted=f"{ask.budget:,} samples (`budget:`)",
            remedy="lower `budget:`, enlarge the pool, or widen the composition (or `exclude:` less)",
        )
    return ordered


def _plain(ask: Ask, positions: I64, **notes: Any) -> Ordered:
    head = positions[: ask.n]
    return Ordered(head, np.full(len(head), None, dtype=object), {"all": ask.budget}, notes)


@register("uniform")
def uniform(pool: Candidates, ask: Ask, how: config.Uniform) -> Ordered:
    """Candidates uniform over rows, or over land area (`weight: area`, see `area.weights`)."""
    if how.weight == "rows":
        return _plain(ask, order.by_number(pool.numbers))
    weights = area.weights(pool.lon, pool.lat, is_land)
    return _plain(ask, order.by_number(pool.numbers, weights), land_km2=round(float(weights.sum())))


def is_land(lon: F64, lat: F64) -> npt.NDArray[np.bool_]:
    """True where the packaged land-cover map has no water, bool [N]."""
    return np.asarray(atlas.lookup("landcover", lon, lat) > 0, dtype=bool)


@register("stratified")
def stratified(pool: Candidates, ask: Ask, how: config.Stratified) -> Ordered:
    """Equal counts from every value of stratum `by`; rows without a value are left out and counted.

    quota exact: a value with fewer rows than its quota is a CompositionError; water_fill: the others fill its turns.
    """
    who = f"composition {ask.name!r}"
    codes, names = stratum(pool, how.by, who)
    if not names:
        raise CompositionError(f"{who}: no candidate has a value of {how.by!r}", remedy="stratify by something else")
    if len(names) > ask.budget:
        raise CompositionError(
            f"{who}: {how.by!r} has {len(names):,} values, more than the {ask.budget:,} samples of the budget",
            wanted="at least one sample a value",
            remedy="raise `budget:` or stratify by something coarser",
        )
    shares = np.ones(len(names))
    quotas = order.quotas(shares, ask.budget)
    have = np.bincount(codes[codes >= 0], minlength=len(names))
    dry = [n for n in range(len(names)) if have[n] < quotas[n]]
    if dry and ask.quota == "exact":
        listed = ", ".join(f"{names[n]} has {have[n]:,} of {quotas[n]:,}" for n in dry[:8])
        raise CompositionError(
            f"{who}: {len(dry)} of {len(names)} values of {how.by!r} run dry: {listed}{', ...' if len(dry) > 8 else ''}",
            wanted=f"{ask.budget:,} samples, an equal count from each",
            remedy="lower `budget:`, enlarge the pool, or set `quota: water_fill` to fill them from the others",
        )
    by_number = order.by_number(pool.numbers)
    # Groups in the order of drawing, then interleaved: every head of the list holds equal counts.
    head = by_number[order.interleave(codes[by_number], shares)][: ask.n]
    strata = np.asarray(names, dtype=object)[codes[head]]
    requested = dict(zip(names, quotas.tolist(), strict=True))
    short = {names[n]: int(quotas[n] - have[n]) for n in dry}
    return Ordered(head, strata, requested, {"without_value": int((codes < 0).sum()), "filled_from_others": short})


@register("where")
def where(pool: Candidates, ask: Ask, how: config.Where) -> Ordered:
    """Candidates uniform among the rows that satisfy the DuckDB boolean `expr`."""
    who = f"composition {ask.name!r}"
    mask = tables.select(pool.frame, how.expr, who)
    # Copied by `take`: DuckDB does not read the reversed view that `iloc[::-1]` gives.
    again = tables.select(pool.frame.take(np.arange(len(pool))[::-1]), how.expr, who)[::-1]
    if (mask != again).any():
        raise CompositionError(
            f"{who}: `{how.expr}` holds for other rows each time it is asked",
            wanted="an expression of the columns alone",
            remedy="leave out random() and the like",
        )
    if not mask.any():
        raise CompositionError(
            f"{who}: `{how.expr}` holds for none of {len(pool):,} candidates",
            wanted=f"{ask.budget:,} samples",
            remedy="check names and values: text is case-sensitive, and null counts as false",
        )
    by_number = order.by_number(pool.numbers)
    return _plain(ask, by_number[mask[by_number]], selected=int(mask.sum()))


@register("onehot")
def onehot(pool: Candidates, ask: Ask, how: config.OneHot) -> Ordered:
    """Candidates of one region: stratum `by` has `value`."""
    who = f"composition {ask.name!r}"
    if how.by is None or how.value is None:
        raise CompositionError(f"{who}: `each: {how.each}` stands for several compositions", wanted="`by:` with `value:`")
    codes, names = stratum(pool, how.by, who)
    if how.value not in names:
        shown = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
        raise CompositionError(
            f"{who}: no candidate has {how.by} {how.value!r}{suggestion(how.value, names)}",
            wanted=f"one of: {shown or 'none is known'}",
            remedy="mend `value:`",
        )
    by_number = order.by_number(pool.numbers)
    head = by_number[codes[by_number] == names.index(how.value)][: ask.n]
    return Ordered(head, np.full(len(head), how.value, dtype=object), {how.value: ask.budget})


@register("cities")
def cities(pool: Candidates, ask: Ask, how: config.Cities) -> Ordered:
    """Candidates nearest to points scattered about the `top` largest cities by a Gaussian of `sigma_km` along each axis.

    Every city has the same share: they take turns, in an order keyed by the draw seed. The k-th point about a city is
    keyed by (draw seed, city, k); each point takes the nearest candidate that no earlier one took.
    """
    lon, lat, numbers = _cities(how.top, ask.draw_seed)
    count = min(ask.n, len(pool))
    turn, city = np.divmod(np.arange(count), max(len(lon), 1))
    # Two numbers a point, from a SplitMix64 stream of each city.
    with np.errstate(over="ignore"):
        base = ids.splitmix64(numbers[city]) + np.uint64(2) * turn.astype(np.uint64)
        u1, u2 = (ids.unit_interval(ids.splitmix64(base + np.uint64(step))) for step in (0, 1))
    to_lon, to_lat = sphere.gaussian_offsets(lon[city], lat[city], how.sigma_km, u1, u2)
    found, far = sphere.nearest_unused(pool.lon, pool.lat, pool.numbers, to_lon, to_lat)
    km = far[: ask.budget] / 1000
    note = {f"p{q}": round(float(np.percentile(km, q)), 1) for q in (50, 95, 100)} if len(km) else {}
    # A pool without rows near a city gives the nearest it has: these distances say how far that was.
    return _plain(ask, found, cities=len(lon), km_from_point_to_sample=note)


def _cities(top: int, draw_seed: int) -> tuple[F64, F64, ids.U64]:
    largest = atlas.cities().head(top)
    lon, lat = (largest[c].to_numpy(dtype=np.float64) for c in ("lon", "lat"))
    names = [f"{n} {x:.5f} {y:.5f}" for n, x, y in zip(largest["name"], lon, lat, strict=True)]
    numbers = ids.permanent_random(ids.id64(names), ids.derive_seed("cities", draw_seed))
    turn = np.argsort(numbers, kind="stable")
    return lon[turn], lat[turn], numbers[turn]


@register("mix")
def mix(pool: Candidates, ask: Ask, how: config.Mix) -> Ordered:
    """Other compositions in shares `of`, interleaved by the divisor rule; a sample that an earlier turn took is skipped.

    quota exact: a part that runs dry before its share is a CompositionError; water_fill: the others take its turns.
    """
    names = sorted(how.of)
    shares = np.asarray([how.of[name] for name in names], dtype=np.float64)
    quotas = order.quotas(shares, ask.budget)
    parts = []
    for name, quota in zip(names, quotas.tolist(), strict=True):
        # n turns use at most n samples of each part: what a turn skips is in the mixture already.
        part = replace(ask, budget=quota, reserves=ask.n - quota, name=f"{ask.name}, part {name}")
        parts.append(draw(pool, part, ask.parts[name]))
    head, origin = _interleave_unused([p.positions for p in parts], shares, ask.n, len(pool))
    counts = np.bincount(origin[: ask.budget], minlength=len(names))
    dry = [n for n in range(len(names)) if counts[n] < quotas[n]]
    if dry and ask.quota == "exact":
        raise CompositionError(
            f"composition {ask.name!r}: part {names[dry[0]]} has {counts[dry[0]]:,} samples that the others have not taken",
            wanted=f"{quotas[dry[0]]:,} ({how.of[names[dry[0]]]:g} of {shares.sum():g} in {ask.budget:,})",
            remedy="lower `budget:` or its share, enlarge the pool, or set `quota: water_fill`",
        )
    strata = np.asarray([names[o] for o in origin], dtype=object)
    requested = dict(zip(names, quotas.tolist(), strict=True))
    notes = {
        "parts": {name: dict(part.notes) for name, part in zip(names, parts, strict=True)},
        "filled_from_others": {names[n]: int(quotas[n] - counts[n]) for n in dry},
    }
    return Ordered(head, strata, requested, notes)


def _interleave_unused(lists: list[I64], shares: F64, n: int, size: int) -> tuple[I64, I64]:
    used = np.zeros(size, dtype=bool)
    taken, cursor = [0] * len(lists), [0] * len(lists)
    head: list[int] = []
    origin: list[int] = []
    while len(head) < n:
        for group, own in enumerate(lists):
            while cursor[group] < len(own) and used[own[cursor[group]]]:
                cursor[group] += 1
        wet = [g for g, own in enumerate(lists) if cursor[g] < len(own)]
        if not wet:
            break
        group = min(wet, key=lambda g: ((2 * taken[g] + 1) / shares[g], g))
        sample = int(lists[group][cursor[group]])
        used[sample] = True
        taken[group] += 1
        head.append(sample)
        origin.append(group)
    return np.asarray(head, dtype=np.int64), np.asarray(origin, dtype=np.int64)
