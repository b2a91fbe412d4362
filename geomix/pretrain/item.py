"""One item of a study as pretrain sees it: its seeds, and for each the key, the label and the place of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geomix import config, ids, manifest, step, store
from geomix.errors import DataError
from geomix.models import scales

SCHEMA = 1


class Item:
    """One of `shard`'s items, with the study and the preset it belongs to. Raises DataError."""

    def __init__(self, content: Mapping[str, Any], place: step.Place) -> None:
        self.content, self.place = content, place
        self.study = _study(content)
        self.model, self.hash = str(content["model"]), str(content["manifest_hash"])
        self.preset = scales.preset(self.study.scale, self.model)
        self.seeds = [int(seed) for seed in content["train_seeds"]]
        self.inputs = {"manifest": self.hash, "pool": str(content.get("pool_hash") or "")}

    def config(self, seed: int) -> dict[str, Any]:
        """What decides the encoder beside the manifest. A published one is what it is."""
        if self.content.get("weights"):
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
        names = ", ".join(map(str, self.content.get("compositions", []))) or self.hash
        return f"{self.model}: {names}, training seed {seed}"


def _study(item: Mapping[str, Any]) -> config.Study:
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
