"""Mean squares of the balanced layouts, and sums of them: variance and Satterthwaite degrees of freedom.

Letters: C compositions, D draws, S training seeds, K cells (composition, draw). Squares named D, S, DS are of effects that all
compositions share; cD, cS, cDS (kS) of what is left to each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # loads scipy.special when it is first used

F64 = npt.NDArray[np.float64]

OWN_LEVEL = 0.25
"""A variance of its own replaces the pooled one of `at_least` where an F test at this level says that it is larger."""


@dataclass(frozen=True)
class Term:
    """`coefficient` times a mean square with `df` degrees of freedom."""

    coefficient: float
    mean_square: float
    df: float


def combine(terms: Sequence[Term]) -> tuple[float, float]:
    """Variance and Satterthwaite degrees of freedom of a sum of terms: (sum x)^2 / sum(x^2 / df).

    A sum of positive terms has at least the degrees of freedom of its poorest term. A difference can fall below that, where
    the rule says nothing any more and quantiles explode: it gets that many at least.
    """
    variance = sum(t.coefficient * t.mean_square for t in terms)
    weight = sum((t.coefficient * t.mean_square) ** 2 / t.df for t in terms)
    if not weight > 0:
        return variance, float("nan")
    return variance, max(variance**2 / weight, min(t.df for t in terms))


def crossed(y_CDS: F64) -> dict[str, Term]:
    """Mean squares of the crossed layout C x D x S; a stratum without degrees of freedom is left out."""
    C, D, S = y_CDS.shape
    m = y_CDS.mean()
    c, d, s = (y_CDS.mean(axis=axes, keepdims=True) for axes in ((1, 2), (0, 2), (0, 1)))
    cd, cs, ds = (y_CDS.mean(axis=axis, keepdims=True) for axis in (2, 1, 0))
    squares = {
        "D": (C * S * ((d - m) ** 2).sum(), D - 1),
        "S": (C * D * ((s - m) ** 2).sum(), S - 1),
        "DS": (C * ((ds - d - s + m) ** 2).sum(), (D - 1) * (S - 1)),
        "cD": (S * ((cd - c - d + m) ** 2).sum(), (C - 1) * (D - 1)),
        "cS": (D * ((cs - c - s + m) ** 2).sum(), (C - 1) * (S - 1)),
        "cDS": (((y_CDS - cd - cs - ds + c + d + s - m) ** 2).sum(), (C - 1) * (D - 1) * (S - 1)),
    }
    return {name: Term(1.0, float(ss) / df, df) for name, (ss, df) in squares.items() if df > 0}


def by_seed(y_KS: F64) -> dict[str, Term]:
    """Mean squares of cells x seeds."""
    K, S = y_KS.shape
    m, k, s = y_KS.mean(), y_KS.mean(axis=1, keepdims=True), y_KS.mean(axis=0, keepdims=True)
    squares = {"S": (K * ((s - m) ** 2).sum(), S - 1), "kS": (((y_KS - k - s + m) ** 2).sum(), (K - 1) * (S - 1))}
    return {name: Term(1.0, float(ss) / df, df) for name, (ss, df) in squares.items() if df > 0}


def scaled(terms: Sequence[Term], factor: float) -> list[Term]:
    return [Term(t.coefficient * factor, t.mean_square, t.df) for t in terms]


def within(name: str, count: int, squares: Mapping[str, Term], prefix: str) -> list[Term]:
    """Mean square within compositions (or cells) as its two independent parts."""
    parts = scaled([squares[name]], 1 / count)
    return parts + (scaled([squares[prefix + name]], (count - 1) / count) if count > 1 else [])


def beyond(terms: list[Term], less: list[Term]) -> list[Term]:
    """`terms` minus `less` where that is positive, else nothing."""
    difference = terms + scaled(less, -1)
    return difference if sum(t.coefficient * t.mean_square for t in difference) > 0 else []


def at_least(pooled: list[Term], own: Term) -> list[Term]:
    """`pooled`, or what is larger: `own` with its few degrees of freedom where that is clear, else `pooled` scaled up to it."""
    now, df = combine(pooled)
    mine = own.coefficient * own.mean_square
    if not mine > now > 0:
        return pooled
    if scipy.special.fdtrc(own.df, df, mine / now) <= OWN_LEVEL:
        return [own]
    return scaled(pooled, mine / now)
