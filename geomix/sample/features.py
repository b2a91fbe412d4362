"""Feature columns as whole numbers, so that clusters and distances are the same on any machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomix.errors import CompositionError
from geomix.sample.candidates import Candidates, need

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

STEPS = 1023
"""A feature's range, from its 1st to its 99th hundredth, is cut into so many steps; what lies outside is put to its ends."""


Ends = tuple[float, float]
"""Range of a column that is cut into steps."""


def quantised(pool: Candidates, columns: Sequence[str], who: str, ranges: Sequence[Ends] | None = None) -> tuple[I64, I32]:
    """Rows that have all features, int64 [M] in order, and their features in steps, int32 [columns, M], 0 to STEPS.

    The range of a column is between two of its own values (order statistics, no interpolation): a few wild ones do not
    squeeze the rest. `ranges`: of the columns of a larger pool that these rows are part of.

    Raises CompositionError for a column that is unknown, not numeric, empty or constant.
    """
    values = []
    known = np.ones(len(pool), dtype=bool)
    for name in columns:
        column = number(pool, name, who)
        values.append(column)
        known &= np.isfinite(column)
    if not known.any():
        raise CompositionError(f"{who}: no candidate has all of {', '.join(columns)}", remedy="leave out the emptiest column")
    rows = np.flatnonzero(known)
    found = []
    for at, (name, column) in enumerate(zip(columns, values, strict=True)):
        low, high = ends(column[rows]) if ranges is None else ranges[at]
        if low == high:
            raise CompositionError(f"{who}: column {name!r} has one value, {low:g}", remedy="leave it out of `columns:`")
        steps = np.floor((np.clip(column[rows], low, high) - low) / (high - low) * STEPS + 0.5)
        found.append(np.asarray(steps, dtype=np.int32))
    return rows, np.stack(found)


def number(pool: Candidates, name: str, who: str) -> F64:
    """A numeric column, float64 [N], NaN where unknown. Raises CompositionError if it is absent, text, or has no value."""
    column = maybe_number(pool, name, who)
    if not np.isfinite(column).any():
        raise CompositionError(
            f"{who}: column {name!r} has no value at any of {pool.total:,} candidates",
            remedy="measure it first (`geomix pool`), or name another column",
        )
    return column


def maybe_number(pool: Candidates, name: str, who: str) -> F64:
    """A numeric column, float64 [N], NaN where unknown, perhaps everywhere. Raises CompositionError if it is absent or text."""
    need(pool, name, who, "columns:")
    try:
        return pool.number(name)
    except CompositionError as error:
        raise CompositionError(f"{who}: {error.seen}", wanted=error.wanted, remedy=error.remedy) from None


def ends(column: F64) -> Ends:
    """The range of a column [M >= 1] that is cut into steps: its 1st and 99th hundredth, two of its own values."""
    last = len(column) - 1
    at = [last // 100, last - last // 100]
    low, high = np.partition(column, at)[at]
    return float(low), float(high)


def quantile_bins(values: F64, bins: int) -> F64:
    """Upper edges of all bins but the last, float64 [bins - 1]: order statistics that cut `values` into equal counts."""
    at = [len(values) * k // bins for k in range(1, bins)]
    return np.partition(values, at)[at] if at else np.empty(0)
