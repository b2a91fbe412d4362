"""The pretrain step on a real chip store and a real Ray: what is trained once, what is not trained, what fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from geomix import config, manifest, pretrain, series, step, store, tables
from geomix.errors import DataError
from geomix.models import registry
from geomix.shard.write import materialise
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


@pytest.mark.usefixtures("ray_session")
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


@pytest.mark.usefixtures("ray_session")
def test_an_explained_error_of_a_worker_arrives_as_itself(item: dict[str, Any], place: step.Place) -> None:
    store.delete(store.join(item["store"], "index.parquet"))
    with pytest.raises(DataError):
        pretrain.run(item, place)
    (record,) = step.records(place.root, place.run)
    assert record["state"] == "failed"
    assert record["error"]["exit_code"] == 2
