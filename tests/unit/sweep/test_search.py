"""The search sees training and validation rows only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geomix.sweep import heads, search, splits
from tests.unit.sweep import made


@pytest.mark.parametrize("split", ["random", "block", "leave_region_out"])
@pytest.mark.parametrize("head", ["logistic", "knn", "mlp"])
def test_permuting_the_test_labels_leaves_every_choice(head: str, split: str) -> None:
    data = made.task(600, signal=1.0)
    folds = splits.make(data, split, 100.0)  # type: ignore[arg-type]
    configs = heads.grid(head, 20, "tiny")  # type: ignore[arg-type]
    chosen = search.choose(search.Bench(data.raw_NF, data, split, 20, head), folds, configs)  # type: ignore[arg-type]
    for position, fold in enumerate(folds):
        ((_, test),) = fold.tests
        label = data.label_N.copy()
        label[test] = np.random.default_rng(0).permutation(label[test])
        other = search.Bench(data.raw_NF, replace(data, label_N=label), split, 20, head)  # type: ignore[arg-type]
        # Under leave_region_out a region's rows are other folds' training rows: its own fold alone must not see them.
        same = [fold] if split == "leave_region_out" else folds
        again = search.choose(other, same, configs)
        assert again[0 if len(same) == 1 else position] == chosen[position]


def test_the_choice_follows_the_validation_rows() -> None:
    data = made.task(600, signal=3.0)
    folds = splits.make(data, "random", 1.0)
    bench = search.Bench(data.raw_NF, data, "random", 20, "knn")
    sensible = search.choose(bench, folds, [{"k": 20}, {"k": 5}])
    assert sensible == [1, 1, 1]  # k = all shots predicts the same for everything


def test_the_choice_does_not_depend_on_the_number_of_repeats_and_ties_go_to_the_first() -> None:
    data = made.task(300)
    folds = splits.make(data, "random", 1.0)
    bench = search.Bench(data.raw_NF, data, "random", 20, "logistic")
    assert search.choose(bench, folds, [{"c": 1.0}, {"c": 1.0}]) == [0, 0, 0]
    assert search.choose(bench, folds, [{"c": 1.0}]) == [0, 0, 0]


def test_a_regression_is_chosen_by_rmse() -> None:
    data = made.task(600, classes=0, signal=3.0)
    folds = splits.make(data, "random", 1.0)
    bench = search.Bench(data.raw_NF, data, "random", 40, "ridge")
    assert search.choose(bench, folds, [{"alpha": 1000.0}, {"alpha": 0.01}]) == [1, 1, 1]
