"""The search over a head's configurations, on validation folds alone. What it chooses is frozen for every repeat.

One search an (encoder, task, head, split, shots): the score is pooled over regions and the first label draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geomix import config, ids
from geomix.sweep import heads, metrics
from geomix.sweep.heads import F32, Config, Problems, Query
from geomix.sweep.shots import Shots, draw
from geomix.sweep.splits import Fold
from geomix.sweep.tasks import I64, TaskData

DRAWS = 3
"""Label draws that a search sees, however many there are to judge: the choice must not depend on that number."""


@dataclass(frozen=True)
class Bench:
    """One head on the features of one task under one split."""

    features_ND: F32
    data: TaskData
    split: config.SplitName
    shots: Shots
    head: config.HeadName

    def batches(self, folds: Sequence[Fold], draws: Sequence[int]) -> list[tuple[Problems, list[tuple[Fold, slice]]]]:
        """Problems (folds x label draws) of equal size together, and the slice of each fold's draws in them."""
        if self.shots == "all":
            return [self._batch([fold], draws) for fold in folds]
        return [self._batch(folds, draws)]

    def _batch(self, folds: Sequence[Fold], draws: Sequence[int]) -> tuple[Problems, list[tuple[Fold, slice]]]:
        rows = np.stack([draw(self.data, self.split, fold, self.shots, r) for fold in folds for r in draws])
        seeds = [
            ids.derive_seed("head", self.head, self.data.name, self.split, fold.train_region, str(self.shots), r)
            for fold in folds
            for r in draws
        ]
        problems = Problems(self.features_ND[rows], self.data.label_N[rows], len(self.data.classes), seeds)
        return problems, [(fold, slice(i * len(draws), (i + 1) * len(draws))) for i, fold in enumerate(folds)]

    def metrics_of(self, scores: heads.F32, rows: I64) -> dict[str, metrics.F64]:
        """Metric -> float64 [R] of scores [R, M, K] on the samples `rows`."""
        if self.data.kind == "regression":
            return metrics.regression(scores[:, :, 0], self.data.label_N[rows])
        return metrics.classification(scores, self.data.label_N[rows].astype(np.int64))


def choose(bench: Bench, folds: Sequence[Fold], configs: Sequence[Config]) -> list[int]:
    """Position in `configs` of each fold's configuration: macro F1 (or RMSE) on validation rows, the first of equal ones.

    One for all folds, except under leave_region_out: there a fold's test rows are other folds' validation rows, so that
    each chooses for itself.
    """
    if len(configs) == 1:
        return [0] * len(folds)
    if bench.split == "leave_region_out":
        return [_best(bench, [fold], configs) for fold in folds]
    return [_best(bench, folds, configs)] * len(folds)


def _best(bench: Bench, folds: Sequence[Fold], configs: Sequence[Config]) -> int:
    name, sign = ("rmse", -1.0) if bench.data.kind == "regression" else ("f1_macro", 1.0)
    draws = range(1 if bench.shots == "all" else DRAWS)
    found = []
    for problems, slices in bench.batches([f for f in folds if len(f.validation)], draws):
        queries = [Query(which, bench.features_ND[fold.validation]) for fold, which in slices]
        for (fold, _), scores in zip(slices, heads.judge(bench.head, problems, queries, configs), strict=True):
            found.append([sign * bench.metrics_of(score, fold.validation)[name] for score in scores])
    if not found:
        return 0
    pooled = np.concatenate([np.stack(f) for f in found], axis=1)
    usable = np.isfinite(pooled).all(axis=0)
    return int(pooled[:, usable].mean(axis=1).argmax()) if usable.any() else 0
