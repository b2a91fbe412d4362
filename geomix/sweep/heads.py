"""Heads: light models on frozen features. Each judges many problems (region x label draw) and its whole grid at once.

A head is a function of (problems, queries, configurations); what it sees is imputed and standardised with its own
training rows only. Letters: B problems, S training rows, D features, P configurations, M test rows, K classes (1 for a
regression).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix import config
from geomix.sweep.shots import Shots

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Config = Mapping[str, float | int]

VERSION = 2
"""Raised whenever a head, a grid or a preparation below changes what it predicts: part of the protocol hash."""

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1e3, 1e4)
"""C of the logistic regression."""
PENALTIES = (10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""alpha of the ridge regression, for one training row."""
NEIGHBOURS = (1, 3, 5, 9, 15, 25, 51)
DECAYS = (0.1,)
"""One weight decay: within so few steps others changed no score by more than 0.005."""
STOPS = (25, 50, 100, 200)
"""Steps of the MLP; four times as many where all rows are used."""
TREES: Mapping[config.Scale, int] = {"tiny": 20, "debug": 20}
"""Trees of a forest on n shots, by scale; 100 where a scale is not named. On all rows: 50 at least."""
MOST_ROWS = 5000
"""Rows of a tree's bootstrap, at most: on 16,000 rows, 0.01 less AUC at 0.4 of the time."""

TORCH_HEADS = ("logistic", "mlp")
"""Heads that are computed by torch."""

_CELLS = 20_000_000  # distances held at once: 80 MB


@dataclass(frozen=True)
class Problems:
    """Training sets of one size."""

    x_BSD: F32
    """May hold NaN (raw features)."""
    label_BS: F64
    """Class numbers, or values of a regression."""
    classes: int
    """0 for a regression."""
    seed_B: Sequence[int]


@dataclass(frozen=True)
class Query:
    """Test rows and the problems that are asked about them."""

    problems: slice
    x_MD: F32


Scores = list[npt.NDArray[Any]]
"""One [P, b, M, K] a query: scores of classes (the larger the likelier), or values of a regression."""


def grid(head: config.HeadName, shots: Shots, scale: config.Scale) -> tuple[Config, ...]:
    """Configurations that the search chooses from, the plainest first (it wins ties); one alone needs no search."""
    if head == "logistic":
        return tuple({"c": c} for c in STRENGTHS)
    if head == "ridge":
        return tuple({"alpha": a} for a in PENALTIES)
    if head == "knn":
        most = 10**9 if shots == "all" else shots
        return tuple({"k": k} for k in NEIGHBOURS if k <= most)
    if head == "mlp":
        times = 4 if shots == "all" else 1
        return tuple({"weight_decay": d, "steps": times * s} for d in DECAYS for s in STOPS)
    trees = TREES.get(scale, 100)
    return ({"trees": max(trees, 50), "least_leaf": 3} if shots == "all" else {"trees": trees, "least_leaf": 1},)


def judge(head: config.HeadName, problems: Problems, queries: Sequence[Query], configs: Sequence[Config]) -> Scores:
    """Scores of every configuration on every query, after imputation and standardisation (`Preparation`)."""
    preparation = Preparation.of(problems.x_BSD)
    everything = slice(0, len(problems.x_BSD))
    ready = Problems(preparation(problems.x_BSD, everything), problems.label_BS, problems.classes, problems.seed_B)
    prepared = [(q.problems, preparation(q.x_MD[None], q.problems)) for q in queries]
    return _HEADS[head](ready, prepared, configs)


@dataclass(frozen=True)
class Preparation:
    """Missing values become the median of the problem's training rows (0 if it has none); then mean 0, deviation 1."""

    median_B1D: F32 | None
    mean_B1D: F32
    scale_B1D: F32

    @classmethod
    def of(cls, x_BSD: F32) -> Preparation:
        """Medians, means and standard deviations of each problem's training rows."""
        median = None
        if not np.isfinite(x_BSD).all():
            missing = np.isnan(x_BSD).all(axis=1, keepdims=True)
            median = np.nanmedian(np.where(missing, np.float32(0), x_BSD), axis=1, keepdims=True).astype(np.float32)
            x_BSD = np.where(np.isnan(x_BSD), median, x_BSD)
        deviation = x_BSD.std(axis=1, keepdims=True, dtype=np.float64)
        mean = x_BSD.mean(axis=1, keepdims=True, dtype=np.float64)
        # A feature that does not vary among the training rows says nothing: it stays at 0, on test rows near it too.
        scale = np.where(deviation > 1e-6 * np.abs(mean) + 1e-12, deviation, np.inf)
        return cls(median, mean.astype(np.float32), (1 / scale).astype(np.float32))

    def __call__(self, x: F32, problems: slice) -> F32:
        """x [b or 1, M, D] as the `problems` see it: float32 [b, M, D]."""
        if self.median_B1D is not None:
            x = np.where(np.isnan(x), self.median_B1D[problems], x)
        return np.asarray((x - self.mean_B1D[problems]) * self.scale_B1D[problems], dtype=np.float32)


_Prepared = Sequence[tuple[slice, F32]]


