"""summary.json: the machine-readable answer.

| key | value |
|---|---|
| schema | 1: raised when a key changes its meaning or goes away |
| study, scale, synthetic | name of the study; its scale; true if any pool or task is simulated: then every number is |
| question | the question in one sentence |
| answer | the answer in one sentence |
| primary | model, task, split, head, metric, shots, aggregate, alpha, higher_is_better, regions, chance (null: unknown) |
| compositions | label -> see below; labels without scores have mean null |
| compositions.*.kind | strategy of the study file (`uniform`, ..., `none`, `weights`), or `raw` for raw features |
| compositions.*.candidate | true if it can win: it draws samples, or is zero pretraining |
| compositions.*.mean, low, high, df | mean of the primary score, its t interval (null: see `reason`), degrees of freedom |
| compositions.*.n, draws, seeds, missing | repeats with a value; different draws; training seeds; repeats without a value |
| compositions.*.scope | what the interval speaks about: `draws` (other draws and seeds) or `seeds` (for these drawn samples) |
| compositions.*.reason | why there is no interval, or null |
| compositions.*.regions, worst_region | region -> mean score; {region, value} of the worst one |
| compositions.*.minus_zero | {difference, low, high, p} to zero pretraining, or null |
| compositions.*.manifests | draw seed -> manifest hash (for arms that draw nothing: `""` -> hash) |
| contrasts | every pair: a, b, difference (a - b), low, high, p (two-sided, uncorrected), df, scope, reason |
| winner, best, reason | the winner or null; the best mean; why |
| holm | composition -> Holm-adjusted p of best against it |
| spread | standard deviations between draws and between training seeds (null: not estimable) |
| final_hash, rows | SHA-256 of the sorted rows (`rows.final_hash`); number of rows |
| pools, plan | pool -> pool hash; key of the plan |
| cannot_conclude | list of sentences |
| versions | geomix, python and the packages that decide numbers |
| paths | report and results beside this file; plan and labels as URIs |
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from typing import Any

import pandas as pd

import geomix
from geomix import config
from geomix.report import endpoint
from geomix.report.compositions import Composition
from geomix.report.plainly import Roles
from geomix.report.rows import Label
from geomix.report.stats import Analysis, Contrast, Estimate
from geomix.report.verdict import Verdict

SCHEMA = 1

QUESTION = "From which places on Earth should the pretraining data of a geospatial foundation model come?"

_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "ray")


def build(
    study: config.Study,
    found: endpoint.Scores,
    analysis: Analysis,
    verdict: Verdict,
    who: Roles,
    labels: Sequence[Label],
    compositions: Sequence[Composition],
    cannot: Sequence[str],
) -> dict[str, Any]:
    """The summary but for final_hash, rows, plan and paths, which `stage` adds. Plain JSON values."""
    asked = found.endpoint
    regions = endpoint.by_region(found)
    names = list(dict.fromkeys(x.composition for x in labels if x.model in (asked.model, "raw")))
    zero = who.zero[0] if who.zero and who.zero[0] in analysis.estimates else None
    return {
        "schema": SCHEMA,
        "study": study.name,
        "scale": study.scale,
        "synthetic": study.synthetic,
        "question": QUESTION,
        "answer": answer(study, verdict, analysis, asked),
        "primary": {
            "model": asked.model,
            "task": asked.task,
            "split": asked.split,
            "head": asked.head,
            "metric": asked.metric,
            "shots": asked.shots,
            "aggregate": study.report.primary.aggregate,
            "alpha": study.report.primary.alpha,
            "higher_is_better": asked.higher_is_better,
            "regions": list(found.names),
            "chance": endpoint.BY_DEFINITION.get(asked.metric),
        },
        "compositions": {
            name: _composition(name, study, found.units, regions, analysis, zero, asked, who, labels) for name in names
        },
        "contrasts": [_contrast(c) for c in analysis.contrasts],
        "winner": verdict.winner,
        "best": verdict.best,
        "reason": verdict.reason,
        "holm": dict(verdict.holm),
        "spread": {"draw": analysis.spread.draw, "seed": analysis.spread.seed},
        "pools": {c.pool: c.pool_hash for c in compositions},
        "cannot_conclude": list(cannot),
        "versions": versions(),
    }


def answer(study: config.Study, verdict: Verdict, analysis: Analysis, asked: endpoint.Endpoint) -> str:
    """The answer in one sentence, with what it speaks about."""
    where = "On the synthetic Earth" if study.synthetic else "In this study"
    level = f"{100 * analysis.alpha:g}\u00a0%"
    if verdict.winner is None:
        return f"{where}, no composition can be called the winner at an error rate of {level}: {verdict.reason}."
    scopes = {c.scope for c in analysis.contrasts if verdict.winner in (c.a, c.b) and c.p is not None}
    drawn = "" if "draws" in scopes else ", for these drawn samples"
    what = "zero pretraining" if isinstance(study.compositions.get(verdict.winner), config.NoPretraining) else verdict.winner
    return (
        f"{where}, {what} wins{drawn}: its {asked.metric} is better than every other candidate's at an error rate of {level}."
    )


def _composition(
    name: str,
    study: config.Study,
    units: pd.DataFrame,
    regions: pd.DataFrame,
    analysis: Analysis,
    zero: str | None,
    asked: endpoint.Endpoint,
    who: Roles,
    labels: Sequence[Label],
) -> dict[str, Any]:
    estimate = analysis.estimates.get(name)
    row = regions.loc[name].dropna() if name in regions.index else pd.Series(dtype=float)
    values = dict(zip(map(str, row.index), row.to_numpy(dtype=float).tolist(), strict=True))
    worst = None
    if values:
        at = (min if asked.higher_is_better else max)(values, key=lambda region: values[region])
        worst = {"region": at, "value": values[at]}
    against = None
    if zero is not None and name != zero and estimate is not None:
        c = analysis.contrast(name, zero)
        against = {"difference": c.difference, "low": c.low, "high": c.high, "p": c.p}
    mine = [x for x in labels if x.composition == name and x.model in (asked.model, "raw")]
    return {
        "kind": kind(study, name),
        "candidate": name in who.candidates,
        **_estimate(estimate),
        "missing": int(units.loc[units["composition"] == name, "value"].isna().sum()),
        "regions": values,
        "worst_region": worst,
        "minus_zero": against,
        "manifests": {"" if x.draw_seed is None else str(x.draw_seed): x.manifest_hash for x in mine},
    }


def kind(study: config.Study, name: str) -> str:
    """The strategy of a label: of its own entry, or of the `each` it was expanded from; `raw` for raw features."""
    if name in study.compositions:
        return study.compositions[name].strategy
    owners = [n for n, c in study.compositions.items() if isinstance(c, config.OneHot) and c.each and name.startswith(f"{n}_")]
    return study.compositions[max(owners, key=len)].strategy if owners else name


def _estimate(e: Estimate | None) -> dict[str, Any]:
    if e is None:
        nothing: dict[str, Any] = dict.fromkeys(("mean", "low", "high", "df", "scope"))
        return {**nothing, "n": 0, "draws": 0, "seeds": 0, "reason": "no scores on the primary endpoint"}
    return {
        "mean": e.mean,
        "low": e.low,
        "high": e.high,
        "df": e.df,
        "n": e.n,
        "draws": e.draws,
        "seeds": e.seeds,
        "scope": e.scope,
        "reason": e.reason,
    }


def _contrast(c: Contrast) -> dict[str, Any]:
    return {
        "a": c.a,
        "b": c.b,
        "difference": c.difference,
        "low": c.low,
        "high": c.high,
        "p": c.p,
        "df": c.df,
        "scope": c.scope,
        "reason": c.reason,
    }


def versions() -> dict[str, str]:
    """Versions of geomix, Python and the packages that decide numbers; what is not installed here is left out."""
    found = {"geomix": geomix.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
