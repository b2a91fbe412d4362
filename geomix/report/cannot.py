"""What a study cannot conclude: sentences that follow from its design and from what is missing (design rule 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from geomix import atlas, config
from geomix.report.compositions import Composition
from geomix.report.endpoint import Scores
from geomix.report.stats import Analysis

FEW_DRAWS = 10
"""Below this many draws, an interval rests on the normal distribution and on pooled variances."""

_CIRCULAR_EARTH = ("climate", "climate_zone", "landcover")
"""Strata from which the synthetic Earth makes its pixels and labels."""


@dataclass(frozen=True)
class Evidence:
    """What the sentences are made from."""

    study: config.Study
    scores: Scores
    analysis: Analysis
    compositions: Sequence[Composition]
    places: pd.DataFrame
    """places.parquet of the plan."""
    pool_shares: Mapping[str, tuple[str, float]]
    """Pool -> the country with most of its rows, and its share."""
    notes: Sequence[Mapping[str, Any]] = ()
    """notes.json of every sweep: what was left out."""


def conclude(evidence: Evidence) -> list[str]:
    """The sentences, the weightiest first. Every study has some."""
    parts = (_world, _replication, _size, _pool, _circular, _task, _arms, _missing, _left_out)
    return [sentence for part in parts for sentence in part(evidence)]


def _world(e: Evidence) -> list[str]:
    if not e.study.synthetic:
        return []
    words = {
        "realistic": "Pixels and labels are simulated: nothing here says how real imagery or real crops behave.",
        "null": "This is the null world: pixels and labels do not depend on place, so any difference is chance.",
        "effect": (
            f"Crops of {e.study.earth.target} were made to differ by a declared effect of {e.study.earth.effect:g}: "
            "that a composition covering it comes out ahead tests the pipeline, it discovers nothing."
        ),
    }
    return [words[e.study.earth.world]]


def _replication(e: Evidence) -> list[str]:
    draws, seeds = len(e.study.seeds.draw), len(e.study.seeds.train)
    found = []
    if draws == 1:
        found.append(
            "There is one draw a composition: intervals and winner speak about these drawn samples, not about strategies."
        )
    elif draws < FEW_DRAWS:
        found.append(
            f"With {draws} draws and {seeds} training seed{'s' if seeds > 1 else ''}, variances are pooled over compositions: "
            "a composition whose draws scatter more than the others' has an interval that is too narrow."
        )
    if seeds == 1:
        found.append("With one training seed, what the seed does cannot be told from what the draw does.")
    elif any(isinstance(c, config.NoPretraining) for c in e.study.compositions.values()):
        found.append(f"Zero pretraining draws nothing: its spread comes from {seeds} training seeds alone.")
    return found


def _size(e: Evidence) -> list[str]:
    models = ", ".join(e.study.models)
    found = [
        f"Everything was trained at scale “{e.study.scale}” on {e.study.budget:,} samples a composition: the ranking may "
        "change with more samples, more steps or a larger model."
    ]
    if len(e.study.models) == 1:
        found.append(f"One model ({models}) was pretrained: published rankings depend on the model.")
    return found


def _pool(e: Evidence) -> list[str]:
    found = []
    for name, pool in e.study.pools.items():
        if isinstance(pool, config.EarthPool) and pool.bias > 0:
            found.append(
                f"The rows of pool {name} are denser towards cities (bias {pool.bias:g}): “uniform” is uniform "
                "over rows, not over area."
            )
        if name in e.pool_shares and e.pool_shares[name][1] >= 0.25:
            country, share = e.pool_shares[name]
            found.append(
                f"{100 * share:.0f} % of the rows of pool {name} lie in {country}: compositions can only choose "
                "among what is there."
            )
    for c in e.compositions:
        differ = [s for s in c.strata for d in c.draws if d.requested and d.requested.get(s, 0) != d.realised.get(s, 0)]
        if differ:
            found.append(
                f"{c.name} is not quite what was asked for: realised counts differ in {', '.join(sorted(set(differ)))}."
            )
    if e.study.exclude.near_tasks_km == 0:
        found.append("No zone around task places was excluded: pretraining may have seen the very places it is tested on.")
    return found


def _circular(e: Evidence) -> list[str]:
    task = e.study.tasks[e.scores.endpoint.task]
    own_column = isinstance(task, config.TableTask) and task.region is not None
    found = []
    for name, composition in e.study.compositions.items():
        strata = _strata(composition)
        made_from = [s for s in strata if isinstance(task, config.EarthTask) and s in _CIRCULAR_EARTH]
        if made_from:
            found.append(
                f"{name} is defined by {', '.join(made_from)}, from which the synthetic labels are made too: circular."
            )
        elif e.study.sweep.region in strata and not own_column:
            found.append(
                f"{name} is defined by {e.study.sweep.region}, the regions over which scores are averaged: this favours it."
            )
    return found


def _strata(composition: config.Composition) -> list[str]:
    if isinstance(composition, config.Stratified):
        return [composition.by]
    if isinstance(composition, config.OneHot):
        return [s for s in (composition.each, composition.by) if s]
    if isinstance(composition, config.Where):
        return [s for s in atlas.STRATA if s in composition.expr]
    return []


def _task(e: Evidence) -> list[str]:
    endpoint, names = e.scores.endpoint, e.scores.names
    found = []
    if len(e.study.tasks) == 1:
        found.append(f"There is one task ({endpoint.task}): another task may rank compositions otherwise.")
    else:
        found.append(f"The winner is judged on task {endpoint.task} alone; the other tasks are exploratory.")
    found.append(
        f"The primary score averages {len(names)} region{'s' if len(names) != 1 else ''} ({', '.join(names)}) with equal "
        "weight: it speaks about these regions, not about regions in general."
    )
    if endpoint.shots != "all":
        found.append(f"Heads saw {endpoint.shots} labels: gaps between encoders shrink with more labels.")
    if endpoint.split == "random":
        found.append("The primary split is random: neighbours of test places are in training, so scores are optimistic.")
    for task, rows in e.places.groupby("task"):
        bare = int(rows["lon"].isna().sum())
        if bare:
            found.append(
                f"{bare:,} of {len(rows):,} samples of task {task} have no coordinates: they are in no block split, distance "
                "or exclusion zone."
            )
    return found


def _arms(e: Evidence) -> list[str]:
    found = [
        f"{name} is one published encoder with its own data and training: it is shown for scale and is no candidate."
        for name, c in e.study.compositions.items()
        if isinstance(c, config.Weights)
    ]
    by_manifests: dict[tuple[str, ...], list[str]] = {}
    for c in e.compositions:
        by_manifests.setdefault(tuple(d.manifest_hash for d in c.draws), []).append(c.name)
    found += [
        f"{' and '.join(same)} drew the same samples and cannot differ." for same in by_manifests.values() if len(same) > 1
    ]
    return found


def _missing(e: Evidence) -> list[str]:
    found = []
    for name, rows in e.scores.units.groupby("composition"):
        lacking = int(rows["value"].isna().sum())
        if lacking:
            found.append(f"{name}: {lacking} of {len(rows)} repeats lack a region and are left out, not counted as zero.")
    absent = sorted(set(e.study.compositions) - _shown(e))
    if absent:
        found.append(f"There are no scores for {', '.join(absent)} on the primary endpoint: they are missing, not zero.")
    draws = e.scores.regions["label_draws"]
    if len(draws) and draws.min() != np.max(draws):
        found.append(f"Scores are means over {draws.min()} to {draws.max()} label draws: undefined ones were left out.")
    return found


def _left_out(e: Evidence) -> list[str]:
    found = []
    small: dict[str, set[str]] = {}
    for note in e.notes:
        for task, about in note.get("tasks", {}).items():
            small.setdefault(task, set()).update(
                f"{r['test_region']} ({r['split']})" for r in about.get("regions_too_small", [])
            )
    for task, regions in sorted(small.items()):
        if regions:
            found.append(f"Task {task}: too few test samples to judge {', '.join(sorted(regions))}; they are in no mean.")
    undefined = sum(int(note.get("undefined_scores", 0)) for note in e.notes)
    if undefined:
        found.append(f"{undefined:,} scores are not defined (a metric without a sample of some class) and are left out.")
    return found


def _shown(e: Evidence) -> set[str]:
    # An `each` expands to `<name>_<value>`.
    scored = set(e.scores.units["composition"])
    each = {n for n, c in e.study.compositions.items() if isinstance(c, config.OneHot) and c.each}
    return scored | {n for n in each if any(s.startswith(f"{n}_") for s in scored)}
