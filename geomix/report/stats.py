"""Intervals, contrasts and the winner of one endpoint, from the values of independent repeats.

One value y a (composition c, draw d, training seed s); label draws and regions are averaged before. Letters: C compositions,
D draws, S training seeds. The design is crossed: draw d uses the same permanent random numbers and seed s the same initial
weights in every composition, so values of different compositions share effects of d and of s. The model is

    y_cds = m_c + a_d + b_s + (ab)_ds + (ca)_cd + (cb)_cs + e_cds        (all but m_c random)

and every variance below is a sum of mean squares of the balanced analysis of variance over compositions, draws and seeds
(Searle, Casella and McCulloch 1992, Variance Components, ch. 4), pooled over the compositions that drew samples:

  mean of c          Var = [ W_D + max(0, W_S - W_DS) ] / (D S),    W_x = (MS_x + (C - 1) MS_cx) / C
  contrast of two    Var = 2 [ MS_cD + max(0, MS_cS - MS_cDS) ] / (D S)

W_x is the mean square within compositions: what a_d and b_s add to a mean cancels in a contrast, which is therefore the
paired comparison by (draw, seed), with its variance pooled over all pairs. Where seeds do not favour compositions the second
term vanishes and the first is the textbook MS_draw / (D S). Degrees of freedom by Satterthwaite (1946, Biometrics Bulletin
2:110); because W_x is split in its two mean squares, effects that compositions share lower them, as they should.

A study with one draw, and arms that draw nothing (zero pretraining), have no spread between draws: their variance comes from
the training seeds alone, over all K cells (composition, draw) by seed, and the claim reads "for these drawn samples":

  mean               Var = W_S / S        contrast of two such   Var = 2 MS_kS / S

Zero pretraining is not a trained composition and its seeds may scatter more: where its own variance is larger than the
pooled one it is used instead, with its own S - 1 degrees of freedom if an F test at 25 % says that it is larger
(`anova.at_least`). A contrast of the two kinds adds the variances of the two means (Welch-Satterthwaite), which ignores what
pairing would cancel and so errs towards wider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import scipy  # loads scipy.special when it is first used

from geomix.report import anova
from geomix.report.anova import F64, Term

DRAWS, SEEDS = "draws", "seeds"
"""What an interval speaks about: other draws and other training seeds; or other training seeds, for these drawn samples."""


@dataclass(frozen=True)
class Estimate:
    """Mean of a composition with its interval (None, with `reason`, where it cannot be estimated)."""

    mean: float
    low: float | None
    high: float | None
    variance: float | None
    df: float | None
    n: int
    """Independent values: (draw, training seed) pairs."""
    draws: int
    """Different drawn sample sets; 0 for arms that draw nothing."""
    seeds: int
    scope: str | None
    reason: str | None


@dataclass(frozen=True)
class Contrast:
    """`a` minus `b` with interval and two-sided p (None, with `reason`, where they cannot be estimated)."""

    a: str
    b: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    df: float | None
    scope: str | None
    reason: str | None


@dataclass(frozen=True)
class Spread:
    """Standard deviations between draws and between training seeds of one composition, pooled; None: not estimable."""

    draw: float | None
    seed: float | None


@dataclass(frozen=True)
class Analysis:
    """All estimates and contrasts of one endpoint."""

    estimates: Mapping[str, Estimate]
    contrasts: tuple[Contrast, ...]
    spread: Spread
    alpha: float

    def contrast(self, a: str, b: str) -> Contrast:
        """The contrast `a` minus `b`, whichever way round it was computed. Raises KeyError."""
        for c in self.contrasts:
            if (c.a, c.b) == (a, b):
                return c
            if (c.a, c.b) == (b, a):
                low, high = (None if x is None else -x for x in (c.high, c.low))
                return Contrast(a, b, -c.difference, low, high, c.p, c.df, c.scope, c.reason)
        raise KeyError((a, b))


@dataclass(frozen=True)
class _Arm:
    name: str
    y_DS: F64
    kind: str
    """"drawn": D different draws x S seeds; "flat": one cell x S seeds; "bare": nothing to estimate a spread from."""
    draws: int
    trained: bool
    reason: str | None = None
    manifests: tuple[str, ...] = ()


def analyse(units: pd.DataFrame, alpha: float) -> Analysis:
    """Estimates and contrasts of `units`: composition, draw (null for arms that draw nothing), seed, manifest_hash, value.

    Intervals are two-sided with level 1 - alpha, t distributed, not corrected for multiplicity. Rows with a missing value count
    as missing units: a composition that lacks one of the (draw, seed) pairs of the others gets no interval.
    """
    arms = _arms(units.dropna(subset=["value"]))
    drawn = [a for a in arms if a.kind == "drawn"]
    flat = [a for a in arms if a.kind == "flat"]
    crossed = anova.crossed(np.stack([a.y_DS for a in drawn])) if drawn else {}
    cells = [row for a in drawn for row in a.y_DS] + [a.y_DS[0] for a in flat]
    by_seed = anova.by_seed(np.stack(cells)) if cells and len(cells[0]) > 1 else {}

    variances = {a.name: _mean_variance(a, len(drawn), len(cells), crossed, by_seed) for a in arms}
    estimates = {a.name: _estimate(a, variances[a.name], alpha) for a in arms}
    contrasts = tuple(_contrast(a, b, variances, crossed, by_seed, alpha) for a, b in combinations(arms, 2))
    return Analysis(estimates, contrasts, _spread(crossed, by_seed, drawn, len(cells)), alpha)


def _arms(units: pd.DataFrame) -> list[_Arm]:
    cells: dict[str, dict[tuple[int | None, int], tuple[float, str]]] = {}
    columns = [units[c].tolist() for c in ("composition", "draw", "seed", "value", "manifest_hash")]
    for name, draw, seed, value, manifest in zip(*columns, strict=True):
        place = (None if pd.isna(draw) else int(draw), int(seed))
        if place in cells.setdefault(str(name), {}):
            raise ValueError(f"{name}: draw {draw}, seed {seed} appears twice")
        cells[str(name)][place] = (float(value), str(manifest))
    draws = sorted({d for arm in cells.values() for d, _ in arm if d is not None})
    seeds = sorted({s for arm in cells.values() for d, s in arm if d is not None or not draws})
    return [_arm(name, cells[name], draws, seeds) for name in sorted(cells)]


def _arm(name: str, cells: Mapping[tuple[int | None, int], tuple[float, str]], draws: list[int], seeds: list[int]) -> _Arm:
    every = np.array([[value for _, (value, _) in sorted(cells.items(), key=lambda c: (c[0][0] or 0, c[0][1]))]])
    if all(draw is None for draw, _ in cells):
        if len(cells) > 1 and sorted(s for _, s in cells) == seeds:
            return _Arm(name, every, "flat", 0, trained=False)
        if len(cells) == 1:
            return _Arm(name, every, "bare", 0, False, "a single repeat: no spread can be estimated")
        return _Arm(name, every, "bare", 0, False, f"it has {len(cells)} training seeds, the others have {len(seeds)}")
    first = {draw: manifest for (draw, _), (_, manifest) in cells.items()}
    manifests = tuple(first[d] for d in draws if d in first)
    distinct, wanted = len(set(manifests)), len(draws) * len(seeds)
    if len(cells) < wanted:
        return _Arm(name, every, "bare", distinct, True, f"{len(cells)} of {wanted} (draw, training seed) pairs are there")
    y_DS = every.reshape(len(draws), len(seeds))
    if distinct == 1:
        # One draw, or a supply so short that every draw takes all of it: equal manifests are one training run.
        if len(seeds) > 1:
            return _Arm(name, y_DS[:1], "flat", 1, True, None, manifests)
        why = (
            "one draw and one training seed: nothing is replicated" if len(draws) == 1 else "all its draws are the same samples"
        )
        return _Arm(name, y_DS[:1], "bare", 1, True, why, manifests)
    if distinct < len(draws):
        return _Arm(name, y_DS, "bare", distinct, True, f"only {distinct} of its {len(draws)} draws differ", manifests)
    return _Arm(name, y_DS, "drawn", distinct, True, None, manifests)


def _mean_variance(
    arm: _Arm, compositions: int, cells: int, crossed: Mapping[str, Term], by_seed: Mapping[str, Term]
) -> list[Term]:
    """Terms of the variance of the arm's mean; empty if it cannot be estimated."""
    if arm.kind == "drawn":
        D, S = arm.y_DS.shape
        terms = anova.within("D", compositions, crossed, "c")
        if S > 1:
            terms += anova.beyond(anova.within("S", compositions, crossed, "c"), anova.within("DS", compositions, crossed, "c"))
        return anova.scaled(terms, 1 / (D * S))
    if arm.kind == "flat":
        S = arm.y_DS.shape[1]
        pooled = anova.scaled(anova.within("S", cells, by_seed, "k"), 1 / S)
        return pooled if arm.trained else anova.at_least(pooled, Term(1 / S, float(arm.y_DS[0].var(ddof=1)), S - 1))
    return []


