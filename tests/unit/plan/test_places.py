"""Places of tasks: every labelled sample's coordinates, or null where a task has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geomix import config, errors
from geomix.plan import places


def study(path: Path, **task: object) -> config.Study:
    content = {
        "name": "places",
        "scale": "tiny",
        "pools": {"series": {"kind": "earth", "size": 10}},
        "budget": 5,
        "compositions": {"uar": {"strategy": "uniform"}},
        "models": {"presto": {"pool": "series"}},
        "tasks": {
            "mine": {
                "kind": "table",
                "models": ["presto"],
                "uri": str(path),
                "target": "classification",
                "label": "y",
                "series": {"steps": [{"month": 0, "bands": {"B2": "b"}}]},
                **task,
            }
        },
        "sweep": {"shots": [2]},
        "report": {"primary": {"task": "mine", "split": "random", "head": "logistic", "metric": "f1", "shots": 2}},
    }
    return config.Study.model_validate(content)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    pd.DataFrame({"x": [10.0, 20.0, None], "y": [0, 1, 1], "lat": [1.0, 2.0, None], "b": [0.1, 0.2, 0.3]}).to_csv(path)
    return path


def test_keeps_rows_and_nulls(table: Path) -> None:
    found = places.of_study(study(table, lon="x", lat="lat", where="y = 1"))
    assert found["row"].tolist() == [1, 2]
    assert found["lon"].tolist()[0] == 20.0
    assert np.isnan(found["lon"].tolist()[1])


def test_a_task_without_coordinates_has_null_places(table: Path) -> None:
    assert places.of_study(study(table))["lon"].isna().all()


def test_exchanged_coordinates_are_named(tmp_path: Path) -> None:
    path = tmp_path / "exchanged.csv"
    pd.DataFrame({"lon": [10.0], "lat": [120.0], "y": [1], "b": [0.1]}).to_csv(path)
    with pytest.raises(errors.DataError, match=r"row 0 .* latitude 120") as caught:
        places.of_study(study(path, lon="lon", lat="lat"))
    assert "exchanged" in caught.value.remedy


def test_a_missing_file_and_an_empty_selection_are_input_errors(table: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match="no such file"):
        places.of_study(study(tmp_path / "absent.csv"))
    with pytest.raises(errors.DataError, match="no row"):
        places.of_study(study(table, where="y = 7"))
