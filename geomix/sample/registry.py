"""What a strategy is: what is asked of it, the ordered list that it gives, and the table of strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix import config
from geomix.errors import CompositionError
from geomix.sample import order
from geomix.sample.candidates import Candidates

I32 = npt.NDArray[np.int32]
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
    """Definitions of the compositions that a `mix` or a `placebo` names."""
    may_fall_short: bool = False
    """Part of a mixture that the others may fill: a list that does not reach the budget is no error."""

    @property
    def n(self) -> int:
        """Length of the list that is asked for."""
        return self.budget + self.reserves

    @property
    def who(self) -> str:
        """The composition, as messages begin."""
        return f"composition {self.name!r}"


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
        raise CompositionError(f"{ask.who}: strategy {definition.strategy!r} draws nothing")
    return enough(pool, ask, STRATEGIES[definition.strategy](pool, ask, definition))


def enough(pool: Candidates, ask: Ask, ordered: Ordered) -> Ordered:
    """`ordered`, if it reaches the budget. Raises CompositionError if not."""
    if len(ordered.positions) < ask.budget and not ask.may_fall_short:
        raise CompositionError(
            f"{ask.who}: {len(ordered.positions):,} samples can be drawn from {pool.total:,} candidates",
            wanted=f"{ask.budget:,} samples (`budget:`)",
            remedy="lower `budget:`, enlarge the pool, or widen the composition (or `exclude:` less)",
        )
    return ordered


def plain(ask: Ask, positions: I64, **notes: Any) -> Ordered:
    """An ordered list without strata."""
    head = positions[: ask.n]
    return Ordered(head, np.full(len(head), None, dtype=object), {"all": ask.budget}, notes)


def by_groups(pool: Candidates, ask: Ask, codes: I32, names: Sequence[str], shares: F64, what: str) -> Ordered:
    """Candidates of groups in given shares, interleaved by the divisor rule so that budgets nest.

    `codes` [N]: group of each candidate (-1: none, counted in the notes); inside a group the smallest number goes first.
    quota exact: a group with fewer rows than its quota is a CompositionError that names it; water_fill: the others fill
    its turns. `what` names the kind of group in messages.
    """
    if 0 < ask.budget < len(names) and (shares == shares[0]).all():
        raise CompositionError(
            f"{ask.who}: {len(names):,} {what}, more than the {ask.budget:,} samples of the budget",
            wanted=f"at least one sample from each of the {what}",
            remedy="raise `budget:`, or ask for fewer",
        )
    quotas = order.quotas(shares, ask.budget)
    have = np.bincount(codes[codes >= 0], minlength=len(names))
    dry = [n for n in range(len(names)) if have[n] < quotas[n]]
    if dry and ask.quota == "exact":
        listed = ", ".join(f"{names[n]} has {have[n]:,} of {quotas[n]:,}" for n in dry[:8])
        equal = "an equal count from each" if (shares == shares[0]).all() else "each in its share"
        raise CompositionError(
            f"{ask.who}: {len(dry)} of {len(names)} {what} run dry: {listed}{', ...' if len(dry) > 8 else ''}",
            wanted=f"{ask.budget:,} samples, {equal}",
            remedy="lower `budget:`, enlarge the pool, or set `quota: water_fill` to fill them from the others",
        )
    head = order.by_group(pool.numbers, codes, shares, have, ask.n)
    return Ordered(
        head,
        np.asarray(names, dtype=object)[codes[head]],
        dict(zip(names, quotas.tolist(), strict=True)),
        {
            "without_value": len(pool) - int(have.sum()),
            "filled_from_others": {names[n]: int(quotas[n] - have[n]) for n in dry},
        },
    )
