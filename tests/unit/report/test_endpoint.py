"""From rows to one value a repeat: unweighted regions, missing regions, the baseline's own head."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from geomix.report import endpoint
from geomix.report.endpoint import Endpoint

ASKED = Endpoint("presto", "crop", "block", "logistic", "f1", "100")


def rows(entries: list[tuple[str, str, str, int, float]]) -> pd.DataFrame:
    """(composition, head, region, label draw, value) -> rows."""
    frame = pd.DataFrame(entries, columns=["composition", "head", "test_region", "label_seed", "value"])
    frame["model"] = np.where(frame["composition"] == "raw", "raw", "presto")
    frame["manifest_hash"] = frame["composition"]
    return frame.assign(draw_seed=0, train_seed=0, task="crop", split="block", shots="100", metric="f1", n=9)


def value(found: endpoint.Scores, name: str) -> float:
    return float(found.units.set_index("composition").loc[name, "value"])  # type: ignore[arg-type]


def test_mean_over_label_draws_then_regions_without_weights() -> None:
    entries = [("a", "logistic", "Asia", r, v) for r, v in enumerate((0.1, 0.2, 0.3))] + [("a", "logistic", "Europe", 0, 0.6)]
    found = endpoint.scores(rows(entries), ASKED)
    assert value(found, "a") == pytest.approx((0.2 + 0.6) / 2)
    assert found.names == ("Asia", "Europe")


def test_a_repeat_without_one_of_the_regions_has_no_value() -> None:
    entries = [("a", "logistic", "Asia", 0, 0.1), ("a", "logistic", "Europe", 0, 0.3), ("b", "logistic", "Asia", 0, 0.9)]
    found = endpoint.scores(rows(entries), ASKED)
    assert value(found, "a") == pytest.approx(0.2)
    assert np.isnan(value(found, "b"))
    assert np.isnan(endpoint.by_region(found).loc["b", "Europe"])  # type: ignore[arg-type]


def test_all_samples_are_not_a_region_beside_the_others() -> None:
    entries = [("a", "logistic", "all", 0, 0.9), ("a", "logistic", "Asia", 0, 0.1)]
    assert value(endpoint.scores(rows(entries), ASKED), "a") == pytest.approx(0.1)
    assert value(endpoint.scores(rows(entries[:1]), ASKED), "a") == pytest.approx(0.9)


def test_the_baseline_keeps_its_own_head_and_other_heads_stay_out() -> None:
    entries = [("a", "logistic", "Asia", 0, 0.1), ("a", "knn", "Asia", 0, 0.9), ("raw", "random_forest", "Asia", 0, 0.5)]
    found = endpoint.scores(rows(entries), ASKED)
    assert value(found, "a") == pytest.approx(0.1)
    assert value(found, "raw") == pytest.approx(0.5)


def test_errors_are_better_when_lower() -> None:
    assert ASKED.higher_is_better
    assert not Endpoint("presto", "crop", "block", "ridge", "rmse", "all").higher_is_better
