"""Metrics of predicted scores, vectorised over repeats. Letters: R repeats, M test samples, K classes.

A metric that is not defined for a repeat is NaN there: the caller leaves such rows out and counts them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def classification(score_RMK: npt.NDArray[np.floating], label_M: I64) -> dict[str, F64]:
    """Metric -> float64 [R]: f1, f1_macro, accuracy, balanced_accuracy, auc.

    The predicted class is the one of the largest score (the first of equal ones). `f1` is that of the positive class
    (the second of two), or f1_macro where there are more. Classes without a test sample count in none of the means.
    auc: Mann-Whitney, ties counted half; for more than two classes the mean over classes of one against the rest.
    """
    classes = score_RMK.shape[2]
    predicted_RM = score_RMK.argmax(axis=2)
    one_hot = label_M[:, None] == np.arange(classes)
    true_RK = np.zeros((len(score_RMK), classes))
    claimed_RK = np.zeros_like(true_RK)
    for k in range(classes):
        hit = predicted_RM == k
        claimed_RK[:, k] = hit.sum(axis=1)
        true_RK[:, k] = (hit & one_hot[:, k]).sum(axis=1)
    present_K = one_hot.sum(axis=0).astype(np.float64)
    known = present_K > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        f1_RK = 2 * true_RK / (claimed_RK + present_K)
        recall_RK = true_RK / present_K
    macro = f1_RK[:, known].mean(axis=1) if known.any() else np.full(len(score_RMK), np.nan)
    binary = f1_RK[:, 1] if classes == 2 else macro
    scored = range(1, 2) if classes == 2 else [k for k in range(classes) if known[k]]
    areas = [auc(np.asarray(score_RMK[:, :, k], dtype=np.float64), one_hot[:, k]) for k in scored]
    return {
        "f1": binary if classes > 2 or known[1] else np.full(len(score_RMK), np.nan),
        "f1_macro": macro,
        "accuracy": true_RK.sum(axis=1) / len(label_M),
        "balanced_accuracy": recall_RK[:, known].mean(axis=1) if known.all() else np.full(len(score_RMK), np.nan),
        "auc": np.mean(areas, axis=0),
    }


def auc(score_RM: F64, positive_M: npt.NDArray[np.bool_]) -> F64:
    """Area under the ROC curve, float64 [R]: P(score of a positive > score of a negative) + half of P(equal)."""
    positives, negatives = int(positive_M.sum()), int((~positive_M).sum())
    if not positives or not negatives:
        return np.full(len(score_RM), np.nan)
    ranks = _ranks(score_RM)[:, positive_M].sum(axis=1)
    return np.asarray((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def _ranks(score_RM: F64) -> F64:
    """Mean ranks (1 is the smallest) along the last axis."""
    order = np.argsort(score_RM, axis=1, kind="stable")
    ordered = np.take_along_axis(score_RM, order, axis=1)
    place = np.arange(score_RM.shape[1])
    new = np.ones(score_RM.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.maximum.accumulate(np.where(new, place, 0), axis=1)
    closing = np.ones(score_RM.shape, dtype=bool)
    closing[:, :-1] = new[:, 1:]
    last = np.minimum.accumulate(np.where(closing, place, score_RM.shape[1])[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(score_RM.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    return ranks


def regression(value_RM: npt.NDArray[np.floating], label_M: F64) -> dict[str, F64]:
    """Metric -> float64 [R]: rmse (unit of the label), r2 = 1 - SSE / SS around the test mean (NaN if that is 0)."""
    error = np.asarray(value_RM, dtype=np.float64) - label_M
    squares = (error**2).sum(axis=1)
    around = float(((label_M - label_M.mean()) ** 2).sum())
    r2 = 1 - squares / around if around > 0 else np.full(len(error), np.nan)
    return {"rmse": np.sqrt(squares / len(label_M)), "r2": r2}


def chance(label_M: F64, classes: int) -> Mapping[str, float]:
    """Scores without any knowledge of the inputs, on these labels.

    accuracy: always the most frequent class; f1: always the positive class (two classes), f1_macro: always the most
    frequent class; balanced_accuracy 1/K; auc 0.5. A regression: always the mean: rmse is the standard deviation, r2 0.
    """
    if not classes:
        return {"rmse": float(label_M.std()), "r2": 0.0}
    share = np.bincount(label_M.astype(np.int64), minlength=classes) / len(label_M)
    most = float(share.max())
    macro = 2 * most / (1 + most) / int((share > 0).sum())
    f1 = float(2 * share[1] / (1 + share[1])) if classes == 2 else macro
    return {"f1": f1, "f1_macro": macro, "accuracy": most, "balanced_accuracy": 1 / classes, "auc": 0.5}
