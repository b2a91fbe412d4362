"""Heads: against scikit-learn, on known answers, and that a problem does not depend on the problems beside it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from geomix.sweep import heads, linear, metrics
from geomix.sweep.heads import Problems, Query


def made(problems: int, rows: int, classes: int = 2, tests: int = 150, seed: int = 0) -> tuple[Problems, Query, np.ndarray]:
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=12) / 12**0.5
    mix = rng.normal(size=(12, 12))

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=(n, 12))
        hidden = 2 * x @ direction + 0.5 * rng.normal(size=n)
        label = np.digitize(hidden, np.linspace(-1, 1, classes + 1)[1:-1]).astype(float) if classes else hidden
        return (x @ mix).astype(np.float32), label

    x, y = zip(*(draw(rows) for _ in range(problems)), strict=True)
    x_test, y_test = draw(tests)
    return Problems(np.stack(x), np.stack(y), classes, list(range(problems))), Query(slice(0, problems), x_test), y_test


def standardised(problems: Problems, query: Query, b: int) -> tuple[np.ndarray, np.ndarray]:
    x = problems.x_BSD[b].astype(np.float64)
    return (x - x.mean(0)) / x.std(0), (query.x_MD - x.mean(0)) / x.std(0)


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_is_scikit_learns(classes: int) -> None:
    problems, query, _ = made(3, 100, classes)
    configs = [{"c": c} for c in heads.STRENGTHS]
    (score,) = heads.judge("logistic", problems, [query], configs)
    for b in range(3):
        x, x_test = standardised(problems, query, b)
        for p, c in enumerate(heads.STRENGTHS):
            model = LogisticRegression(C=c, tol=1e-7, max_iter=5000).fit(x, problems.label_BS[b])
            np.testing.assert_allclose(score[p, b], model.predict_proba(x_test), atol=0.01)


def test_logistic_copes_with_separable_and_repeated_columns() -> None:
    x = np.linspace(-1, 1, 40, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    w = linear.logistic(x, (x[..., 0] > 0).astype(float), 2, [1e6])
    assert np.isfinite(w).all()
    assert (linear.probabilities(w, x)[0, 0].argmax(axis=1) == (x[0, :, 0] > 0)).all()


def test_ridge_is_scikit_learns() -> None:
    problems, query, _ = made(2, 80, 0)
    (score,) = heads.judge("ridge", problems, [query], [{"alpha": a} for a in (0.01, 1.0)])
    for b in range(2):
        x, x_test = standardised(problems, query, b)
        for p, alpha in enumerate((0.01, 1.0)):
            model = Ridge(alpha=alpha * 80).fit(x, problems.label_BS[b])
            np.testing.assert_allclose(score[p, b, :, 0], model.predict(x_test), atol=1e-4)


def test_knn_is_scikit_learns() -> None:
    problems, query, _ = made(2, 90)
    (score,) = heads.judge("knn", problems, [query], [{"k": 1}, {"k": 9}, {"k": 1000}])
    for b in range(2):
        x, x_test = standardised(problems, query, b)
        for p, k in enumerate((1, 9)):
            model = KNeighborsClassifier(k).fit(x, problems.label_BS[b])
            np.testing.assert_allclose(score[p, b], model.predict_proba(x_test), atol=1e-6)
        share = problems.label_BS[b].mean()
        np.testing.assert_allclose(score[2, b, :, 1], share, atol=1e-6)  # k beyond the rows: all of them


def auc_of(score_BMK: np.ndarray, label: np.ndarray) -> float:
    return float(metrics.auc(np.asarray(score_BMK[:, :, 1], dtype=float), label == 1).mean())


def test_forest_scores_like_scikit_learns() -> None:
    problems, query, label = made(12, 100, tests=400)
    (score,) = heads.judge("random_forest", problems, [query], [{"trees": 50, "least_leaf": 1}])
    reference = [
        RandomForestClassifier(50, random_state=b).fit(problems.x_BSD[b], problems.label_BS[b]).predict_proba(query.x_MD)
        for b in range(12)
    ]
    assert auc_of(score[0], label) == pytest.approx(auc_of(np.stack(reference), label), abs=0.02)
    assert np.abs(score[0] - np.stack(reference)).mean() < 0.08


def test_forest_regression_scores_like_scikit_learns() -> None:
    problems, query, label = made(8, 150, 0, tests=300)
    (score,) = heads.judge("random_forest", problems, [query], [{"trees": 50, "least_leaf": 1}])
    ours = metrics.regression(score[0, :, :, 0], label)["rmse"].mean()
    fits = [
        RandomForestRegressor(50, max_features=4, random_state=b).fit(problems.x_BSD[b], problems.label_BS[b]) for b in range(8)
    ]
    theirs = metrics.regression(np.stack([f.predict(query.x_MD) for f in fits]), label)["rmse"].mean()
    assert ours == pytest.approx(theirs, rel=0.06)


def test_a_single_tree_learns_an_exact_rule_in_small_and_large_problems() -> None:
    rng = np.random.default_rng(0)
    for rows in (60, heads.MOST_ROWS + 200):
        x = rng.integers(0, 4, (1, rows, 2)).astype(np.float32)
        label = (x[..., 0] >= 2).astype(float)
        asked = np.array([[0, 3], [1, 0], [2, 0], [3, 3]], dtype=np.float32)
        (score,) = heads.judge("random_forest", Problems(x, label, 2, [1]), [Query(slice(0, 1), asked)], FOREST)
        assert (score[0, 0].argmax(axis=1) == [0, 0, 1, 1]).all()


FOREST = [{"trees": 30, "least_leaf": 1}]


def test_forest_with_three_classes_and_a_constant_feature() -> None:
    problems, query, label = made(2, 120, 3)
    problems.x_BSD[:, :, 0] = 5.0
    (score,) = heads.judge("random_forest", problems, [query], FOREST)
    np.testing.assert_allclose(score.sum(axis=3), 1.0)
    assert (score[0].argmax(axis=2) == label).mean() > 0.5


def test_mlp_solves_what_no_line_can() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 400, 2)).astype(np.float32)
    label = ((x[..., 0] * x[..., 1]) > 0).astype(float)
    asked = rng.normal(size=(300, 2)).astype(np.float32)
    configs = [{"weight_decay": 0.1, "steps": s} for s in (25, 400)]
    (score,) = heads.judge("mlp", Problems(x, label, 2, [0, 1]), [Query(slice(0, 2), asked)], configs)
    right = (score.argmax(axis=3) == ((asked[:, 0] * asked[:, 1]) > 0)).mean(axis=(1, 2))
    assert right[1] > 0.9 > 0.6 > 0
    assert right[1] > right[0]


def test_mlp_regression_is_in_the_units_of_the_label() -> None:
    problems, query, label = made(2, 300, 0)
    shifted = Problems(problems.x_BSD, problems.label_BS * 50 + 1000, 0, problems.seed_B)
    (score,) = heads.judge("mlp", shifted, [query], [{"weight_decay": 0.1, "steps": 400}])
    assert metrics.regression(score[0, :, :, 0], label * 50 + 1000)["r2"].min() > 0.7


@pytest.mark.parametrize("head", ["logistic", "mlp", "random_forest", "knn"])
def test_a_problem_does_not_depend_on_its_neighbours(head: str) -> None:
    problems, query, _ = made(4, 60)
    configs = [heads.grid(head, 60, "tiny")[0]]  # type: ignore[arg-type]
    (together,) = heads.judge(head, problems, [query], configs)  # type: ignore[arg-type]
    alone = Problems(problems.x_BSD[2:3], problems.label_BS[2:3], 2, [problems.seed_B[2]])
    (single,) = heads.judge(head, alone, [Query(slice(0, 1), query.x_MD)], configs)  # type: ignore[arg-type]
    np.testing.assert_allclose(together[:, 2], single[:, 0], atol=1e-4)
    (again,) = heads.judge(head, problems, [query], configs)  # type: ignore[arg-type]
    assert (together == again).all()


def test_missing_values_become_the_median_of_the_training_rows() -> None:
    x = np.array([[[1.0, np.nan], [2.0, np.nan], [6.0, np.nan], [np.nan, np.nan]]], dtype=np.float32)
    ready = heads.Preparation.of(x)(x, slice(0, 1))
    assert ready[0, 3, 0] == ready[0, 1, 0]  # 2 is the median of 1, 2, 6
    assert (ready[0, :, 1] == 0).all()
    assert heads.Preparation.of(x)(np.full((1, 1, 2), np.nan, np.float32), slice(0, 1))[0, 0, 0] == ready[0, 1, 0]


def test_the_statistics_come_from_the_training_rows_alone() -> None:
    problems, query, _ = made(1, 50)
    far = Query(query.problems, query.x_MD * 1000)
    for head in ("logistic", "knn", "random_forest"):
        configs = [heads.grid(head, 50, "tiny")[0]]  # type: ignore[arg-type]
        one, _ = heads.judge(head, problems, [query, far], configs)  # type: ignore[arg-type]
        (two,) = heads.judge(head, problems, [query], configs)  # type: ignore[arg-type]
        assert (one == two).all()
