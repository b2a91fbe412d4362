"""One table: what a scale means for a model. A study chooses a scale; the composition changes none of it (design rule 1).

Published are width, depth, heads, learning rate, weight decay, betas, batch size, epochs and the two warm-up epochs of
Presto (arXiv 2304.14065 and its released configuration); scale `paper` is those. Everything in the other scales, and
gradient clipping everywhere, is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from geomix.errors import StudyError


@dataclass(frozen=True)
class Preset:
    """How one model is trained at one scale."""

    config: Mapping[str, Any]
    """Arguments of `registry.build`."""
    steps: int
    """Optimiser steps, the same for every composition."""
    batch_size: int
    """Samples a step, over all workers."""
    lr: float
    """Largest learning rate; cosine to 0 after a linear warm-up."""
    warmup_steps: int
    checkpoint_every: int
    weight_decay: float = 0.05
    """On matrices only (parameters of two or more dimensions), as published."""
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0
    """Largest norm of the gradient."""
    precision: Literal["fp32", "bf16"] = "fp32"

    def to_json(self) -> dict[str, Any]:
        """The preset as plain JSON values."""
        return {**asdict(self), "betas": list(self.betas), "config": dict(self.config)}


def _presto(width: int, depth: int = 2, heads: int = 8) -> dict[str, Any]:
    return {
        "encoder_embedding_size": width,
        "encoder_depth": depth,
        "encoder_num_heads": heads,
        "decoder_embedding_size": width,
        "decoder_depth": depth,
        "decoder_num_heads": heads,
    }


SECONDS_A_STEP: Mapping[tuple[str, str], float] = {("tiny", "presto"): 0.020, ("debug", "presto"): 0.021}
"""Measured seconds of an optimiser step on one core of a 2-core machine (x86_64); scales not named were not measured."""

_PAPER_SAMPLES, _PAPER_EPOCHS = 21_500_000, 20

_TABLE: Mapping[tuple[str, str], Preset] = {
    # Seconds (tests of whole studies) and about 10 s on one core: so few samples teach most in many small steps with a
    # light decoder. A budget of 1,000 is seen 2.6 and 6.4 times. float32, because bfloat16 is slow on many CPUs.
    ("tiny", "presto"): Preset(_presto(32, 1, 2), steps=160, batch_size=16, lr=2e-3, warmup_steps=16, checkpoint_every=20),
    ("debug", "presto"): Preset(
        {**_presto(64, 1, 4), "decoder_embedding_size": 32, "decoder_num_heads": 2},
        steps=400,
        batch_size=16,
        lr=4e-3,
        warmup_steps=40,
        checkpoint_every=100,
    ),
    ("small", "presto"): Preset(_presto(128), steps=2_000, batch_size=256, lr=1e-3, warmup_steps=200, checkpoint_every=250),
    ("medium", "presto"): Preset(
        _presto(128), steps=20_000, batch_size=512, lr=1e-3, warmup_steps=2_000, checkpoint_every=1_000, precision="bf16"
    ),
    ("large", "presto"): Preset(
        _presto(128), steps=50_000, batch_size=2_048, lr=1e-3, warmup_steps=5_000, checkpoint_every=1_000, precision="bf16"
    ),
    ("paper", "presto"): Preset(
        _presto(128),
        steps=_PAPER_SAMPLES * _PAPER_EPOCHS // 4096,
        batch_size=4096,
        lr=1e-3,
        warmup_steps=_PAPER_SAMPLES * 2 // 4096,
        checkpoint_every=1_000,
    ),
}


def preset(scale: str, model: str) -> Preset:
    """The preset of `model` at `scale`. Raises StudyError."""
    found = _TABLE.get((scale, model))
    if found is None:
        known = sorted({s for s, m in _TABLE if m == model})
        raise StudyError(
            f"no scale {scale!r} for model {model!r}",
            wanted=f"one of {', '.join(known)}" if known else f"a model of {', '.join(sorted({m for _, m in _TABLE}))}",
        )
    return found
