"""A model of a user's own: a plain masked autoencoder (He et al. 2022, arXiv 2111.06377) in the protocol of geomix.

A package offers it with two lines in its pyproject.toml:

    [project.entry-points."geomix.models"]
    vit_mae = "vit_mae:VitMae"

Letters: B samples, C bands, L patches, K kept ones, D width, V values of a patch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from geomix.models import keyed
from geomix.models.batch import ImageBatch
from geomix.models.blocks import Block, xavier
from geomix.models.image_tokens import Normalise, check_batch, check_size, grid_table, patchify
from geomix.models.losses import LossSums, Term
from geomix.models.protocol import Gather, Model, alone
from geomix.models.scales import Preset
from geomix.models.settings import plain, settings


@dataclass(frozen=True)
class Config:
    """What a study may choose."""

    img_size: int = 32
    patch_size: int = 8
    in_chans: int = 10
    width: int = 32
    depth: int = 1
    heads: int = 2
    mask_ratio: float = 0.75
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class VitMae(Model[ImageBatch, ImageBatch]):
    """The encoder sees a quarter of the patches; a light decoder paints the others."""

    name = "vit_mae"
    trains_on = ImageBatch
    encodes = ImageBatch
    presets: Mapping[str, Preset] = {"debug": Preset({"width": 32}, 20, 16, lr=2e-3, warmup_steps=2, checkpoint_every=10)}
    place_LD: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = c = config
        check_size(self.name, c.in_chans, c.img_size, c.patch_size)
        values = c.in_chans * c.patch_size**2
        self.normalise = Normalise(c.in_chans, c.mean, c.std)
        self.embed, self.paint = nn.Linear(values, c.width), nn.Linear(c.width, values)
        self.register_buffer("place_LD", grid_table(c.img_size // c.patch_size, c.width)[0, 1:])
        self.blocks = nn.ModuleList(Block(c.width, c.heads, 4.0) for _ in range(c.depth))
        self.norm = nn.LayerNorm(c.width)
        self.mask_token = nn.Parameter(torch.zeros(c.width))
        self.decoder = Block(c.width, c.heads, 4.0)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> VitMae:
        return cls(settings(cls.name, Config, config))

    def config_dict(self) -> dict[str, Any]:
        return plain(self.config)

    def initialise(self, generator: torch.Generator) -> None:
        xavier(self, generator)
        nn.init.normal_(self.mask_token, std=0.02, generator=generator)

    @property
    def embed_dim(self) -> int:
        return self.config.width

    def encode(self, batch: ImageBatch, location: bool = True) -> Tensor:
        tok_BLD = self.embed(self._patches(batch)) + self.place_LD
        return self._run(tok_BLD).mean(dim=1).float()

    def loss_sums(self, batch: ImageBatch, seed: int, step: int, gather: Gather = alone) -> LossSums:
        patch_BLV = self._patches(batch)
        tok_BLD = self.embed(patch_BLV) + self.place_LD
        B, L, D = tok_BLD.shape
        noise_BL = keyed.uniform("mask", seed, step, batch.id_B, L, tok_BLD.device)
        kept_BKD = noise_BL.argsort(dim=1)[:, : int(L * (1 - self.config.mask_ratio)), None].expand(-1, -1, D)
        seen_BKD = self._run(tok_BLD.gather(1, kept_BKD))
        whole_BLD = self.mask_token.to(seen_BKD.dtype).expand(B, L, D).scatter(1, kept_BKD, seen_BKD) + self.place_LD
        error_BL = (self.paint(self.decoder(whole_BLD)).float() - patch_BLV).square().mean(dim=2)
        hidden_BL = torch.ones_like(error_BL).scatter(1, kept_BKD[:, :, 0], 0.0)
        return {"pixels": Term((error_BL * hidden_BL).sum(), hidden_BL.sum(), 1.0)}

    def _patches(self, batch: ImageBatch) -> Tensor:
        check_batch(self.name, batch, self.config.in_chans, self.config.img_size)
        return patchify(self.normalise(batch.x_BCHW, batch.valid_BHW), self.config.patch_size).flatten(2)

    def _run(self, tok_BKD: Tensor) -> Tensor:
        for block in self.blocks:
            tok_BKD = block(tok_BKD)
        out: Tensor = self.norm(tok_BKD)
        return out
