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


def quantised(pool: Candidates, columns: Sequence[str], who: str) -> tuple[I64, I32]:
    """Rows that have all features, int64 [M] in order, and their features in steps, int32 [columns, M], 0 to STEPS.

    The range of a column is between two of its own values (order statistics, no interpolation): a few wild ones do not
    squeeze the rest. Raises CompositionError for a column that is unknown, not numeric, empty or constant.
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
    return rows, np.stack([_steps(column[rows], name, who) for name, column in zip(columns, values, strict=True)])


def number(pool: Candidates, name: str, who: str) -> F64:
    """A numeric column, float64 [N], NaN where unknown. Raises CompositionError if it is absent, text, or has no value."""
    need(pool, name, who, "columns:")
    try:
        column = pool.number(name)
    except CompositionError as error:
        raise CompositionError(f"{who}: {error.seen}", wanted=error.wanted, remedy=error.remedy) from None
    if not np.isfinite(column).any():
        raise CompositionError(
            f"{who}: column {name!r} has no value at any of {len(pool):,} candidates",
            remedy="measure it first (`geomix pool`), or name another column",
        )
    return column


def _steps(column: F64, name: str, who: str) -> I32:
    last = len(column) - 1
    ends = [last // 100, last - last // 100]
    low, high = np.partition(column, ends)[ends]
    if low == high:
        raise CompositionError(f"{who}: column {name!r} has one value, {low:g}", remedy="leave it out of `columns:`")
    steps = np.floor((np.clip(column, low, high) - low) / (high - low) * STEPS + 0.5)
    return np.asarray(steps, dtype=np.int32)


def quantile_bins(values: F64, bins: int) -> F64:
    """Upper edges of all bins but the last, float64 [bins - 1]: order statistics that cut `values` into equal counts."""
    at = [len(values) * k // bins for k in range(1, bins)]
    return np.partition(values, at)[at] if at else np.empty(0)
