"""Loading tasks: what is read, and one clear message for each kind of wrong input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from geomix import config, sweep
from geomix.errors import DataError, GeomixError, StudyError, TaskError
from geomix.sweep import prepared, tasks
from tests.unit.sweep import made


@pytest.fixture
def uri(tmp_path: Path) -> str:
    path = str(tmp_path / "table.parquet")
    made.table().to_parquet(path)
    return path


def changed(uri: str, **columns: Any) -> str:
    frame = pd.read_parquet(uri)
    for name, values in columns.items():
        frame[name] = values
    frame.to_parquet(uri)
    return uri


def test_a_table_is_read_in_its_own_order(uri: str) -> None:
    data = tasks.load("made", made.study(uri, where="area <> 'west'"))
    frame = pd.read_parquet(uri)
    kept = frame[frame["area"] != "west"]
    assert data.ids[:3] == ("made:0", "made:1", "made:3")
    assert data.regions == ("north", "south")
    np.testing.assert_allclose(data.lonlat_N2, kept[["lon", "lat"]])
    np.testing.assert_allclose(data.series.x_NTC[:, 1, 8], kept["nir_2"], rtol=1e-6)  # B8
    assert data.series.month_NT[0].tolist() == [3, 9]
    assert data.raw_NF.shape == (400, 4)  # channels that no sample has are no features
    assert data.classes == ("0", "1")
    assert (data.label_N == kept["crop"]).all()
    assert (data.published_N == np.where(kept["part"] == "test", 2, 0)).all()


def test_named_columns_are_the_raw_features(uri: str) -> None:
    data = tasks.load("made", made.study(uri, raw=["lat", "nir_1"]))
    np.testing.assert_allclose(data.raw_NF, pd.read_parquet(uri)[["lat", "nir_1"]], rtol=1e-6)


def test_regions_are_looked_up_where_no_column_names_them(uri: str) -> None:
    places = {"lon": np.where(np.arange(600) % 2, 10.0, 20.0), "lat": np.where(np.arange(600) % 2, 50.0, 5.0)}
    data = tasks.load("made", made.study(changed(uri, **places), region=None))
    assert data.regions == ("Africa", "Europe")


def test_regions_come_from_the_studys_own_polygons(uri: str, tmp_path: Path) -> None:
    basins = str(tmp_path / "basins.geojson")
    shapes = [shapely.box(0, 10, 15, 40), shapely.box(15, 10, 30, 40)]
    geopandas.GeoDataFrame({"basin": ["left", "right"]}, geometry=shapes, crs="EPSG:4326").to_file(basins)
    study = made.study(uri, {"region": "basin"}, region=None)
    study = study.model_copy(update={"strata": {"basin": config.Polygons(uri=basins, column="basin")}})
    data = tasks.load("made", study)
    east = data.lonlat_N2[:, 0] > 15
    assert (data.region_N == np.where(east, "right", "left")).all()
    assert tasks.fingerprint("made", study)["task"]["region"]["stratum"] == "basin"
    with pytest.raises(StudyError, match=r"unknown stratum 'basin'"):
        tasks.load("made", made.study(uri, {"region": "basin"}, region=None))


@pytest.mark.parametrize(
    ("columns", "task", "error", "words"),
    [
        ({}, {"label": "kind"}, DataError, ["no column 'kind'", "crop"]),
        ({"crop": 1}, {}, TaskError, ["every label is 1"]),
        ({"crop": np.where(np.arange(600) == 7, np.nan, 1.0)}, {}, TaskError, ["1 of 600 labels", "IS NOT NULL"]),
        ({"crop": np.linspace(0, 1, 600)}, {}, TaskError, ["fractions", "regression"]),
        ({"crop": np.arange(600)}, {}, TaskError, ["600 different labels"]),
        ({"part": "training"}, {"splits": ["published"]}, TaskError, ["'training'", "train, val"]),
        ({"part": "train"}, {}, TaskError, ["no row", "'test'"]),
        ({"lon": 500.0}, {}, DataError, ["row 0", "exchanged"]),
        ({}, {"raw": ["area"]}, TaskError, ["raw features area", "columns of numbers"]),
        ({"lon": np.nan}, {}, TaskError, ["600 of 600 rows have no coordinates", "location: false"]),
        ({}, {"lat": None}, StudyError, ["lon` and `lat`"]),
        ({}, {"where": "crop = 5"}, TaskError, ["no row satisfies"]),
        ({}, {"where": "crop ="}, DataError, ["crop ="]),
        ({"area": "x"}, {"splits": ["leave_region_out"]}, TaskError, ["at least two", "region"]),
        ({}, {"split": None, "splits": ["published"]}, StudyError, ["published", "column"]),
        ({}, {"lon": None, "lat": None, "location": False, "splits": ["block"]}, StudyError, ["block", "lon"]),
        (
            {},
            {"lon": None, "lat": None, "region": None, "location": False, "splits": ["leave_region_out"]},
            StudyError,
            ["leave_region_out", "`region:`"],
        ),
        ({}, {"shots": [500]}, TaskError, ["class '", "250 of them for 500 shots", "'north'"]),
        ({}, {"heads": ["ridge"]}, StudyError, ["ridge", "logistic"]),
    ],
)
def test_wrong_input_is_explained(
    uri: str, columns: dict[str, Any], task: dict[str, Any], error: type[GeomixError], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        sweep.preflight(made.study(changed(uri, **columns), **task))
    assert caught.value.exit_code == 2
    for word in words:
        assert word in caught.value.message


def test_a_regression_refuses_logistic_and_text(uri: str) -> None:
    wanted = {"target": "regression", "label": "yield", "metric": "rmse"}
    sweep.preflight(made.study(uri, heads=["ridge"], **wanted))
    with pytest.raises(StudyError, match="logistic cannot judge a regression"):
        sweep.preflight(made.study(uri, heads=["ridge", "logistic"], **wanted))
    with pytest.raises(TaskError, match="holds text"):
        sweep.preflight(made.study(uri, heads=["ridge"], **{**wanted, "label": "area"}))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv: no such file"):
        sweep.preflight(made.study(str(tmp_path / "absent.csv")))


def test_the_primary_split_must_be_possible(uri: str) -> None:
    study = made.study(uri, sweep={"splits": ["published", "random"]}, split=None)
    with pytest.raises(StudyError, match=r"report.primary.split: task made cannot be split by published"):
        sweep.preflight(study)


def test_a_path_does_not_enter_the_protocol_but_the_bytes_do(uri: str, tmp_path: Path) -> None:
    def protocol(at: str, **task: Any) -> object:
        return prepared.rules("made", made.study(at, **task), "presto").protocol

    moved = str(tmp_path / "moved.parquet")
    Path(moved).write_bytes(Path(uri).read_bytes())
    assert protocol(moved) == protocol(uri)
    assert protocol(moved, where="lat > 12") != protocol(uri)
    assert protocol(changed(moved, lat=20.0)) != protocol(uri)


def test_the_synthetic_task_is_balanced_over_continents() -> None:
    study = made.study("x").model_copy(update={"tasks": {"crop": {}}})
    from geomix import config

    task = config.EarthTask(kind="earth", models=("presto",), size=600)
    data = tasks.load("crop", study.model_copy(update={"tasks": {"crop": task}}))
    assert data.regions == ("Africa", "Asia", "Europe", "North America", "Oceania", "South America")
    assert data.classes == ("0", "1")
    assert data.located_N.all()
