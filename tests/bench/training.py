"""Benchmark of batch forming for training: no per-sample Python."""

from __future__ import annotations

from pathlib import Path

from geomix.models import masking
from tests.bench.measure import Measured, compare

BATCH, STEPS = 256, 12


def batches(_: Path) -> Measured:
    """The masks of a batch, made at once, against one sample at a time (what a per-sample data loader does)."""
    names = [f"s-{i}" for i in range(BATCH)]

    def one_by_one() -> None:
        for name in names:
            masking.mask(0, 1, [name], STEPS)

    return compare(f"masks of {BATCH} series", lambda: masking.mask(0, 1, names, STEPS), "one sample at a time", one_by_one, 5)