def _logistic(problems: Problems, queries: _Prepared, configs: Sequence[Config]) -> Scores:
    from geomix.sweep import linear

    w = linear.logistic(problems.x_BSD, problems.label_BS, problems.classes, [float(c["c"]) for c in configs])
    return [linear.probabilities(w[which], x) for which, x in queries]


def _ridge(problems: Problems, queries: _Prepared, configs: Sequence[Config]) -> Scores:
    from geomix.sweep import linear

    w = linear.ridge(problems.x_BSD, problems.label_BS, [float(c["alpha"]) for c in configs])
    return [linear.values(w[which], x) for which, x in queries]


def _mlp(problems: Problems, queries: _Prepared, configs: Sequence[Config]) -> Scores:
    from geomix.sweep import mlp

    label, mean, scale = problems.label_BS, np.zeros((len(problems.label_BS), 1)), np.ones((len(problems.label_BS), 1))
    if not problems.classes:
        mean, scale = label.mean(axis=1, keepdims=True), label.std(axis=1, keepdims=True)
        scale = np.where(scale > 0, scale, 1.0)
    pairs = [(float(c["weight_decay"]), int(c["steps"])) for c in configs]
    found = mlp.scores(problems.x_BSD, (label - mean) / scale, problems.classes, queries, problems.seed_B, pairs)
    if problems.classes:
        return list(found)
    return [s * scale[which, :, None] + mean[which, :, None] for s, (which, _) in zip(found, queries, strict=True)]


def _random_forest(problems: Problems, queries: _Prepared, configs: Sequence[Config]) -> Scores:
    """Mean over trees of the share of each class (mean value) in a leaf; sqrt(D) features tried a node, D / 3 for values."""
    import sklearn
    from sklearn.ensemble import RandomForestRegressor

    rows, features = problems.x_BSD.shape[1:]
    tried = max(1, round(features**0.5 if problems.classes else features / 3))
    results = []
    # A regression tree on one-hot labels has the Gini tree's splits (the criteria are proportional) and its shares, in two
    # thirds of the time. The parameters are ours and the arrays finite: checking them again costs as much as a small tree.
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        forests = [
            [
                RandomForestRegressor(
                    int(c["trees"]),
                    max_features=tried,
                    min_samples_leaf=int(c["least_leaf"]),
                    max_samples=min(rows, MOST_ROWS),
                    random_state=seed % 2**32,
                    n_jobs=1,
                ).fit(x_SD, label_S)
                for x_SD, label_S, seed in zip(problems.x_BSD, _targets(problems), problems.seed_B, strict=True)
            ]
            for c in configs
        ]
        for which, x_bMD in queries:
            found = [[f.predict(x) for f, x in zip(own[which], x_bMD, strict=True)] for own in forests]
            results.append(np.array(found).reshape(len(configs), *x_bMD.shape[:2], -1))
    return [np.concatenate([1 - s, s], axis=3) for s in results] if problems.classes == 2 else results


def _targets(problems: Problems) -> F64:
    if problems.classes <= 2:
        return problems.label_BS
    return np.asarray(problems.label_BS[:, :, None] == np.arange(problems.classes), dtype=np.float64)


def _knn(problems: Problems, queries: _Prepared, configs: Sequence[Config]) -> Scores:
    """Share of each class (mean value) among the k nearest training rows by Euclidean distance, ties by row order."""
    ks = [min(int(c["k"]), problems.x_BSD.shape[1]) for c in configs]
    if problems.classes:
        target = (problems.label_BS[:, :, None] == np.arange(problems.classes)).astype(np.float32)
    else:
        target = problems.label_BS[:, :, None].astype(np.float32)
    results = []
    for which, x_bMD in queries:
        own = range(len(problems.x_BSD))[which]
        result = np.empty((len(ks), len(own), x_bMD.shape[1], target.shape[2]), dtype=np.float32)
        for position, b in enumerate(own):
            known, labels = problems.x_BSD[b], target[b]
            squares = (known**2).sum(axis=1)
            step = max(1, _CELLS // len(known))
            for start in range(0, x_bMD.shape[1], step):
                asked = x_bMD[position, start : start + step]
                # |a|^2 is the same for all neighbours of a: it is left out.
                near = _nearest(squares - 2 * asked @ known.T, max(ks))
                running = labels[near].cumsum(axis=1)
                for p, k in enumerate(ks):
                    result[p, position, start : start + step] = running[:, k - 1] / k
        results.append(result)
    return list(results)


def _nearest(distance_MS: F32, k: int) -> npt.NDArray[np.int64]:
    """Columns of the k smallest of each row, nearest first."""
    if k < distance_MS.shape[1]:
        near = np.sort(np.argpartition(distance_MS, k - 1, axis=1)[:, :k], axis=1)
    else:
        near = np.broadcast_to(np.arange(distance_MS.shape[1]), distance_MS.shape)
    order = np.argsort(np.take_along_axis(distance_MS, near, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(near, order, axis=1))


_HEADS: Mapping[str, Callable[[Problems, _Prepared, Sequence[Config]], Scores]] = {
    "logistic": _logistic,
    "ridge": _ridge,
    "mlp": _mlp,
    "random_forest": _random_forest,
    "knn": _knn,
}
