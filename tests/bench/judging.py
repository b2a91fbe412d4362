"""Benchmarks of the sweep: all label draws of all regions at once, against scikit-learn one fit at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from geomix.sweep import heads
from tests.bench.measure import Measured, compare

PROBLEMS, SHOTS, WIDTH, TEST = 60, 100, 64, 300  # six regions x ten label draws, the debug study's sizes


def _problems() -> tuple[heads.Problems, list[heads.Query]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(PROBLEMS, SHOTS, WIDTH)).astype(np.float32)
    label = (x[:, :, 0] + rng.normal(size=(PROBLEMS, SHOTS)) > 0).astype(np.float64)
    test = rng.normal(size=(TEST, WIDTH)).astype(np.float32)
    return heads.Problems(x, label, 2, list(range(PROBLEMS))), [heads.Query(slice(0, PROBLEMS), test)]


def logistic(_: Path) -> Measured:
    """Logistic regression with its path of strengths."""
    problems, queries = _problems()
    configs = [{"c": c} for c in heads.STRENGTHS]

    def one_by_one() -> None:
        for x, label in zip(problems.x_BSD, problems.label_BS, strict=True):
            for c in heads.STRENGTHS:
                LogisticRegression(C=c, max_iter=1000).fit(x, label).predict_proba(queries[0].x_MD)

    name = f"{PROBLEMS} logistic paths of {len(heads.STRENGTHS)} strengths"
    return compare(name, lambda: heads.judge("logistic", problems, queries, configs), "scikit-learn", one_by_one, goal=1)


def neighbours(_: Path) -> Measured:
    """k nearest neighbours with its path of k."""
    problems, queries = _problems()
    ks = [1, 3, 5, 9, 15, 25, 51]

    def one_by_one() -> None:
        for x, label in zip(problems.x_BSD, problems.label_BS, strict=True):
            for k in ks:
                KNeighborsClassifier(k).fit(x, label).predict_proba(queries[0].x_MD)

    configs = [{"k": k} for k in ks]
    name = f"{PROBLEMS} kNN paths of {len(ks)} k"
    return compare(name, lambda: heads.judge("knn", problems, queries, configs), "scikit-learn", one_by_one, goal=1)
