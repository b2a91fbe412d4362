"""The sweep step: rows, keys, resuming, and a real Ray Tune experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from geomix import config, store, sweep, tables
from geomix.errors import DataError, GeomixError, UnavailableError
from geomix.models import registry
from geomix.step import Place
from geomix.sweep import cells, ray_tune
from tests.unit.sweep import made


class Stub(torch.nn.Module):
    """An encoder whose embedding is the last step's B4 and B8, shifted by its seed."""

    def __init__(self, uri: str) -> None:
        super().__init__()
        self.shift = float(uri.rsplit("-", 1)[-1]) if uri[-1].isdigit() else float("nan")

    def encode(self, batch: Any, location: bool = True) -> torch.Tensor:
        return batch.x_BTC[:, -1, [4, 8]] + self.shift


@pytest.fixture(autouse=True)
def _untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOMIX_TRACKING", "off")


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    loaded: list[str] = []

    def load(uri: str) -> Stub:
        loaded.append(uri)
        return Stub(uri)

    monkeypatch.setattr(registry, "load", load)
    return loaded


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Cells judged in this process instead of Ray; the list grows by each."""
    done: list[int] = []

    def run(numbers: list[int], work: cells.Judge) -> None:
        for number in numbers:
            work(number)
            done.append(number)

    monkeypatch.setattr(ray_tune, "run", run)
    return done


def item_of(place: Place, study: config.Study, model: str = "presto") -> dict[str, Any]:
    plan = store.join(place.root, "plan", "key", "attempt-0")
    store.write_json(store.join(plan, "study.json"), study.to_json())
    return {"plan": plan, "model": model, "manifest_hash": "raw" if model == "raw" else "m1", "compositions": ["uar"]}


ENCODERS = [{"train_seed": s, "uri": f"encoder-{s}", "sha256": f"sha-{s}"} for s in (0, 1)]


@pytest.fixture
def study(tmp_path: Path) -> config.Study:
    path = str(tmp_path / "table.parquet")
    made.table().to_parquet(path)
    return made.study(path, sweep={"splits": ["random", "leave_region_out", "published"], "shots": [20, "all"]})


def test_rows_cover_the_grid_once(place: Place, study: config.Study, stubbed: list[str], here: list[int]) -> None:
    uri = sweep.run(item_of(place, study), ENCODERS, place)
    rows = tables.read(store.join(uri, "results.parquet"), tables.RESULT_SCHEMA.names)
    assert not rows.duplicated(tables.ROW_IDENTITY).any()
    assert rows["value"].notna().all()
    assert rows[["study", "composition", "draw_seed"]].isna().all().all()
    assert set(rows["metric"]) == {"f1", "f1_macro", "accuracy", "balanced_accuracy", "auc"}
    cell = rows[(rows["head"] == "logistic") & (rows["metric"] == "auc") & (rows["train_seed"] == 1)]
    counts = cell.groupby(["split", "shots"])["value"].count().to_dict()
    # three regions x three draws; "all" has one draw; published adds the whole to the regions
    assert counts == {
        ("leave_region_out", "20"): 9,
        ("leave_region_out", "all"): 3,
        ("published", "20"): 12,
        ("published", "all"): 4,
        ("random", "20"): 9,
        ("random", "all"): 3,
    }
    assert set(zip(cell["train_region"], cell["test_region"], strict=True)) >= {
        ("north", "north"),
        ("not north", "north"),
        ("all", "north"),
        ("all", "all"),
    }
    assert cell["value"].mean() > 0.8
    assert stubbed == ["encoder-0", "encoder-1"]  # embedded once each, for all heads, splits and shots
    notes = store.read_json(store.join(uri, "notes.json"))
    assert notes["tasks"]["made"]["rows"] == 600
    assert len(store.read_json(store.join(uri, "choices.json"))) == 24


def test_all_encoders_meet_the_same_draws(place: Place, study: config.Study, stubbed: list[str], here: list[int]) -> None:
    uri = sweep.run(item_of(place, study), ENCODERS, place)
    rows = tables.read(store.join(uri, "results.parquet"))
    one, two = (rows[rows["train_seed"] == s].reset_index(drop=True) for s in (0, 1))
    # The encoders differ by a shift that standardising undoes: equal draws give equal scores.
    np.testing.assert_allclose(one["value"], two["value"], atol=0.02)
    assert (one["protocol_hash"] == two["protocol_hash"]).all()


def test_finished_cells_are_not_judged_again(
    place: Place, study: config.Study, stubbed: list[str], here: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = item_of(place, study)
    whole = cells.judge

    def dies(cell: cells.Cell, prepared: Any) -> Any:
        if len(here) == 7:
            raise KeyboardInterrupt
        return whole(cell, prepared)

    monkeypatch.setattr(cells, "judge", dies)
    with pytest.raises(KeyboardInterrupt):
        sweep.run(item, ENCODERS, place)
    monkeypatch.setattr(cells, "judge", whole)
    assert len(here) == 7
    uri = sweep.run(item, ENCODERS, place)
    assert len(here) == 24
    assert sorted(here) == list(range(24))
    rows = tables.read(store.join(uri, "results.parquet"))
    fresh = Place(place.root + "-fresh", "other-run")
    again = tables.read(store.join(sweep.run(item_of(fresh, study), ENCODERS, fresh), "results.parquet"))
    pd.testing.assert_frame_equal(rows.drop(columns="run_id"), again.drop(columns="run_id"))
    assert len(here) == 48
    sweep.run(item, ENCODERS, place)
    assert len(here) == 48  # a finished step is skipped whole


def test_labels_and_paths_do_not_change_the_key(place: Place, study: config.Study, stubbed: list[str], here: list[int]) -> None:
    item = item_of(place, study)
    uri = sweep.run(item, ENCODERS, place)
    renamed = study.model_copy(update={"name": "another", "compositions": {"none": study.compositions["uar"]}})
    assert sweep.run({**item_of(place, renamed), "compositions": ["other"]}, ENCODERS, place) == uri
    assert sweep.run({**item, "manifest_hash": "m2"}, ENCODERS, place) != uri


def test_numbers_that_passed_through_kfp_may_be_floats(
    place: Place, study: config.Study, stubbed: list[str], here: list[int]
) -> None:
    uri = sweep.run(item_of(place, study), ENCODERS, place)
    floats = [{**e, "train_seed": float(e["train_seed"])} for e in ENCODERS]  # type: ignore[arg-type]
    assert sweep.run(item_of(place, study), floats, place) == uri


def test_raw_features_are_judged_by_the_forest_alone(place: Place, study: config.Study, here: list[int]) -> None:
    rows = tables.read(store.join(sweep.run(item_of(place, study, "raw"), [], place), "results.parquet"))
    assert set(rows["head"]) == {"random_forest"}
    assert set(zip(rows["model"], rows["manifest_hash"], rows["train_seed"], strict=True)) == {("raw", "raw", 0)}
    assert rows[(rows["shots"] == "all") & (rows["metric"] == "auc")]["value"].mean() > 0.85
    assert set(rows[rows["shots"] == "all"]["label_seed"]) == {0}


def test_an_embedding_that_is_not_finite_is_refused(
    place: Place, study: config.Study, stubbed: list[str], here: list[int]
) -> None:
    broken = [{"train_seed": 0, "uri": "broken", "sha256": "b"}]
    with pytest.raises(DataError, match="no finite embedding for 600 of 600"):
        sweep.run(item_of(place, study), broken, place)


def test_a_regression_study(place: Place, tmp_path: Path, stubbed: list[str], here: list[int]) -> None:
    path = str(tmp_path / "table.parquet")
    made.table().to_parquet(path)
    heads = ["ridge", "mlp", "random_forest", "knn"]
    study = made.study(path, metric="rmse", target="regression", label="yield", heads=heads, shots=[60, "all"])
    rows = tables.read(store.join(sweep.run(item_of(place, study), ENCODERS[:1], place), "results.parquet"))
    assert set(rows["metric"]) == {"rmse", "r2"}
    means = rows[rows["metric"] == "r2"].groupby(["head", "shots"])["value"].mean()
    assert (means > 0.6).all(), means
    assert means["ridge", "all"] > 0.99


def test_ray_tune_gives_the_same_rows(
    place: Place, study: config.Study, ray_session: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    item = item_of(place, study, "raw")
    uri = sweep.run(item, [], place)
    shown = capfd.readouterr()
    assert "Trial" not in shown.out + shown.err
    monkeypatch.setattr(ray_tune, "run", lambda numbers, work: [work(n) for n in numbers])
    other = Place(place.root + "-here", "r")
    rows, same = (
        tables.read(store.join(u, "results.parquet")).drop(columns="run_id")
        for u in (uri, sweep.run(item_of(other, study, "raw"), [], other))
    )
    pd.testing.assert_frame_equal(rows, same)


def test_a_failing_trial_is_told_and_does_not_hang(ray_session: str) -> None:
    def work(number: int) -> dict[str, Any]:
        raise ValueError(f"cell {number} is broken")

    with pytest.raises(GeomixError, match="cell 3 is broken"):
        ray_tune.run([3], work)


def test_an_explained_error_of_a_trial_keeps_its_class_and_exit_code(ray_session: str) -> None:
    def work(number: int) -> dict[str, Any]:
        if number == 2:
            raise UnavailableError("no answer from storage", wanted="an answer", remedy="run it again")
        return {"seconds": 1.0}

    with pytest.raises(UnavailableError) as caught:
        ray_tune.run([1, 2], work)
    assert caught.value.exit_code == 75
    assert caught.value.message == "no answer from storage\n  wanted: an answer\n  to mend it: run it again"
