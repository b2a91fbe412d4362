"""The report as one HTML file that opens offline: plain values in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import pandas as pd
import yaml

from geomix import config, manifest
from geomix.report import definitions, endpoint, figures, maps, plainly, stats
from geomix.report.compositions import Composition

MANY_STRATA = 12
"""A composition with more strata than this shows those that differ from what was asked, and the rest folded away."""

MISSING = "missing"


@dataclass(frozen=True)
class Content:
    """Everything the page shows."""

    study: config.Study
    summary: Mapping[str, Any]
    scores: endpoint.Scores
    analysis: stats.Analysis
    rows: pd.DataFrame
    compositions: Sequence[Composition]
    who: plainly.Roles


def render(content: Content) -> str:
    """The page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("geomix.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    text: str = environment.get_template("page.html.j2").render(_context(content))
    return text


def number(value: float | None, metric: str) -> str:
    """A score as text: 3 decimals, errors with a unit 4 significant digits; `missing` if there is none."""
    if value is None or pd.isna(value):
        return MISSING
    return f"{value:#.4g}" if metric == "rmse" else f"{value:.3f}"


def signed(value: float | None, metric: str) -> str:
    """A difference as text, with its sign."""
    text = number(value, metric)
    return f"+{text}" if value is not None and not pd.isna(value) and value >= 0 else text.replace("-", "−")


def _interval(low: float | None, high: float | None, metric: str, write: Any = number) -> str | None:
    return None if low is None or high is None else f"{write(low, metric)} to {write(high, metric)}"


def _context(c: Content) -> dict[str, Any]:
    summary, metric = c.summary, c.scores.endpoint.metric
    order = ranked(summary)
    names = {n: title(n, summary) for n in order}
    table = endpoint.by_region(c.scores)
    drawn_maps, legend = maps.draw(c.compositions, c.study.synthetic)
    comparisons = plainly.everywhere(c.rows, c.study, c.who)
    higher = c.scores.endpoint.higher_is_better
    return {
        "study": c.study,
        "summary": summary,
        "metric": metric,
        "better": "higher" if higher else "lower",
        "level": f"{100 * (1 - c.analysis.alpha):g}\u00a0%",
        "ranking": [_ranked(n, names[n], summary, metric) for n in order],
        "primary_figure": figures.primary(c.scores, c.analysis, order, _lines(c), names, c.study.synthetic),
        "maps": drawn_maps,
        "map_legend": legend,
        "regions": _regions(table, order, names, c),
        "regions_figure": figures.regions(table, order, names, metric, c.study.synthetic),
        "plain": [*plainly.against_zero(c.analysis, c.who, higher), *plainly.against_raw(c.analysis, c.who, higher)],
        "comparisons": [_comparison(x, names) for x in comparisons],
        "not_helping": sum(x.helps is False for x in comparisons),
        "realised": [_realised(x, names.get(x.name, x.name)) for x in c.compositions],
        "contrasts": [_contrast(x, names, c) for x in c.analysis.contrasts],
        "exploratory": _exploratory(c, order, names),
        "definitions": definitions.definitions(c.study, c.scores),
        "study_yaml": yaml.safe_dump(_written(c.study), sort_keys=False, allow_unicode=True, width=110),
        "number": number,
    }


def ranked(summary: Mapping[str, Any]) -> list[str]:
    """Labels from the best mean to the worst, those without a score last."""
    sign = -1 if summary["primary"]["higher_is_better"] else 1
    scores = {n: x["mean"] for n, x in summary["compositions"].items()}
    return sorted(scores, key=lambda n: (scores[n] is None, sign * (scores[n] or 0.0), n))


def title(name: str, summary: Mapping[str, Any]) -> str:
    """What the page calls a label."""
    kinds = {"none": "zero pretraining", manifest.RAW: "raw features", "weights": "published weights"}
    kind = kinds.get(summary["compositions"][name]["kind"])
    return name if kind is None or kind == name else (kind if name == manifest.RAW else f"{name} ({kind})")


def _lines(c: Content) -> dict[str, float]:
    found = {}
    if c.who.zero and c.who.zero[0] in c.analysis.estimates:
        found["zero pretraining"] = c.analysis.estimates[c.who.zero[0]].mean
    if c.summary["primary"]["chance"] is not None:
        found["chance"] = float(c.summary["primary"]["chance"])
    return found


def _ranked(name: str, shown: str, summary: Mapping[str, Any], metric: str) -> dict[str, Any]:
    x = summary["compositions"][name]
    worst, zero = x["worst_region"], x["minus_zero"]
    return {
        "name": shown,
        "kind": x["kind"],
        "candidate": x["candidate"],
        "winner": name == summary["winner"],
        "mean": number(x["mean"], metric),
        "missing": x["mean"] is None,
        "interval": _interval(x["low"], x["high"], metric),
        "reason": x["reason"],
        "scope": x["scope"],
        "n": x["n"],
        "absent": x["missing"],
        "draws": x["draws"],
        "seeds": x["seeds"],
        "worst": f"{number(worst['value'], metric)} {worst['region']}" if worst else MISSING,
        "zero": signed(zero["difference"], metric) if zero else "",
        "zero_interval": _interval(zero["low"], zero["high"], metric, signed) if zero else None,
        "holm": f"{summary['holm'][name]:.2g}" if name in summary["holm"] else "",
    }


def _regions(table: pd.DataFrame, order: Sequence[str], names: Mapping[str, str], c: Content) -> dict[str, Any]:
    metric, higher = c.scores.endpoint.metric, c.scores.endpoint.higher_is_better
    samples = c.scores.regions.groupby("test_region")["n"].max()
    candidates = table.loc[[n for n in c.who.candidates if n in table.index]]
    best = candidates.max() if higher else candidates.min()
    rows = []
    for name in (n for n in order if n in table.index):
        cells = [
            {"text": number(value, metric), "missing": pd.isna(value), "best": name in candidates.index and value == top}
            for value, top in zip(table.loc[name].to_numpy(dtype=float).tolist(), best.tolist(), strict=True)
        ]
        rows.append({"name": names[name], "cells": cells})
    return {"columns": [{"name": r, "n": int(samples[r])} for r in table.columns], "rows": rows}


def _comparison(x: plainly.Comparison, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "cell": f"{x.task}, {x.split}, {x.shots} shots" if x.shots != "all" else f"{x.task}, {x.split}, all labels",
        "metric": x.metric,
        "best": f"{number(x.best, x.metric)}",
        "who": f"{names.get(x.encoder, x.encoder)}, {x.head}",
        "zero": number(x.zero, x.metric),
        "raw": number(x.raw, x.metric),
        "helps": x.helps,
    }


def _realised(c: Composition, shown: str) -> dict[str, Any]:
    rows = []
    for stratum in c.strata:
        asked = [d.requested.get(stratum) for d in c.draws]
        got = [d.realised.get(stratum, 0) for d in c.draws]
        same = all(a == g for a, g in zip(asked, got, strict=True))
        rows.append({"stratum": stratum, "requested": _joined(asked), "realised": _joined(got), "same": same})
    refused = [f"{sum(d.refused.values())}" for d in c.draws]
    codes = sorted({code for d in c.draws for code in d.refused})
    excluded = sorted({d.excluded for d in c.draws if d.excluded is not None})
    return {
        "name": shown,
        "draws": len(c.draws),
        "samples": _joined([sum(d.realised.values()) for d in c.draws]),
        "refused": ", ".join(dict.fromkeys(refused)),
        "codes": ", ".join(codes),
        "excluded": ", ".join(f"{n:,}" for n in excluded),
        "rows": rows,
        "fold": len(rows) > MANY_STRATA,
    }


def _joined(values: Sequence[int | None]) -> str:
    """One number if all draws agree, else one a draw."""
    texts = ["not stated" if v is None else f"{v:,}" for v in values]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def _contrast(x: stats.Contrast, names: Mapping[str, str], c: Content) -> dict[str, Any]:
    metric = c.scores.endpoint.metric
    return {
        "a": names.get(x.a, x.a),
        "b": names.get(x.b, x.b),
        "difference": signed(x.difference, metric),
        "interval": _interval(x.low, x.high, metric, signed),
        "p": "" if x.p is None else f"{x.p:.2g}",
        "reason": x.reason,
        "clear": x.low is not None and x.high is not None and not x.low <= 0 <= x.high,
    }


def _exploratory(c: Content, order: Sequence[str], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """One table a (model, task, split, shots): compositions by heads."""
    grouped: dict[tuple[str, str, str, str, str], dict[str, stats.Analysis]] = {}
    for one in endpoint.everywhere(c.rows, c.study):
        found = stats.analyse(endpoint.scores(c.rows, one).units, c.analysis.alpha)
        grouped.setdefault((one.model, one.task, one.split, one.shots, one.metric), {})[one.head] = found
    return [_table(key, heads, order, names, c) for key, heads in grouped.items()]


def _table(
    key: tuple[str, str, str, str, str],
    heads: Mapping[str, stats.Analysis],
    order: Sequence[str],
    names: Mapping[str, str],
    c: Content,
) -> dict[str, Any]:
    model, task, split, shots, metric = key
    sign = -1 if metric in endpoint.LOWER_IS_BETTER else 1
    best = {
        h: max((sign * a.estimates[n].mean for n in c.who.candidates if n in a.estimates), default=None)
        for h, a in heads.items()
    }
    rows = []
    for name in order:
        estimates = {h: a.estimates.get(name) for h, a in heads.items()}
        if name == manifest.RAW:
            # The baseline is one random forest, whatever the encoders' head.
            estimates = {h: e if h == "random_forest" or "random_forest" not in heads else None for h, e in estimates.items()}
        counts = sorted({e.n for e in estimates.values() if e is not None})
        cells = [
            {
                "text": "" if e is None and name == manifest.RAW else number(e.mean if e else None, metric),
                "half": number((e.high - e.low) / 2, metric) if e and e.low is not None and e.high is not None else None,
                "missing": e is None,
                "best": e is not None and name in c.who.candidates and sign * e.mean == best[h],
            }
            for h, e in estimates.items()
        ]
        rows.append({"name": names[name], "n": " to ".join(map(str, counts)) or "0", "cells": cells})
    asked = c.scores.endpoint
    return {
        "title": f"{task}, split {split}, " + ("all labels" if shots == "all" else f"{shots} shots"),
        "metric": metric,
        "model": model,
        "heads": list(heads),
        "rows": rows,
        "primary": asked.head if (model, task, split, shots, metric) == _key(asked) else None,
    }


def _key(e: endpoint.Endpoint) -> tuple[str, str, str, str, str]:
    return e.model, e.task, e.split, e.shots, e.metric


def _written(study: config.Study) -> dict[str, Any]:
    """The study as a user would write it: without what has its default value."""
    content: dict[str, Any] = study.model_dump(mode="json", exclude_defaults=True)
    return content
