"""What the Ray workers (and a process that is killed) of these tests do; a module of its own, because it travels by name."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix.errors import DataError
from geomix.models import registry, scales
from geomix.models.batch import SeriesBatch
from geomix.train import loop
from tests.unit.train.memory import Memory

PRESET = dataclasses.replace(
    scales.preset("tiny", "presto"), steps=20, batch_size=16, lr=2e-3, checkpoint_every=5, warmup_steps=2
)


def training(folder: Path, preset: scales.Preset = PRESET, seed: int = 0) -> loop.Training:
    """A training of `preset` that leaves its checkpoints in `folder`."""
    return loop.Training(lambda: registry.build("presto", preset.config, seed), preset, "manifest", seed, str(folder))


class Dying(Memory):
    """A reader that kills its process at the 12th batch, if `mark` does not say that it has done so."""

    def __init__(self, samples: int, mark: Path) -> None:
        super().__init__(samples)
        self.mark = mark

    def batch(self, positions: npt.NDArray[np.int64]) -> SeriesBatch:
        """The batch at `positions`, or death."""
        if len(self.read) == 11 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(positions)


def train(spec: Mapping[str, Any], worker: loop.Worker) -> None:
    """Trains on 50 samples; rank `dies` is killed once, rank `refuses` finds bad data."""
    folder = Path(spec["folder"])
    (folder / f"started-{worker.rank}-{time.time_ns()}").touch()
    if spec.get("refuses") == worker.rank:
        raise DataError("bad data", remedy="mend it")
    reader = Dying(50, folder / "died") if spec.get("dies") == worker.rank else Memory(50)
    loop.train(training(folder / "checkpoints"), reader, worker)


class Slow(Memory):
    """A reader that takes its time."""

    def batch(self, positions: npt.NDArray[np.int64]) -> SeriesBatch:
        """The batch at `positions`, after a while."""
        time.sleep(0.02)
        return super().batch(positions)


if __name__ == "__main__":
    loop.train(training(Path(sys.argv[1])), Slow(50), loop.Worker())
