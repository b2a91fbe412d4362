"""What reductions are made of: what a pass over a pool looks at and keeps, heads of groups, and values of a stratum.

Groups keep the smallest numbers that their turns need. Numbers are uniform, so that a cut tells which those are; a cut that
was too low is doubled, and the pass is made again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix import ids
from geomix.errors import CompositionError
from geomix.sample import area, candidates, order, stats, strategies
from geomix.sample.candidates import Candidates
from geomix.sample.registry import Ask, Ordered

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass
class Whole:
    """What passes tell of all candidates: known after the first one."""

    room: int
    """Bytes that a reduction may hold."""
    rows: int = 0
    finest: I64 = field(default_factory=area.no_rows)
    """Rows of each finest cell (`area.add_rows`)."""

    def need(self, bytes_: int, ask: Ask, what: str) -> None:
        """Raises CompositionError if `bytes_` are more than the room."""
        if bytes_ > self.room:
            raise CompositionError(
                f"{ask.who}: {what} of {self.rows:,} rows take {bytes_ / 1e9:.2g} GB",
                wanted=f"at most {self.room / 1e9:.2g} GB",
                remedy="raise GEOMIX_POOL_MEMORY, or take another strategy",
            )


@dataclass(frozen=True)
class Look:
    """What is done with every block of a pass; if it `keeps`, the mask says which rows."""

    see: Callable[[Candidates], Mask | None]
    columns: Sequence[str] | None
    keeps: bool


@dataclass(frozen=True)
class Kept:
    """Rows that were kept, in order of id, and their positions in the pool, int64 [M]."""

    pool: Candidates
    rows: I64


@dataclass(frozen=True)
class Found(Kept):
    """What was drawn from the rows that were kept."""

    ordered: Ordered


Answers = list[Kept | None]
Passes = Generator[list[Look], Answers, Found]


def count(see: Callable[[Candidates], None], columns: Sequence[str] | None = ()) -> Generator[list[Look], Answers, None]:
    yield [Look(see, columns, False)]


def keep(see: Callable[[Candidates], Mask], columns: Sequence[str] | None) -> Generator[list[Look], Answers, Kept]:
    (kept,) = yield [Look(see, columns, True)]
    assert kept is not None
    return kept


@dataclass(frozen=True)
class Groups:
    """Groups of rows: the code of each row of a block (-1: none), rows that each has, and rows that are needed of each."""

    codes: Callable[[Candidates], I32]
    have: I64
    wanted: I64


def heads(columns: Sequence[str] | None, *kinds: Groups) -> Generator[list[Look], Answers, Kept]:
    """Rows with the `wanted` smallest numbers of every group of every kind, and some more."""
    wanted = [np.minimum(kind.wanted, kind.have) for kind in kinds]
    share = [order.head_share(w, kind.have) for w, kind in zip(wanted, kinds, strict=True)]
    while True:
        counted = [np.zeros(len(w), dtype=np.int64) for w in wanted]

        def see(block: Candidates, counted: list[I64] = counted) -> Mask:
            mask = np.zeros(len(block), dtype=bool)
            for n, kind in enumerate(kinds):
                codes = kind.codes(block)
                low = order.below(block.numbers, codes, share[n])
                counted[n] += np.bincount(codes[low], minlength=len(counted[n]))
                mask |= low
            return mask

        kept = yield from keep(see, columns)
        short = [c < w for c, w in zip(counted, wanted, strict=True)]
        if not any(s.any() for s in short):
            return kept
        for n, few in enumerate(short):
            share[n][few] *= 2


def masked(holds: Callable[[Candidates], Mask], have: int, wanted: int) -> Groups:
    """One group: rows for which `holds`."""
    codes = lambda block: np.where(holds(block), 0, -1).astype(np.int32)  # noqa: E731 (a name for one line)
    return Groups(codes, np.asarray([have]), np.asarray([wanted]))


def first(
    whole: Whole, n: int, numbers: Callable[[Candidates], ids.U64], by_area: bool
) -> Generator[list[Look], Answers, tuple[Kept, F64 | None, float]]:
    """At least the `n` first rows in the order of `numbers`, by area or not; their weights; and all weights' sum in km2."""
    n, cells, weights = min(n, whole.rows), np.empty(0, dtype=np.int64), np.empty(0)
    pyramid: list[I64] = []
    if by_area:
        row, column = np.nonzero(whole.finest)
        cells, pyramid = whole.finest[row, column], area.pyramid_of(whole.finest)
        lat = np.degrees(np.arcsin((row + 0.5) / whole.finest.shape[0] * 2 - 1))
        weights = area.weights((column + 0.5) / whole.finest.shape[1] * 360 - 180, lat, area.is_land, pyramid)
    expected = n + 6 * float(np.sqrt(n)) + 16
    while True:
        most = expected >= whole.rows / 2
        cut = np.inf if most or not by_area else _key_that_gives(expected, cells, weights)
        share = np.asarray([1.0 if most else expected / whole.rows])

        def see(block: Candidates, cut: float = cut, share: F64 = share) -> Mask:
            own = numbers(block)
            if not by_area:
                return order.below(own, np.zeros(len(block), dtype=np.int32), share)
            heavy = area.weights(block.lon, block.lat, area.is_land, pyramid)
            return np.asarray(-np.log1p(-ids.unit_interval(own)) / heavy <= cut, dtype=bool)

        kept = yield from keep(see, ())
        if len(kept.rows) >= n:
            at = kept.pool
            mine = area.weights(at.lon, at.lat, area.is_land, pyramid) if by_area else None
            return kept, mine, float((cells * weights).sum())
        expected *= 2


