"""Shares, entropy and coverage of known compositions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from geomix.sample import candidates, stats

FRAME = pd.DataFrame(
    {
        "id": list("abcdef"),
        "lon": [0.5, 0.6, 90.0, 90.0, -90.0, 179.0],
        "lat": [0.5, 0.6, 0.5, 50.0, 0.5, -80.0],
        "continent": ["Africa", "Africa", "Asia", "Asia", None, "Antarctica"],
        "landcover": [1, 2, 3, 4, 5, 15],
        "source": list("xxxxxx"),
    }
)


def describe(frame: pd.DataFrame, drawn: np.ndarray) -> dict[str, Any]:
    text = {name: candidates.text(frame[name]) for name in stats.STRATA if name in frame}
    return stats.describe_columns(frame["lon"].to_numpy(), frame["lat"].to_numpy(), text, drawn)


def test_describe() -> None:
    found = describe(FRAME, np.array([0, 1, 2, 4]))
    assert found["shares"]["continent"] == {"Africa": 0.666667, "Asia": 0.333333}
    assert found["unknown"] == {"continent": 1, "landcover": 0}
    assert found["entropy"]["continent"] == pytest.approx(-(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3)), abs=1e-6)
    assert found["entropy"]["landcover"] == pytest.approx(np.log(4), abs=1e-6)
    assert set(found["shares"]) == {"continent", "landcover"}  # the user's own columns are not strata
    assert found["coverage"] == {"cells": 3, "of": 5, "share": 0.6}


def test_entropy_of_one_value_and_of_none() -> None:
    assert stats.entropy(np.array([7, 0])) == 0.0
    assert str(stats.entropy(np.array([7]))) == "0.0"
    assert stats.entropy(np.array([], dtype=np.int64)) == 0.0
    assert stats.entropy(np.array([5, 5, 5, 5])) == pytest.approx(np.log(4))


def test_nothing_known() -> None:
    found = describe(FRAME.assign(continent=None), np.array([0, 1]))
    assert found["shares"]["continent"] == {}
    assert found["unknown"]["continent"] == 2


def test_classes() -> None:
    found = stats.classes(np.array([0, 0, 2, -1, 2, 2]), ["Africa", "Asia", "Europe"], possible=4)
    nats = -(0.4 * np.log(0.4) + 0.6 * np.log(0.6))
    assert found["shares"] == {"Africa": 0.4, "Europe": 0.6}
    assert found["unknown"] == 1
    assert found["entropy"] == pytest.approx(nats, abs=1e-6)
    assert found["entropy_normalised"] == pytest.approx(nats / np.log(4), abs=1e-6)
    assert found["effective"] == pytest.approx(np.exp(nats), abs=1e-4)
    one = stats.classes(np.array([0, 0]), ["Africa"], possible=1)
    assert (one["entropy_normalised"], one["effective"]) == (None, 1.0)
    assert stats.classes(np.array([-1]), [], possible=3)["effective"] == 0.0


def test_numbers() -> None:
    found = stats.numbers(np.array([4.0, np.nan, 1.0, 2.0, 3.0, 5.0]))
    assert found == {"n": 5, "unknown": 1, "min": 1.0, "q25": 2.0, "median": 3.0, "q75": 4.0, "max": 5.0, "mean": 3.0}
    assert stats.numbers(np.array([np.nan]))["mean"] is None
    assert stats.significant(1234567.891) == 1234570.0
