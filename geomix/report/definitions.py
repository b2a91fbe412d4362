"""What every number of the report means: one entry a term, shown in the page and linked from each table."""

from __future__ import annotations

from dataclasses import dataclass

from geomix import config
from geomix.report.endpoint import Scores


@dataclass(frozen=True)
class Definition:
    """A term and what it means."""

    key: str
    term: str
    text: str


_METRICS = {
    "f1": (
        "F1 of the positive class (second of two by name): 2 TP / (2 TP + FP + FN); with more classes, the mean over classes."
    ),
    "f1_macro": "F1 of each class, averaged over the classes that have test samples.",
    "auc": (
        "Area under the ROC curve: the share of (positive, negative) pairs that are ordered rightly, ties half. Chance is 0.5."
    ),
    "accuracy": "Share of test samples whose class is right.",
    "balanced_accuracy": "Share of right answers in each class, averaged over classes.",
    "rmse": "Square root of the mean squared error, in the label's unit; lower is better.",
    "r2": "1 minus squared error over squared deviation from the test mean; 0 is what the mean would score.",
}


def definitions(study: config.Study, found: Scores) -> list[Definition]:
    """The definitions this study's report needs, in reading order."""
    level = f"{100 * (1 - study.report.primary.alpha):g}\u00a0%"
    alpha = f"{100 * study.report.primary.alpha:g}\u00a0%"
    metric = found.endpoint.metric
    return [
        Definition("metric", metric, _METRICS[metric]),
        Definition(
            "score",
            "score",
            f"One {metric} a test region, label draw, training seed and draw. A repeat (draw, training seed) has one value: "
            f"the mean over {study.seeds.label} label draws, then the unweighted mean over {len(found.names)} regions.",
        ),
        Definition("mean", "mean", "Mean of the composition's repeats."),
        Definition(
            "n",
            "n, draws, seeds",
            "n: repeats with a value. Draws: different sets of samples drawn by the same rule. Seeds: training seeds, which "
            "set initial weights and masks. Zero pretraining draws nothing; raw features and published weights are one repeat.",
        ),
        Definition(
            "interval",
            "interval",
            f"Two-sided {level} t interval of the mean, with variances pooled over compositions (balanced analysis of "
            "variance of draws and seeds, degrees of freedom by Satterthwaite). It is about other draws and seeds; with one "
            "draw, and for zero pretraining, about other training seeds for these drawn samples. Not corrected for many "
            "comparisons.",
        ),
        Definition(
            "difference",
            "difference",
            "Difference of two means. Compositions share draws' random numbers and training seeds, so it is compared pair by "
            "pair, and what all compositions share cancels; its interval is narrower than two intervals side by side suggest.",
        ),
        Definition(
            "winner",
            "winner, Holm",
            f"The candidate that beats every other one on the primary endpoint: each of its contrasts has a p of at most "
            f"{alpha} after Holm's correction. Candidates: compositions that draw, and zero pretraining. Where all are equal, "
            f"a winner is declared in at most {alpha} of studies.",
        ),
        Definition("worst", "worst region", "The region with the composition's worst mean score."),
        Definition(
            "raw",
            "raw features",
            "A random forest on the inputs themselves, without an encoder, on the same splits and labels.",
        ),
        Definition(
            "realised",
            "requested, realised, refused",
            "Samples of each stratum asked for; those trained on after refused ones were replaced from the reserves; how many "
            "were refused, by code (few_steps: too few steps show the ground; no_values: not one value).",
        ),
        Definition(
            "hash",
            "manifest hash, pool hash, final hash",
            "Manifest hash: SHA-256 of the sorted sample ids and the pool hash. Final hash: SHA-256 of all rows, sorted, "
            "without run ids and the study's name, values with 6 significant digits: equal results have equal final hashes.",
        ),
    ]
