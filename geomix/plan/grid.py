"""The grid of a study before anything runs: how many draws, pretrainings and scores, and what they take."""

from __future__ import annotations

from dataclasses import dataclass

from geomix import config, tables
from geomix.models import scales

_SERIES_STEPS = 12


@dataclass(frozen=True)
class Line:
    """One model's share of the grid."""

    model: str
    pool: str
    draws: int
    """Compositions x draw seeds."""
    pretrainings: int
    """Trained encoders: draws x training seeds; equal manifests are trained once, so this is an upper bound."""
    encoders: int
    """Encoders to judge: pretrained, zero and published."""
    steps: int
    """Optimiser steps of one pretraining."""
    samples_seen: int
    """Samples a pretraining consumes: steps x batch."""
    core_minutes: float | None
    """Minutes that all pretrainings take on one CPU core, from measured steps; None at scales that were not measured."""


@dataclass(frozen=True)
class Grid:
    """The whole grid; counts are upper bounds where `each` or equal manifests decide later."""

    lines: tuple[Line, ...]
    compositions: tuple[str, ...]
    scores: int
    store_bytes: int
    """Upper bound of the chip store: every composition's draw and reserves, none shared."""
    detectable: str
    """What the replication can and cannot detect, in words."""


def grid(study: config.Study, regions: int = 6) -> Grid:
    """The grid of `study`, for about `regions` regions a task (six continents) until its data is read."""
    drawn = [c for c in study.compositions.values() if isinstance(c, config.Drawn)]
    width = sum(_compositions(c, regions) for c in drawn)
    draws = width * len(study.seeds.draw)
    zero = any(isinstance(c, config.NoPretraining) for c in study.compositions.values())
    lines = []
    for model, use in study.models.items():
        preset = scales.preset(study.scale, model)
        published = sum(isinstance(c, config.Weights) and c.model == model for c in study.compositions.values())
        trained = draws * len(study.seeds.train)
        pace = scales.SECONDS_A_STEP.get((study.scale, model))
        lines.append(
            Line(
                model=model,
                pool=use.pool,
                draws=draws,
                pretrainings=trained,
                encoders=trained + len(study.seeds.train) * zero + published,
                steps=preset.steps,
                samples_seen=preset.steps * preset.batch_size,
                core_minutes=None if pace is None else trained * preset.steps * pace / 60,
            )
        )
    scores = 0
    for name, task in study.tasks.items():
        heads, shots, splits = study.judged(name)
        encoders = sum(line.encoders for line in lines if line.model in task.models)
        scores += encoders * len(heads) * len(shots) * len(splits) * study.seeds.label * regions
    per_series = _SERIES_STEPS * (len(tables.SERIES_BANDS) * 4 + 2 * 8)
    samples = int(study.budget * (1 + study.reserves))
    return Grid(tuple(lines), tuple(study.compositions), scores, draws * samples * per_series, _detectable(study, width))


def _compositions(composition: config.Drawn, regions: int) -> int:
    """How many compositions one entry of a study stands for."""
    if isinstance(composition, config.Dose):
        return len(composition.percent)
    if isinstance(composition, config.Simplex):
        return len(composition.points)
    return regions if composition.several else 1  # an `each` is one composition a region


def _detectable(study: config.Study, width: int) -> str:
    draws, seeds = len(study.seeds.draw), len(study.seeds.train)
    if draws == 1 and seeds == 1:
        return "1 draw x 1 training seed: nothing is replicated, so no interval and no winner can be given"
    from scipy import stats

    alpha = study.report.primary.alpha
    contrasts = max(1, width)  # the best against every other one, zero pretraining included
    degrees, n = (width * (draws - 1), draws) if draws > 1 else (width * (seeds - 1), seeds)
    critical = stats.t.ppf(1 - alpha / contrasts / 2, degrees) + stats.t.ppf(0.8, degrees)
    what = "between draws" if draws > 1 else "between training seeds (for these drawn samples)"
    size = critical * (2 / n) ** 0.5
    return (
        f"{draws} draws x {seeds} training seeds: with 80 % power, differences of about {size:.1f} standard deviations {what} "
        f"of the primary endpoint (two-sided alpha {alpha}, {contrasts} contrasts, {degrees} degrees of freedom)"
    )