def _key_that_gives(expected: float, cells: I64, weights: F64) -> float:
    """The key (`order.by_number`) below which so many rows are expected: each row's is exponential with its weight."""
    low, high = 0.0, 60 / float(weights.min())
    for _ in range(60):
        middle = (low + high) / 2
        enough = float(cells @ -np.expm1(-middle * weights)) >= expected
        low, high = (low, middle) if enough else (middle, high)
    return high


def drawn(kept: Kept, ask: Ask, how: Any, **notes: Any) -> Found:
    """What the strategy itself draws from the rows that were kept, with the whole pool's `notes`."""
    ordered = strategies.draw(kept.pool, ask, how)
    return Found(kept.pool, kept.rows, replace(ordered, notes={**ordered.notes, **notes}))


class Values:
    """Values of a stratum: rows of each, and rows without one."""

    def __init__(self, by: str, who: str) -> None:
        self.by, self.who = by, who
        self.have: Counter[str] = Counter()
        self.unknown = 0

    def see(self, block: Candidates) -> None:
        codes, names = candidates.stratum(block, self.by, self.who)
        counts, unknown = stats.counts(codes, names)
        self.have.update(counts)
        self.unknown += unknown

    def groups(self, chosen: Sequence[str], wanted: I64) -> Groups:
        """One group a chosen value."""
        index = {name: n for n, name in enumerate(chosen)}

        def codes(block: Candidates) -> I32:
            own, names = block.text(self.by)
            return np.asarray([index.get(name, -1) for name in names] + [-1], dtype=np.int32)[own]

        return Groups(codes, np.asarray([self.have[name] for name in chosen], dtype=np.int64), wanted)

    @property
    def one_each(self) -> Groups:
        """One row of every value: then the strategy knows all of their names."""
        return self.groups(sorted(self.have), np.ones(len(self.have), dtype=np.int64))

    def holds(self, block: Candidates, value: str) -> Mask:
        codes, names = candidates.stratum(block, self.by, self.who)
        return np.asarray(codes == names.index(value), dtype=bool) if value in names else np.zeros(len(block), dtype=bool)


def together(waiting: Sequence[Passes]) -> Generator[list[Look], Answers, list[Found]]:
    """What several reductions find, which share their passes."""
    found: dict[int, Found] = {}
    asked = {n: next(one) for n, one in enumerate(waiting)}
    while asked:
        answers = yield [look for looks in asked.values() for look in looks]
        again = {}
        for n, looks in asked.items():
            mine, answers = answers[: len(looks)], answers[len(looks) :]
            try:
                again[n] = waiting[n].send(mine)
            except StopIteration as end:
                found[n] = end.value
        asked = again
    return [found[n] for n in range(len(waiting))]
