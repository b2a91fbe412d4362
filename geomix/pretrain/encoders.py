"""Encoders of one item: trained, untrained or published, saved in our format and logged. Imports torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import geomix
from geomix import manifest, step, store, tables, track
from geomix.errors import GeomixError, TrainingError
from geomix.launch.stage import train_workers
from geomix.models import registry
from geomix.models.registry import Model
from geomix.pretrain import worker
from geomix.pretrain.item import Item
from geomix.train import checkpoint, ray_loop


class Encoders:
    """Makes an item's encoders; all seeds that are not there yet are trained in one session, at the first one asked for."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self._trained = False
        self._failure: GeomixError | None = None

    def publish(self, seed: int, folder: str) -> Mapping[str, Any]:
        """Writes model.safetensors, config.json and metrics.json of a seed to `folder`; returns the weights' SHA-256."""
        item = self.item
        model, history, meter = self._model(seed)
        made_from = {
            "manifest_hash": item.hash,
            "pool_hash": item.content.get("pool_hash"),
            "train_seed": seed,
            "training": item.preset.to_json() if history else None,
            "geomix": geomix.__version__,
        }
        registry.save(model, folder, made_from)
        store.write_json(store.join(folder, "metrics.json"), {"history": history, **meter})
        self._track(seed, folder, model, history, meter)
        weights = store.read_bytes(store.join(folder, registry.WEIGHTS))
        return {"sha256": hashlib.sha256(weights).hexdigest(), **meter}

    def _model(self, seed: int) -> tuple[Model, list[dict[str, float]], dict[str, float]]:
        item = self.item
        if item.content.get("weights"):
            return registry.load_weights(str(item.content["weights"])), [], {}
        model = registry.build(item.model, item.preset.config, seed)
        if item.hash == manifest.NONE:
            return model, [], {}
        self._train()
        found = self._finished(seed)
        if found is None:
            raise self._failure or TrainingError(
                f"no finished training in {item.checkpoints(seed)}",
                wanted="a root that every training worker reaches",
                remedy="use a shared file system or an object store (s3://...) as root",
            )
        checkpoint.weights(found, model)
        return model, found.history, dict(found.meter)

    def _finished(self, seed: int) -> checkpoint.Checkpoint | None:
        found = checkpoint.latest(self.item.checkpoints(seed))
        return found if found is not None and found.step == self.item.preset.steps else None

    def _train(self) -> None:
        """Trains every seed that is neither published nor, by a run that was killed before it could publish, trained."""
        item = self.item
        if self._trained:
            return
        self._trained = True
        pending = [seed for seed in item.seeds if step.find(item.place.root, "pretrain", item.key(seed)) is None]
        pending = [seed for seed in pending if self._finished(seed) is None]
        if not pending:
            return
        spec = {
            "store": item.content["store"],
            "manifest": item.content["manifest"],
            "manifest_hash": item.hash,
            "model": item.model,
            "scale": item.study.scale,
            "seeds": [{"train_seed": seed, "folder": item.checkpoints(seed)} for seed in pending],
        }
        try:
            ray_loop.fit(worker.train, spec, train_workers(), store.join(item.checkpoints(pending[0]), "error.json"))
        except GeomixError as error:
            self._failure = error  # raised by the seed it stopped: those before it are published

    def _track(self, seed: int, folder: str, model: Model, history: list[dict[str, float]], meter: Mapping[str, float]) -> None:
        item = self.item
        params = {"model": item.model, "scale": item.study.scale, "train_seed": seed, "manifest_hash": item.hash}
        if history:
            preset = item.preset.to_json()
            params |= {**preset.pop("config"), **preset}
        tags = {"geomix.manifest_hash": item.hash, "geomix.synthetic": str(item.study.synthetic).lower()}
        with track.child(
            item.place.root,
            item.study.identity,
            kind="pretrain",
            name=item.label(seed),
            run_hash=item.key(seed),
            params=params,
            tags=tags,
        ) as child:
            child.history([(int(line["step"]), {k: v for k, v in line.items() if k != "step"}) for line in history])
            child.metrics(meter)
            if item.content.get("manifest"):
                where = str(item.content["manifest"])
                description = manifest.read(where).description
                pool = description.get("pool") or {}
                child.dataset(f"pool {item.content.get('pool')}", str(item.content["pool_hash"]), str(pool.get("uri", "")))
                child.dataset("manifest", item.hash, where)
            child.encoder(folder, _inputs(), model.embed_dim)


def _inputs() -> list[tuple[str, str, tuple[int, ...]]]:
    """Name, dtype and shape of every tensor of a batch."""
    bands = len(tables.SERIES_BANDS)
    return [
        ("x_BTC", "float32", (-1, -1, bands)),
        ("valid_BTC", "bool", (-1, -1, bands)),
        ("month_BT", "int64", (-1, -1)),
        ("landcover_BT", "int64", (-1, -1)),
        ("lonlat_B2", "float32", (-1, 2)),
    ]
