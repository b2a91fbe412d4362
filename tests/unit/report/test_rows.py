"""Rows of a study: joined with their labels, refused where they disagree, hashed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from geomix import store, tables
from geomix.errors import DataError
from geomix.report import rows
from geomix.report.rows import Label

LABELS = [
    Label("uar", 0, "series", "presto", "aa", "/m/aa"),
    Label("again", 1, "series", "presto", "aa", "/m/aa"),
    Label("zero", None, "series", "presto", "none", None),
]


def frame(**changes: object) -> pd.DataFrame:
    row = {
        "study": None,
        "modality": "series",
        "manifest_hash": "aa",
        "composition": None,
        "model": "presto",
        "draw_seed": None,
        "train_seed": 0,
        "task": "crop",
        "split": "block",
        "train_region": "Asia",
        "test_region": "Asia",
        "head": "knn",
        "shots": "100",
        "label_seed": 0,
        "metric": "f1",
        "value": 0.5,
        "n": 9,
        "protocol_hash": "p",
        "run_id": "r",
    }
    made = pd.DataFrame([row, {**row, "manifest_hash": "none", "value": 0.25}])
    return made.assign(**changes)


def saved(folder: Path, *frames: pd.DataFrame) -> list[str]:
    uris = []
    for n, one in enumerate(frames):
        tables.write_parquet(str(folder / str(n) / "results.parquet"), one, tables.RESULT_SCHEMA)
        uris.append(str(folder / str(n)))
    return uris


def test_a_manifest_that_serves_two_labels_gives_rows_to_both(tmp_path: Path) -> None:
    found = rows.read(saved(tmp_path, frame()), LABELS, "s")
    assert sorted(zip(found["composition"], found["draw_seed"].astype(object).fillna(-1), found["value"], strict=True)) == [
        ("again", 1, 0.5),
        ("uar", 0, 0.5),
        ("zero", -1, 0.25),
    ]
    assert set(found["study"]) == {"s"}
    assert list(found.columns) == tables.RESULT_SCHEMA.names


def test_the_same_measurement_twice_counts_once_and_a_contradiction_is_refused(tmp_path: Path) -> None:
    once = rows.read(saved(tmp_path / "a", frame()), LABELS, "s")
    twice = rows.read(saved(tmp_path / "b", frame(), frame(run_id="other")), LABELS, "s")
    assert len(once) == len(twice) == 3
    with pytest.raises(DataError, match=r"measured twice.*\n?.*0\.5") as caught:
        rows.read(saved(tmp_path / "c", frame(), frame(value=0.75)), LABELS, "s")
    assert "remove" in caught.value.remedy


def test_rows_of_another_study_and_empty_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no composition"):
        rows.read(saved(tmp_path / "a", frame(manifest_hash="zz")), LABELS, "s")
    with pytest.raises(DataError, match="no value"):
        rows.read(saved(tmp_path / "b", frame(value=None)), LABELS, "s")
    with pytest.raises(DataError, match="no scores"):
        rows.read([], LABELS, "s")


def test_final_hash_is_of_the_results_alone() -> None:
    one = rows.join(frame(), LABELS, "s")
    same = rows.join(frame(run_id="other"), LABELS, "another name").sample(frac=1.0, random_state=0)
    assert rows.final_hash(one) == rows.final_hash(same)
    assert rows.final_hash(one) == rows.final_hash(one.assign(value=one["value"] * (1 + 1e-9)))
    assert rows.final_hash(one) != rows.final_hash(one.assign(value=one["value"] * (1 + 1e-4)))
    assert rows.final_hash(one) != rows.final_hash(one.assign(n=10))
    assert rows.final_hash(one) != rows.final_hash(one.iloc[1:])


def test_final_hash_does_not_depend_on_how_integers_are_kept() -> None:
    one = rows.join(frame(), LABELS, "s")
    assert rows.final_hash(one) == rows.final_hash(one.astype({"draw_seed": "float64"}))
    # Kept: a change here changes every study's final hash.
    assert rows.final_hash(one) == "c60c25c2784b541fc0c7faaa00b9a7cc006897324c3bb9a402a29938b70327d9"


def test_labels_survive_kfp_and_lacking_keys_are_named(tmp_path: Path) -> None:
    uri = str(tmp_path / "labels.json")
    entry = {
        "composition": "uar",
        "draw_seed": 1.0,
        "pool": "p",
        "model": "presto",
        "manifest_hash": "aa",
        "manifest": "manifests/m",
    }
    store.write_json(uri, [entry])
    assert rows.read_labels(uri)[0].draw_seed == 1
    assert rows.read_labels(uri)[0].manifest == str(tmp_path / "manifests" / "m")
    del entry["model"]
    store.write_json(uri, [entry])
    with pytest.raises(DataError, match="model"):
        rows.read_labels(uri)
    with pytest.raises(DataError, match="no such file"):
        rows.read_labels(str(tmp_path / "absent.json"))
