"""What every Ray worker of a pretraining does: opens the chip store once, then trains one seed after the other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geomix import manifest
from geomix.models import registry, scales
from geomix.shard.reader import SeriesReader
from geomix.train import loop


def cache() -> Path:
    """The folder where parts of a remote store are staged: GEOMIX_CACHE, or one below the system's temporary folder."""
    return Path(os.environ.get("GEOMIX_CACHE") or Path(tempfile.gettempdir()) / "geomix-cache")


def train(spec: Mapping[str, Any], worker: loop.Worker) -> None:
    """Trains the seeds of `spec` (store, manifest, manifest_hash, model, scale, seeds: [{train_seed, folder}])."""
    preset = scales.preset(str(spec["scale"]), str(spec["model"]))
    ids = manifest.read(str(spec["manifest"])).drawn["id"].tolist()
    reader = SeriesReader.open(str(spec["store"]), ids, cache())
    for one in spec["seeds"]:
        seed = int(one["train_seed"])
        training = loop.Training(
            model=lambda seed=seed: registry.build(str(spec["model"]), preset.config, seed),  # type: ignore[misc]
            preset=preset,
            manifest_hash=str(spec["manifest_hash"]),
            seed=seed,
            folder=str(one["folder"]),
        )
        loop.train(training, reader, worker)