def _estimate(arm: _Arm, terms: list[Term], alpha: float) -> Estimate:
    mean, n, seeds = float(arm.y_DS.mean()), arm.y_DS.size, arm.y_DS.shape[1]
    if not terms:
        return Estimate(mean, None, None, None, None, n, arm.draws, seeds, None, arm.reason)
    scope = DRAWS if arm.kind == "drawn" else SEEDS
    variance, df = anova.combine(terms)
    if variance == 0:
        return Estimate(mean, None, None, 0.0, None, n, arm.draws, seeds, scope, "all repeats have the same value")
    half = float(scipy.special.stdtrit(df, 1 - alpha / 2)) * variance**0.5
    return Estimate(mean, mean - half, mean + half, variance, df, n, arm.draws, seeds, scope, None)


def _contrast(
    a: _Arm,
    b: _Arm,
    variances: Mapping[str, list[Term]],
    crossed: Mapping[str, Term],
    by_seed: Mapping[str, Term],
    alpha: float,
) -> Contrast:
    difference = float(a.y_DS.mean() - b.y_DS.mean())
    if a.manifests and a.manifests == b.manifests:
        return Contrast(a.name, b.name, 0.0, 0.0, 0.0, 1.0, None, None, "the two drew the same samples")
    for arm in (a, b):
        if arm.kind == "bare":
            return Contrast(a.name, b.name, difference, None, None, None, None, None, f"{arm.name}: {arm.reason}")
    scope = DRAWS if "drawn" in (a.kind, b.kind) else SEEDS
    if a.kind == b.kind == "drawn":
        D, S = a.y_DS.shape
        terms = [crossed["cD"]] + (anova.beyond([crossed["cS"]], [crossed["cDS"]]) if S > 1 else [])
        terms = anova.scaled(terms, 2 / (D * S))
    elif a.kind == b.kind:
        S = a.y_DS.shape[1]
        terms = anova.scaled([by_seed["kS"]], 2 / S)
        if not (a.trained and b.trained):
            terms = anova.at_least(terms, Term(1 / S, float((a.y_DS[0] - b.y_DS[0]).var(ddof=1)), S - 1))
    else:
        terms = variances[a.name] + variances[b.name]
    variance, df = anova.combine(terms)
    if not variance > 0:
        return Contrast(a.name, b.name, difference, None, None, None, None, scope, "all repeats have the same value")
    error = variance**0.5
    half = float(scipy.special.stdtrit(df, 1 - alpha / 2)) * error
    p = float(2 * scipy.special.stdtr(df, -abs(difference) / error))
    return Contrast(a.name, b.name, difference, difference - half, difference + half, p, df, scope, None)


def _spread(crossed: Mapping[str, Term], by_seed: Mapping[str, Term], drawn: Sequence[_Arm], cells: int) -> Spread:
    """Components of variance by the method of moments, negative ones set to 0."""
    draw = seed = None
    if by_seed:
        seed = anova.combine(anova.within("S", cells, by_seed, "k"))[0] ** 0.5
    if drawn and "DS" in crossed:
        C, S = len(drawn), drawn[0].y_DS.shape[1]
        between, within = (
            anova.combine(anova.within("D", C, crossed, "c"))[0],
            anova.combine(anova.within("DS", C, crossed, "c"))[0],
        )
        draw = (max(0.0, between - within) / S) ** 0.5
    return Spread(draw, seed)
