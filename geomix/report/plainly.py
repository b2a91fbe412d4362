"""Does pretraining help? Said plainly, against zero pretraining and against a random forest on the raw features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from geomix import config, manifest
from geomix.report import endpoint
from geomix.report.stats import Analysis


@dataclass(frozen=True)
class Roles:
    """Labels of a study by what they are."""

    drawn: tuple[str, ...]
    zero: tuple[str, ...]
    published: tuple[str, ...]
    raw: tuple[str, ...]

    @property
    def candidates(self) -> tuple[str, ...]:
        """Who can win: compositions that draw, and zero pretraining."""
        return (*self.drawn, *self.zero)


def roles(study: config.Study, labels: Sequence[str]) -> Roles:
    """The roles of `labels` (labels.json's, `each` expanded), in their order."""
    kinds: dict[str, list[str]] = {"drawn": [], "zero": [], "published": [], "raw": []}
    for label in dict.fromkeys(labels):
        asked = study.compositions.get(label)
        if label == manifest.RAW and asked is None:
            kinds["raw"].append(label)
        elif isinstance(asked, config.NoPretraining):
            kinds["zero"].append(label)
        elif isinstance(asked, config.Weights):
            kinds["published"].append(label)
        else:
            kinds["drawn"].append(label)
    return Roles(*(tuple(kinds[k]) for k in ("drawn", "zero", "published", "raw")))


def against_zero(analysis: Analysis, who: Roles, higher_is_better: bool) -> list[str]:
    """One sentence a group: what beats zero pretraining, what is beaten by it, what cannot be told from it."""
    shown = [c for c in who.drawn if c in analysis.estimates]
    if not who.zero or who.zero[0] not in analysis.estimates or not shown:
        return ["Zero pretraining was not judged on the primary endpoint: whether pretraining helps at all cannot be said."]
    groups: dict[str, list[str]] = {"above": [], "below": [], "level": [], "unknown": []}
    for name in shown:
        c = analysis.contrast(name, who.zero[0])
        if c.low is None or c.high is None:
            groups["unknown"].append(name)
        elif c.low <= 0 <= c.high:
            groups["level"].append(name)
        else:
            groups["above" if (c.low > 0) == higher_is_better else "below"].append(name)
    level = f"{100 * (1 - analysis.alpha):g}\u00a0% interval of the difference, not corrected for many comparisons"
    words = {
        "above": f"Better than zero pretraining ({level}): ",
        "below": f"Worse than zero pretraining ({level}); here pretraining does not help: ",
        "level": f"Not told from zero pretraining ({level}); here pretraining is not shown to help: ",
        "unknown": "Difference to zero pretraining without an interval: ",
    }
    return [words[k] + ", ".join(names) + "." for k, names in groups.items() if names]


def against_raw(analysis: Analysis, who: Roles, higher_is_better: bool) -> list[str]:
    """Sentences: which encoders score below the raw-feature baseline on the primary endpoint."""
    if not who.raw or who.raw[0] not in analysis.estimates:
        return []
    raw = analysis.estimates[who.raw[0]].mean
    sign = 1 if higher_is_better else -1
    shown = [c for c in (*who.drawn, *who.published) if c in analysis.estimates]
    below = [c for c in shown if sign * analysis.estimates[c].mean < sign * raw]
    text = f"A random forest on the raw features, with no encoder at all, scores {raw:.3f} on the same splits. "
    if not below:
        return [text + f"All {len(shown)} pretrained encoders are better in the mean."]
    above = len(shown) - len(below)
    return [text + f"Of {len(shown)} pretrained encoders {above or 'none'} scores better; not better: {', '.join(below)}."]


@dataclass(frozen=True)
class Comparison:
    """Best pretrained encoder and raw features in one (task, split, shots)."""

    task: str
    split: str
    shots: str
    metric: str
    encoder: str
    head: str
    best: float
    zero: float | None
    raw: float | None
    helps: bool | None
    """True if the best pretrained encoder is better than raw features and zero pretraining; None if neither is there."""


def everywhere(frame: pd.DataFrame, study: config.Study, who: Roles) -> list[Comparison]:
    """Exploratory: the best composition and head by mean, beside zero pretraining and raw features with their own best head.

    Choosing the best of many favours the encoders, so that `helps` false is the safer statement.
    """
    cells: dict[tuple[str, str, str, str], list[tuple[float, str, str]]] = {}
    for one in endpoint.everywhere(frame, study):
        found = endpoint.scores(frame, one)
        means = found.units.groupby("composition")["value"].mean().dropna()
        key = (one.task, one.split, one.shots, one.metric)
        cells.setdefault(key, []).extend((float(v), str(c), one.head) for c, v in means.items())
    return [_compare(key, values, who) for key, values in cells.items() if any(c in who.drawn for _, c, _ in values)]


def _compare(key: tuple[str, str, str, str], values: list[tuple[float, str, str]], who: Roles) -> Comparison:
    sign = -1 if key[3] in endpoint.LOWER_IS_BETTER else 1

    def best(names: Sequence[str]) -> tuple[float, str, str] | None:
        return max((v for v in values if v[1] in names), key=lambda v: sign * v[0], default=None)

    top, zero, raw = best(who.drawn), best(who.zero), best(who.raw)
    assert top is not None  # the caller asks only where a composition has scores
    others = [v[0] for v in (zero, raw) if v is not None]
    helps = all(sign * top[0] > sign * v for v in others) if others else None
    return Comparison(*key, top[1], top[2], top[0], zero[0] if zero else None, raw[0] if raw else None, helps)
