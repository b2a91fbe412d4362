"""The pretrain step on a real chip store: what is trained once, what is not trained, what fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from geomix import config, manifest, pretrain, series, step, store, tables
from geomix.errors import DataError, InputError, TrainingError
from geomix.models import registry
from geomix.shard.write import materialise
from geomix.train import loop
from tests.integration.studies import TINY

NAMES = [f"s-{i:03d}" for i in range(40)]


def load(rows: pd.DataFrame) -> series.Series:
    n = len(rows)
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 0.4, (n, 12, len(tables.SERIES_BANDS))).astype(np.float32)
    return series.Series(x, np.tile(np.arange(12), (n, 1)), np.full((n, 12), 4))


@pytest.fixture
def item(place: step.Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An item of 40 made-up series, with its plan, store and manifest under `place`. What MLflow holds: test_tiny_study."""
    monkeypatch.setenv("GEOMIX_TRACKING", "off")
    study = config.Study.model_validate(TINY)
    plan = store.join(place.root, "plan", "k" * 8, "attempt-0")
    store.write_json(store.join(plan, "study.json"), study.to_json())
    pool = pd.DataFrame({"id": NAMES, "lon": 1.0, "lat": 2.0, "time": None, "href": ""}).set_index("id")
    chips = store.join(place.root, "store", "s")
    materialise(chips, pool, NAMES, load, pool_hash="pool", recipe={})
    folder = store.join(place.root, "manifest")
    rows = pd.DataFrame({"id": NAMES, "rank": range(len(NAMES)), "stratum": None})
    manifest.write(folder, manifest.Manifest(rows, len(NAMES), {"pool": {"name": "series", "uri": "", "hash": "pool"}}))
    return {
        "plan": plan,
        "model": "presto",
        "pool": "series",
        "pool_hash": "pool",
        "store": chips,
        "manifest": folder,
        "manifest_hash": manifest.manifest_hash(NAMES, "pool"),
        "weights": None,
        "train_seeds": [0, 1],
        "compositions": ["uar"],
    }


def untrained(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "store": None, "manifest": None, "manifest_hash": manifest.NONE, "compositions": ["zero"]}


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[k], b[k]) for k in a)


