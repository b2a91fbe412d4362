"""Who wins: the candidate that beats every other one, with Holm's correction over its contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from geomix.report.stats import Analysis


def holm(p: Sequence[float]) -> list[float]:
    """Holm-adjusted p values (Holm 1979, Scand. J. Statist. 6:65), in the order of `p`."""
    order = np.argsort(p, kind="stable")
    adjusted, worst = [1.0] * len(p), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = worst
    return adjusted


@dataclass(frozen=True)
class Verdict:
    """The winner (or None and why), the best candidate by its mean, and the Holm-adjusted p of its contrasts."""

    winner: str | None
    best: str | None
    reason: str
    holm: Mapping[str, float] = field(default_factory=dict)


def verdict(analysis: Analysis, candidates: Sequence[str], higher_is_better: bool) -> Verdict:
    """The candidate that beats every other one: all contrasts of the best have a Holm-adjusted p of at most alpha.

    In a null world (all candidates equal, or any number of them tied at the top) a winner is declared with probability at most
    alpha: declaring one needs the two-sided p of best against second to be at most alpha.
    """
    names = [c for c in candidates if c in analysis.estimates]
    if len(names) < 2:
        return Verdict(None, names[0] if names else None, "fewer than two compositions have scores: nothing to compare")
    sign = 1 if higher_is_better else -1
    best = max(sorted(names), key=lambda c: sign * analysis.estimates[c].mean)
    contrasts = {c: analysis.contrast(best, c) for c in sorted(names) if c != best}
    unknown = {c: k.reason for c, k in contrasts.items() if k.p is None}
    if unknown:
        name, why = next(iter(unknown.items()))
        return Verdict(None, best, f"{best} against {name} cannot be judged: {why}")
    adjusted = dict(zip(contrasts, holm([float(k.p or 0) for k in contrasts.values()]), strict=True))
    level = f"at {100 * analysis.alpha:g}\u00a0%"
    equal = [c for c, p in adjusted.items() if p > analysis.alpha]
    if equal:
        worst = max(equal, key=lambda c: adjusted[c])
        more = f" (nor from {len(equal) - 1} more)" if len(equal) > 1 else ""
        return Verdict(
            None,
            best,
            f"{best} has the best mean but cannot be told from {worst}{more} {level}: Holm-adjusted p = {adjusted[worst]:.2g}",
            adjusted,
        )
    return Verdict(
        best,
        best,
        f"{best} beats each of the other {len(adjusted)} {level}: the largest Holm-adjusted p is {max(adjusted.values()):.2g}",
        adjusted,
    )
