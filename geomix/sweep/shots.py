"""Label draws: which training rows a head sees. The same for every encoder and head, nested across numbers of shots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from geomix import config, ids
from geomix.errors import TaskError
from geomix.sweep.splits import Fold
from geomix.sweep.tasks import I64, TaskData

Shots = int | Literal["all"]

VERSION = 1
"""Raised whenever the same fold would be drawn from otherwise: part of the protocol hash."""

LEAST_TEST = 10
"""A test region needs this many samples of each class (of a regression: samples); smaller ones are not judged."""


def draw(data: TaskData, split: str, fold: Fold, shots: Shots, r: int) -> I64:
    """Rows of label draw `r`, sorted: `shots` rows of the fold's training rows, or all of them.

    The draw is keyed by (task, split, training region, r) through permanent random numbers: 50 shots are among the 100
    of the same r. Classes get equal counts; what does not divide goes to the first classes. Raises TaskError.
    """
    if shots == "all":
        return fold.train
    seed = ids.derive_seed("shots", data.name, split, fold.train_region, r)
    keys = ids.permanent_random(data.id64_N[fold.train], seed)
    ordered = fold.train[np.argsort(keys, kind="stable")]
    if data.kind == "regression":
        _enough(data, split, fold, "", len(ordered), shots, shots)
        return np.sort(ordered[:shots])
    chosen = []
    for code, (name, wanted) in enumerate(zip(data.classes, quotas(shots, len(data.classes)), strict=True)):
        members = ordered[data.label_N[ordered] == code]
        _enough(data, split, fold, name, len(members), wanted, shots)
        chosen.append(members[:wanted])
    return np.sort(np.concatenate(chosen))


def quotas(shots: int, classes: int) -> list[int]:
    """Shots of each class: equal, the remainder one each to the first classes."""
    return [shots // classes + (code < shots % classes) for code in range(classes)]


def _enough(data: TaskData, split: str, fold: Fold, name: str, have: int, wanted: int, shots: Shots) -> None:
    if have < wanted:
        of_class = f" of class {name!r}" if name else ""
        raise TaskError(
            f"task {data.name}, split {split}, training region {fold.train_region!r}: {have} training rows{of_class}",
            wanted=f"{wanted} of them for {shots} shots",
            remedy="ask for fewer `shots:`, or leave the region out with the task's `where:`",
        )


def judged(data: TaskData, folds: Iterable[Fold]) -> tuple[tuple[Fold, ...], list[dict[str, Any]]]:
    """Folds without the test regions that are too small to judge, and a note about each of those."""
    kept, notes = [], []
    for fold in folds:
        tests = []
        for region, rows in fold.tests:
            have = _smallest(data, rows)
            if have >= LEAST_TEST:
                tests.append((region, rows))
            else:
                notes.append({"train_region": fold.train_region, "test_region": region, "n": len(rows), "smallest_class": have})
        if tests:
            kept.append(Fold(fold.train_region, fold.train, fold.validation, tuple(tests)))
    return tuple(kept), notes


def _smallest(data: TaskData, rows: I64) -> int:
    if data.kind == "regression":
        return len(rows)
    return int(np.bincount(data.label_N[rows].astype(np.int64), minlength=len(data.classes)).min())


def check(data: TaskData, split: config.SplitName, folds: Iterable[Fold], shots: Iterable[Shots]) -> None:
    """Raises TaskError, naming region and class, if a fold that would be judged has fewer training rows than shots."""
    for fold in folds:
        for wanted in shots:
            if wanted != "all":
                least = max(2, len(data.classes))
                if wanted < least:
                    raise TaskError(
                        f"task {data.name}: {wanted} shots", wanted=f"at least {least}", remedy="ask for more `shots:`"
                    )
                draw(data, split, fold, wanted, 0)
                continue
            names = data.classes or ("",)
            codes = data.label_N[fold.train].astype(np.int64) if data.classes else np.zeros(len(fold.train), dtype=np.int64)
            for name, have in zip(names, np.bincount(codes, minlength=len(names)), strict=True):
                _enough(data, split, fold, name, int(have), 2, "all")
