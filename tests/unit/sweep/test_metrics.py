"""Metrics against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from geomix.sweep import metrics


@pytest.mark.parametrize("classes", [2, 4])
def test_agrees_with_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    label = rng.integers(0, classes, 200)
    score = rng.random((3, 200, classes)).round(1) + 0.3 * np.eye(classes)[label]  # with ties
    found = metrics.classification(score, label)
    for r in range(3):
        predicted = score[r].argmax(axis=1)
        average = "binary" if classes == 2 else "macro"
        assert found["f1"][r] == pytest.approx(reference.f1_score(label, predicted, average=average))
        assert found["f1_macro"][r] == pytest.approx(reference.f1_score(label, predicted, average="macro"))
        assert found["accuracy"][r] == pytest.approx(reference.accuracy_score(label, predicted))
        assert found["balanced_accuracy"][r] == pytest.approx(reference.balanced_accuracy_score(label, predicted))
        columns = [1] if classes == 2 else range(classes)
        areas = [reference.roc_auc_score(label == k, score[r, :, k]) for k in columns]
        assert found["auc"][r] == pytest.approx(np.mean(areas))


def test_auc_by_hand() -> None:
    positive = np.array([True, True, False, False])
    scores = np.array([[4.0, 3, 2, 1], [1, 2, 3, 4], [1, 1, 1, 1], [3, 1, 2, 0]])
    assert metrics.auc(scores, positive).tolist() == [1.0, 0.0, 0.5, 0.75]


def test_what_is_not_defined_is_nan() -> None:
    found = metrics.classification(np.array([[[0.2, 0.8], [0.9, 0.1]]]), np.array([0, 0]))
    assert found["accuracy"].tolist() == [0.5]
    assert all(np.isnan(found[name]).all() for name in ("auc", "f1", "balanced_accuracy"))
    assert np.isnan(metrics.regression(np.zeros((1, 3)), np.full(3, 2.0))["r2"]).all()


def test_regression_by_hand() -> None:
    found = metrics.regression(np.array([[1.0, 2, 3], [2, 2, 2]]), np.array([1.0, 2, 6]))
    assert found["rmse"] == pytest.approx([np.sqrt(3), np.sqrt(17 / 3)])
    assert found["r2"] == pytest.approx([1 - 9 / 14, 1 - 17 / 14])


def test_chance_levels() -> None:
    label = np.array([0.0, 0, 0, 1])
    assert metrics.chance(label, 2)["accuracy"] == 0.75
    assert metrics.chance(label, 2)["f1"] == pytest.approx(0.4)
    assert metrics.chance(label, 0)["rmse"] == pytest.approx(label.std())
