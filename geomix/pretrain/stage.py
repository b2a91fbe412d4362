"""The pretrain step, one a training seed: a trained encoder, an untrained one, or a published one in our format."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import geomix
from geomix import config, ids, manifest, step, store, tables, track
from geomix.errors import DataError, GeomixError, TrainingError
from geomix.launch.stage import train_workers
from geomix.models import registry, scales
from geomix.models.registry import Model
from geomix.pretrain import worker
from geomix.train import checkpoint, ray_loop

SCHEMA = 1

Item = Mapping[str, Any]


def run(item: Item, place: step.Place) -> list[dict[str, Any]]:
    """Encoders of `item` (one of `shard`'s), one a training seed: {"train_seed", "uri", "sha256"}.

    `uri` is a folder with model.safetensors, config.json and metrics.json. All seeds that are not there yet are trained in
    one Ray Train session; a seed that cannot be trained fails alone, in its own step. The baseline on raw features has no
    encoder: an empty list. Raises DataError, TrainingError.
    """
    if item.get("model") == manifest.RAW:
        return []
    study = _study(item)
    preset = scales.preset(study.scale, str(item["model"]))
    one = _Item(item, study, place, preset, [int(s) for s in item["train_seeds"]])
    found = []
    for seed in one.seeds:
        done = step.run(
            "pretrain", place, one.work(seed), schema=SCHEMA, config=one.config(seed), inputs=one.inputs, label=one.label(seed)
        )
        found.append({"train_seed": seed, "uri": done.uri, "sha256": done.outputs["sha256"]})
    return found


class _Item:
    """One item, its preset and its seeds; `failure` is what ended the one training session of this process, if it ran."""

    def __init__(self, item: Item, study: config.Study, place: step.Place, preset: scales.Preset, seeds: list[int]) -> None:
        self.item, self.study, self.place, self.preset, self.seeds = item, study, place, preset, seeds
        self.model, self.hash = str(item["model"]), str(item["manifest_hash"])
        self.inputs = {"manifest": self.hash, "pool": str(item.get("pool_hash") or "")}
        self.trained = False
        self.failure: GeomixError | None = None

    def config(self, seed: int) -> dict[str, Any]:
        """What decides the encoder beside the manifest. A published one is what it is."""
        if self.item.get("weights"):
            return {"model": self.model}
        shape: dict[str, Any] = {"model": self.model, "train_seed": seed}
        if self.hash == manifest.NONE:
            return {**shape, "config": dict(self.preset.config)}
        return {**shape, "preset": self.preset.to_json()}

    def key(self, seed: int) -> str:
        """The step's key."""
        return ids.step_key("pretrain", SCHEMA, self.config(seed), self.inputs)

    def checkpoints(self, seed: int) -> str:
        """Where a seed's training leaves its checkpoints: beside the attempts, so that every attempt finds them."""
        return store.join(self.place.root, "pretrain", self.key(seed), "checkpoints")

    def label(self, seed: int) -> str:
        """For people."""
        names = ", ".join(map(str, self.item.get("compositions", []))) or self.hash
        return f"{self.model}: {names}, training seed {seed}"

    def work(self, seed: int) -> Callable[[str], Mapping[str, Any]]:
        """The step's work."""

        def publish(folder: str) -> Mapping[str, Any]:
            model, history, meter = self._model(seed)
            made_from = {
                "manifest_hash": self.hash,
                "pool_hash": self.item.get("pool_hash"),
                "train_seed": seed,
                "training": self.preset.to_json() if history else None,
                "geomix": geomix.__version__,
            }
            registry.save(model, folder, made_from)
            store.write_json(store.join(folder, "metrics.json"), {"history": history, **meter})
            self._track(seed, folder, model, history, meter)
            weights = store.read_bytes(store.join(folder, registry.WEIGHTS))
            return {"sha256": hashlib.sha256(weights).hexdigest(), **meter}

        return publish

    def _model(self, seed: int) -> tuple[Model, list[dict[str, float]], dict[str, float]]:
        if self.item.get("weights"):
            return registry.load_weights(str(self.item["weights"])), [], {}
        model = registry.build(self.model, self.preset.config, seed)
        if self.hash == manifest.NONE:
            return model, [], {}
        self._train()
        found = self._finished(seed)
        if found is None:
            raise self.failure or TrainingError(
                f"no finished training in {self.checkpoints(seed)}",
                wanted="a root that every training worker reaches",
                remedy="use a shared file system or an object store (s3://...) as root",
            )
        checkpoint.weights(found, model)
        return model, found.history, dict(found.meter)

    def _finished(self, seed: int) -> checkpoint.Checkpoint | None:
        found = checkpoint.latest(self.checkpoints(seed))
        return found if found is not None and found.step == self.preset.steps else None

    def _train(self) -> None:
        """Trains every seed that is neither published nor, by a run that was killed before it could publish, trained."""
        if self.trained:
            return
        self.trained = True
        pending = [seed for seed in self.seeds if step.find(self.place.root, "pretrain", self.key(seed)) is None]
        pending = [seed for seed in pending if self._finished(seed) is None]
        if not pending:
            return
        spec = {
            "store": self.item["store"],
            "manifest": self.item["manifest"],
            "manifest_hash": self.hash,
            "model": self.model,
            "scale": self.study.scale,
            "seeds": [{"train_seed": seed, "folder": self.checkpoints(seed)} for seed in pending],
        }
        try:
            ray_loop.fit(worker.train, spec, train_workers(), store.join(self.checkpoints(pending[0]), "error.json"))
        except GeomixError as error:
            self.failure = error  # raised by the seed it stopped: those before it are published

    def _track(self, seed: int, folder: str, model: Model, history: list[dict[str, float]], meter: Mapping[str, float]) -> None:
        parent = str(self.item["plan"]).rstrip("/").split("/")[-2]
        params = {"model": self.model, "scale": self.study.scale, "train_seed": seed, "manifest_hash": self.hash}
        if history:
            preset = self.preset.to_json()
            params |= {**preset.pop("config"), **preset}
        tags = {"geomix.manifest_hash": self.hash, "geomix.synthetic": str(self.study.synthetic).lower()}
        with track.child(
            self.place.root, parent, kind="pretrain", name=self.label(seed), run_hash=self.key(seed), params=params, tags=tags
        ) as child:
            child.history([(int(line["step"]), {k: v for k, v in line.items() if k != "step"}) for line in history])
            child.metrics(meter)
            if self.item.get("manifest"):
                where = str(self.item["manifest"])
                description = manifest.read(where).description
                pool = description.get("pool") or {}
                child.dataset(f"pool {self.item.get('pool')}", str(self.item["pool_hash"]), str(pool.get("uri", "")))
                child.dataset("manifest", self.hash, where)
            child.encoder(folder, _inputs(), model.embed_dim)


def _study(item: Item) -> config.Study:
    lacking = [k for k in ("plan", "model", "manifest_hash", "train_seeds") if k not in item]
    if not lacking and item["manifest_hash"] != manifest.NONE and not item.get("weights"):
        lacking = [k for k in ("store", "manifest", "pool_hash") if not item.get(k)]
    if lacking:
        raise DataError(f"an item without {', '.join(lacking)}", wanted="one of the items that `shard` returned")
    uri = store.join(str(item["plan"]), "study.json")
    try:
        return config.Study.model_validate(store.read_json(uri))
    except (FileNotFoundError, ValueError) as error:
        raise DataError(f"{uri}: {error}", wanted="the plan of a study", remedy="run `geomix plan` again") from None


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