def test_every_seed_is_trained_once_and_then_skipped(
    item: dict[str, Any], place: step.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pretrain.run(item, place)
    assert [one["train_seed"] for one in found] == [0, 1]
    assert found[0]["sha256"] != found[1]["sha256"]
    zero = pretrain.run(untrained(item), place)
    models = {one["uri"]: registry.load(one["uri"]) for one in [*found, *zero]}
    assert not same(models[found[0]["uri"]], models[zero[0]["uri"]])
    metrics = store.read_json(store.join(found[0]["uri"], "metrics.json"))
    assert metrics["history"][-1]["loss"] < metrics["history"][0]["loss"]
    assert metrics["samples_per_s"] > 0

    def never(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("geomix.train.ray_loop.fit", never)
    assert pretrain.run(item, place) == found
    # A composition's name and the study's name decide nothing.
    assert pretrain.run({**item, "compositions": ["other"]}, place) == found


@pytest.mark.usefixtures("ray_session")
def test_a_ray_worker_trains_the_same_to_the_bit(
    item: dict[str, Any], place: step.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = pretrain.run({**item, "train_seeds": [1]}, place)
    monkeypatch.setenv("GEOMIX_TRAIN_WORKERS", "1")
    (there,) = pretrain.run({**item, "train_seeds": [1]}, step.Place(place.root + "-ray", place.run))
    assert there["sha256"] == here[0]["sha256"]


def test_what_was_trained_but_not_published_is_published_without_training(
    item: dict[str, Any], place: step.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pretrain.run(item, place)
    for one in found:
        store.delete(store.join(one["uri"], "..", "complete"))
    monkeypatch.setattr("geomix.train.ray_loop.fit", lambda *_: pytest.fail("trained again"))
    assert [one["sha256"] for one in pretrain.run(item, place)] == [one["sha256"] for one in found]


def test_a_seed_that_cannot_be_trained_fails_alone(
    item: dict[str, Any], place: step.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = loop.train

    def failing(training: loop.Training, *rest: Any) -> None:
        if training.seed == 1:
            raise TrainingError("step 7: loss nan")
        train(training, *rest)

    monkeypatch.setattr(loop, "train", failing)
    with pytest.raises(TrainingError, match="step 7"):
        pretrain.run(item, place)
    records = step.records(place.root, place.run)
    assert [(r["label"].rpartition(" ")[2], r["state"]) for r in records] == [("0", "done"), ("1", "failed")]


def test_zero_pretraining_is_the_model_before_its_first_step(item: dict[str, Any], place: step.Place) -> None:
    found = pretrain.run(untrained(item), place)
    config_json = store.read_json(store.join(found[1]["uri"], "config.json"))
    assert same(registry.load(found[1]["uri"]), registry.build("presto", config_json["config"], 1))


def test_published_weights_are_judged_as_they_are(item: dict[str, Any], place: step.Place, tmp_path: Path) -> None:
    model = registry.build("presto", {"encoder_embedding_size": 32, "decoder_embedding_size": 32}, 7)
    registry.save(model, str(tmp_path / "published"), {})
    weights = str(tmp_path / "published" / "model.safetensors")
    arm = {**untrained(item), "manifest_hash": "weights:abc", "weights": weights, "train_seeds": [0.0]}
    (found,) = pretrain.run(arm, place)
    assert found["train_seed"] == 0
    assert same(registry.load(found["uri"]), model)


def test_raw_features_need_no_encoder(item: dict[str, Any], place: step.Place) -> None:
    assert pretrain.run({**item, "model": "raw", "manifest_hash": "raw"}, place) == []


def test_a_store_without_its_index(item: dict[str, Any], place: step.Place) -> None:
    store.delete(store.join(item["store"], "index.parquet"))
    with pytest.raises(DataError):
        pretrain.run(item, place)
    (record,) = step.records(place.root, place.run)
    assert record["state"] == "failed"
    assert record["error"]["exit_code"] == 2


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"store": None}, "an item without store"),
        ({"train_seeds": ...}, "an item without train_seeds"),
        ({"plan": "/nowhere"}, "/nowhere/study.json"),
    ],
)
def test_an_item_that_is_not_one(item: dict[str, Any], place: step.Place, changes: dict[str, Any], seen: str) -> None:
    wrong = {k: v for k, v in (item | changes).items() if v is not ...}
    with pytest.raises(DataError, match=seen):
        pretrain.run(wrong, place)


def test_a_number_of_workers_that_is_none(item: dict[str, Any], place: step.Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOMIX_TRAIN_WORKERS", "two")
    with pytest.raises(InputError, match="GEOMIX_TRAIN_WORKERS='two'"):
        pretrain.run(item, place)


def test_the_command_trains_and_says_what_is_wrong(item: dict[str, Any], place: step.Place, tmp_path: Path) -> None:
    def command(content: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        spec = {"root": place.root, "run": place.run, "item": content}
        store.write_json(str(tmp_path / "spec.json"), spec)
        arguments = ["--spec", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out.json")]
        return subprocess.run(
            [sys.executable, "-m", "geomix.pretrain", *arguments], capture_output=True, text=True, check=False
        )

    done = command({**item, "train_seeds": [0.0]})
    assert (done.returncode, done.stderr) == (0, "")
    (result,) = store.read_json(str(tmp_path / "out.json"))["result"]
    assert registry.load(result["uri"])
    wrong = command({**item, "manifest_hash": "other", "store": str(tmp_path / "nowhere")})
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
    assert store.read_json(str(tmp_path / "out.json"))["error"]["class"] == "DataError"
