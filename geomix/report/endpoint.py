"""Endpoints: which rows answer a question, averaged over label draws and regions into one value a repeat."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from geomix import config, manifest

EVERYWHERE = "all"
"""Test region that is all samples (`sweep.splits`): not a region beside the others."""

LOWER_IS_BETTER = frozenset({"rmse"})
"""Metrics of which less is better."""

PREFERRED = ("f1", "f1_macro", "auc", "balanced_accuracy", "accuracy", "rmse", "r2")
"""Which metric an exploratory table shows where the primary one does not exist."""

BY_DEFINITION = {"auc": 0.5, "r2": 0.0}
"""Score of knowing nothing, for metrics where that does not depend on the labels."""

_UNIT = ["composition", "manifest_hash", "draw_seed", "train_seed"]


@dataclass(frozen=True)
class Endpoint:
    """One question: a task under one protocol, judged by one metric."""

    model: str
    task: str
    split: str
    head: str
    metric: str
    shots: str

    @property
    def higher_is_better(self) -> bool:
        """False for errors."""
        return self.metric not in LOWER_IS_BETTER

    @property
    def words(self) -> str:
        """The endpoint in words."""
        return f"{self.metric} of {self.head} on task {self.task}, split {self.split}, shots {self.shots}, model {self.model}"


def primary(study: config.Study) -> Endpoint:
    """The study's primary endpoint; of a task judged by several models, for the first one."""
    asked = study.report.primary
    return Endpoint(study.tasks[asked.task].models[0], asked.task, asked.split, asked.head, asked.metric, str(asked.shots))


@dataclass(frozen=True)
class Scores:
    """The values of one endpoint."""

    endpoint: Endpoint
    regions: pd.DataFrame
    """composition, manifest_hash, draw_seed, train_seed, test_region, value (mean over label draws), label_draws, n (test
    samples)."""
    units: pd.DataFrame
    """composition, draw, seed, manifest_hash, value: mean over regions, NaN where a region is missing."""
    names: tuple[str, ...]
    """The regions that are averaged."""


def scores(frame: pd.DataFrame, endpoint: Endpoint) -> Scores:
    """The scores of every composition on `endpoint`, with the raw-feature baseline under its own head where there is one.

    Value of a region: mean over label draws. Value of a repeat (draw, training seed): unweighted mean over the regions that any
    composition has; a repeat that lacks one of them has no value. Rows of the region "all" count only where it is the only one.
    """
    chosen = frame[
        (frame["task"] == endpoint.task)
        & (frame["split"] == endpoint.split)
        & (frame["shots"] == endpoint.shots)
        & (frame["metric"] == endpoint.metric)
    ]
    encoders = chosen[(chosen["model"] == endpoint.model) & (chosen["head"] == endpoint.head)]
    raw = chosen[chosen["model"] == manifest.RAW]
    if (raw["head"] == endpoint.head).any():
        raw = raw[raw["head"] == endpoint.head]
    rows = pd.concat([encoders, raw])
    names = sorted({str(r) for r in rows["test_region"]})
    names = [n for n in names if n != EVERYWHERE] or names
    rows = rows[rows["test_region"].isin(names)]
    grouped = rows.groupby([*_UNIT, "test_region"], dropna=False, sort=True)
    regions = grouped.agg(value=("value", "mean"), label_draws=("value", "size"), n=("n", "first")).reset_index()
    return Scores(endpoint, regions, _units(regions, len(names)), tuple(names))


def _units(regions: pd.DataFrame, wanted: int) -> pd.DataFrame:
    grouped = regions.groupby(_UNIT, dropna=False, sort=True)["value"].agg(["mean", "size"]).reset_index()
    grouped["value"] = grouped["mean"].where(grouped["size"] == wanted)
    names = {"draw_seed": "draw", "train_seed": "seed"}
    return grouped.rename(columns=names)[["composition", "draw", "seed", "manifest_hash", "value"]]


def by_region(found: Scores) -> pd.DataFrame:
    """Mean over repeats of each composition in each region: index composition, columns regions, NaN where missing."""
    means = found.regions.groupby(["composition", "test_region"])["value"].mean().unstack("test_region")
    return means.reindex(columns=list(found.names))


def everywhere(frame: pd.DataFrame, study: config.Study) -> list[Endpoint]:
    """Every endpoint that has rows of an encoder: (model, task, split, shots, head), one metric each, in order of names.

    The metric is the primary one where the task has it, else the first of PREFERRED.
    """
    encoders = frame[frame["model"] != manifest.RAW]
    found = []
    for (model, task), rows in encoders.groupby(["model", "task"], sort=True):
        present = set(rows["metric"])
        metric = next((m for m in (study.report.primary.metric, *PREFERRED) if m in present), None)
        if metric is None:
            continue
        cells = rows.loc[rows["metric"] == metric, ["split", "shots", "head"]].drop_duplicates()
        for split, shots, head in cells.astype(str).to_numpy().tolist():
            found.append(Endpoint(str(model), str(task), split, head, metric, shots))
    return sorted(found, key=lambda e: (e.model, e.task, e.split, e.shots.zfill(9), e.head))
