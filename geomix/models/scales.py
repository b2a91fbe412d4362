"""One table: what a scale means for a model. A study chooses a scale; the composition changes none of it (design rule 1).

Published, and what scale `paper` is:

- Presto (arXiv 2304.14065 and its released configuration): width, depth, heads, learning rate, weight decay, betas, batch
  size, epochs and the two warm-up epochs.
- SatMAE as arXiv 2604.21104 pretrained it (its model card): ViT-B, 96 pixels, patches of 8, three groups, three quarters
  hidden, 50 epochs of 700,000 images, 5 warm-up epochs, batches of 256 accumulated 16 times, 1e-4 a 256 samples. On how many
  GPUs is not said: one is assumed. Weight decay, betas, decoder, crops and flips are the masked autoencoder's (He et al. 2022).
- SatCLIP (arXiv 2311.17179 and its released configuration): learning rate, 500 epochs of nine tenths of 100,000 places, two
  hidden layers, 256 outputs, 40 degrees. Batch size, hidden width and weight decay follow its paper as far as known to us.
  Its image tower is a frozen ViT-S/16 that is no part of geomix: the tower here has its sizes and starts from scratch,
  unless `tower: frozen` and `tower_weights` are set. Its learning rate is constant; ours follows the cosine.

Everything in the other scales is chosen, and so are gradient clipping and SatCLIP's warm-up everywhere. img_size, in_chans,
mean and std are the chip store's, which whoever trains puts in the place of those here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from geomix.errors import DataError, StudyError


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


def _satmae(width: int, depth: int, heads: int, decoder: tuple[int, int, int], **more: Any) -> dict[str, Any]:
    decoder_width, decoder_depth, decoder_heads = decoder
    return {
        "embed_dim": width,
        "channel_embed": min(width // 3 // 8 * 8, 256),
        "depth": depth,
        "num_heads": heads,
        "decoder_embed_dim": decoder_width,
        "decoder_channel_embed": decoder_width // 4,
        "decoder_depth": decoder_depth,
        "decoder_num_heads": decoder_heads,
        **more,
    }


def _satclip(degrees: int, capacity: int, tower: tuple[int, int, int], **more: Any) -> dict[str, Any]:
    width, depth, heads = tower
    return {
        "legendre_polys": degrees,
        "capacity": capacity,
        "vision_width": width,
        "vision_layers": depth,
        "vision_heads": heads,
        **more,
    }


SECONDS_A_STEP: Mapping[tuple[str, str], float] = {
    ("tiny", "presto"): 0.020,
    ("debug", "presto"): 0.021,
    ("tiny", "satmae"): 0.017,
    ("debug", "satmae"): 0.020,
    ("tiny", "satclip"): 0.010,
    ("debug", "satclip"): 0.035,
}
"""Measured seconds of an optimiser step on one core of a 2-core machine (x86_64); scales not named were not measured."""

_PAPER_SAMPLES, _PAPER_EPOCHS = 21_500_000, 20
_SATMAE_STEPS_AN_EPOCH, _SATCLIP_STEPS = 700_000 / 4096, 90_000 * 500 // 8192
_DECAY_LIKE_CLIP: Mapping[str, Any] = {"weight_decay": 0.01, "betas": (0.9, 0.999)}

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
    ("tiny", "satmae"): Preset(
        _satmae(32, 1, 2, (16, 1, 2), img_size=32, patch_size=8),
        steps=160,
        batch_size=16,
        lr=2e-3,
        warmup_steps=16,
        checkpoint_every=20,
    ),
    ("debug", "satmae"): Preset(
        _satmae(64, 2, 4, (32, 1, 2), img_size=32, patch_size=8),
        steps=400,
        batch_size=16,
        lr=2e-3,
        warmup_steps=40,
        checkpoint_every=100,
    ),
    # bfloat16 from medium on, where a GPU is likely: on a CPU without bfloat16 units it is ten times slower than float32.
    ("small", "satmae"): Preset(  # ViT-Ti
        _satmae(192, 12, 3, (128, 2, 4), img_size=64),
        steps=4_000,
        batch_size=128,
        lr=1e-3,
        warmup_steps=400,
        checkpoint_every=250,
    ),
    ("medium", "satmae"): Preset(  # ViT-S
        _satmae(384, 12, 6, (256, 4, 8)),
        steps=10_000,
        batch_size=512,
        lr=6e-4,
        warmup_steps=1_000,
        checkpoint_every=500,
        precision="bf16",
    ),
    ("large", "satmae"): Preset(  # ViT-L
        _satmae(1024, 24, 16, (512, 8, 16), crop_scale=0.2),
        steps=20_000,
        batch_size=2_048,
        lr=8e-4,
        warmup_steps=2_000,
        checkpoint_every=500,
        precision="bf16",
    ),
    ("paper", "satmae"): Preset(
        _satmae(768, 12, 12, (512, 8, 16), crop_scale=0.2),
        steps=int(50 * _SATMAE_STEPS_AN_EPOCH),
        batch_size=4096,
        lr=1e-4 * 4096 / 256,
        warmup_steps=int(5 * _SATMAE_STEPS_AN_EPOCH),
        checkpoint_every=500,
        precision="bf16",
    ),
    # With 40 degrees the first layer's weights are at most 1 / 1600: a rate of 2e-3 did not learn where 2e-4 did at once.
    ("tiny", "satclip"): Preset(
        _satclip(10, 64, (32, 1, 2), embed_dim=32, img_size=32, patch_size=16),
        steps=160,
        batch_size=32,
        lr=1e-3,
        warmup_steps=16,
        checkpoint_every=20,
        **_DECAY_LIKE_CLIP,
    ),
    ("debug", "satclip"): Preset(
        _satclip(10, 128, (64, 2, 4), embed_dim=64, img_size=32, patch_size=8),
        steps=400,
        batch_size=64,
        lr=1e-3,
        warmup_steps=40,
        checkpoint_every=100,
        **_DECAY_LIKE_CLIP,
    ),
    ("small", "satclip"): Preset(
        _satclip(10, 256, (192, 6, 3), img_size=64, patch_size=8),
        steps=4_000,
        batch_size=512,
        lr=5e-4,
        warmup_steps=400,
        checkpoint_every=250,
        **_DECAY_LIKE_CLIP,
    ),
    ("medium", "satclip"): Preset(
        _satclip(40, 512, (384, 12, 6), img_size=96, patch_size=8),
        steps=10_000,
        batch_size=2_048,
        lr=3e-4,
        warmup_steps=500,
        checkpoint_every=500,
        precision="bf16",
        **_DECAY_LIKE_CLIP,
    ),
    ("large", "satclip"): Preset(
        _satclip(40, 512, (384, 12, 6), img_size=224, patch_size=16, crop_scale=0.2),
        steps=20_000,
        batch_size=8_192,
        lr=1e-4,
        warmup_steps=1_000,
        checkpoint_every=500,
        precision="bf16",
        **_DECAY_LIKE_CLIP,
    ),
    ("paper", "satclip"): Preset(
        _satclip(40, 512, (384, 12, 6), img_size=224, patch_size=16, in_chans=13, crop_scale=0.2),
        steps=_SATCLIP_STEPS,
        batch_size=8_192,
        lr=1e-4,
        warmup_steps=100,
        checkpoint_every=500,
        precision="bf16",
        **_DECAY_LIKE_CLIP,
    ),
}


def preset(scale: str, model: str) -> Preset:
    """The preset of `model` at `scale`. Raises StudyError."""
    table = _TABLE
    if model not in {m for _, m in _TABLE}:
        table = {(s, model): p for s, p in _offered(model).items()}
    found = table.get((scale, model))
    if found is None:
        known = sorted({s for s, m in table if m == model})
        raise StudyError(
            f"no scale {scale!r} for model {model!r}",
            wanted=f"one of {', '.join(known)}" if known else "scales in `presets` of the model's class",
        )
    return found


def _offered(model: str) -> Mapping[str, Preset]:
    """What the class of an installed model brings along."""
    from geomix.models import registry  # torch takes seconds, which a plan of our own models need not spend

    try:
        return registry.model_class(model).presets
    except DataError as error:
        raise StudyError(error.seen, wanted=error.wanted, remedy=error.remedy) from None
