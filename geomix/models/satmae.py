"""SatMAE with grouped channels: a masked autoencoder of multi-spectral images (Cong et al. 2022, arXiv 2207.08051).

Our own implementation, written from the paper and from numerical reference vectors, numerically faithful to the published
model; parameter names and shapes are the published ones. `python -m geomix.models.parity` compares the two. The published
code and weights are for non-commercial use only (CC BY-NC 4.0): none of them is used here.

Letters: B samples, C bands, G groups of bands, L patches, Q pixels of a patch, K tokens kept of the N = G * L, D encoder
width, M decoder width. Tokens are ordered by group first, then by patch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from geomix.models import augment, keyed
from geomix.models.batch import ImageBatch
from geomix.models.blocks import Block, xavier
from geomix.models.image_tokens import check_batch, grid_table, patchify
from geomix.models.losses import LossSums, Term
from geomix.models.protocol import Gather, Model, alone
from geomix.models.satmae_tokens import EPS, Config, Trunk, group_table, places
from geomix.models.settings import plain, settings


@dataclass(frozen=True)
class Mask:
    """Which tokens are hidden."""

    kept_BK: Tensor
    """int64; numbers of the kept tokens among the N, in the order in which the encoder sees them."""
    hidden_BGL: Tensor
    """bool; True = hidden."""


def mask(noise: Tensor, groups: int, ratio: float, spatial: bool) -> Mask:
    """The tokens with the smallest noise are kept: int(n * (1 - ratio)) of n.

    `noise` [B, L] with `spatial`: a place is kept in all groups, and kept tokens are ordered by group. Else [B, N].
    """
    B, n = noise.shape
    order_BK = torch.argsort(noise, dim=1, stable=True)[:, : int(n * (1 - ratio))]
    if spatial:
        first_G = torch.arange(groups, device=noise.device) * n
        order_BK = (first_G[:, None] + order_BK[:, None, :]).flatten(1)
    hidden_BN = torch.ones(B, groups * n if spatial else n, dtype=torch.bool, device=noise.device)
    return Mask(order_BK, hidden_BN.scatter(1, order_BK, False).view(B, groups, -1))


class SatMAE(Trunk, Model[ImageBatch, ImageBatch]):
    """The autoencoder."""

    name = "satmae"
    trains_on = ImageBatch
    encodes = ImageBatch
    decoder_pos_embed: Tensor
    decoder_channel_embed: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config, trained_tables=False)
        c, M, G = config, config.decoder_embed_dim, len(config.channel_groups)
        self.decoder_embed = nn.Linear(c.embed_dim, M)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, M))
        side = c.img_size // c.patch_size
        self.register_buffer("decoder_pos_embed", grid_table(side, M - c.decoder_channel_embed))
        # One row more than groups: the class token's.
        self.register_buffer("decoder_channel_embed", group_table(G + 1, c.decoder_channel_embed))
        self.decoder_blocks = nn.ModuleList(Block(M, c.decoder_num_heads, c.mlp_ratio, EPS) for _ in range(c.decoder_depth))
        self.decoder_norm = nn.LayerNorm(M, eps=EPS)
        self.decoder_pred = nn.ModuleList(nn.Linear(M, len(group) * c.patch_size**2) for group in c.channel_groups)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SatMAE:
        """See `Model`; the settings are those of `Config`."""
        return cls(settings(cls.name, Config, config))

    def config_dict(self) -> dict[str, Any]:
        """See `Model`."""
        return plain(self.config)

    def initialise(self, generator: torch.Generator) -> None:
        """Xavier uniform; class and mask token normal(0, 0.02) (He et al. 2022)."""
        xavier(self, generator)
        for token in (self.cls_token, self.mask_token):
            nn.init.normal_(token, std=0.02, generator=generator)

    @property
    def embed_dim(self) -> int:
        """Width of an embedding."""
        return self.config.embed_dim

    def encode(self, batch: ImageBatch, location: bool = True) -> Tensor:
        """float32 [B, D] of whole images: pooled tokens, then the encoder's last norm. Coordinates are never used.

        Raises DataError for chips of another shape.
        """
        check_batch(self.name, batch, self.config.in_chans, self.config.img_size)
        x_BCHW = self.normalise(batch.x_BCHW, batch.valid_BHW)
        tok = self.run(self.tokens(patchify(x_BCHW, self.config.patch_size), None), self.cls_token)
        pooled = tok[:, 0] if self.config.pooling == "cls" else tok[:, 1:].mean(dim=1)
        out: Tensor = self.norm(pooled)
        return out.float()

    def latent(self, patch_BLCQ: Tensor, kept_BK: Tensor) -> Tensor:
        """[B, 1 + K, D]: the encoder's output of the kept tokens, class token first."""
        out: Tensor = self.norm(self.run(self.tokens(patch_BLCQ, kept_BK), self.cls_token))
        return out

    def decode(self, latent: Tensor, kept_BK: Tensor) -> Tensor:
        """[B, C, L, Q]: predictions of all patches; bands in the order of the groups, written one after another."""
        G, L, B = len(self.config.channel_groups), self.config.patches, len(latent)
        tok = self.decoder_embed(latent)
        empty_BNM = self.mask_token.to(tok.dtype).expand(B, G * L, -1)
        tok_BNM = empty_BNM.scatter(1, kept_BK[:, :, None].expand(-1, -1, tok.shape[2]), tok[:, 1:])
        tok_BNM = tok_BNM + places(self.decoder_pos_embed[0, 1:], self.decoder_channel_embed[0, :-1]).flatten(0, 1)
        cls_B1M = tok[:, :1] + torch.cat([self.decoder_pos_embed[0, :1], self.decoder_channel_embed[0, -1:]], dim=1)
        tok = torch.cat([cls_B1M, tok_BNM], dim=1)
        for block in self.decoder_blocks:
            tok = block(tok)
        by_group = self.decoder_norm(tok)[:, 1:].view(B, G, L, -1).unbind(1)
        parts = [
            head(tok_BLM).view(B, L, len(group), -1).transpose(1, 2)
            for head, tok_BLM, group in zip(self.decoder_pred, by_group, self.config.channel_groups, strict=True)
        ]
        return torch.cat(parts, dim=1)

    def loss_sums(self, batch: ImageBatch, seed: int, step: int, gather: Gather = alone) -> LossSums:
        """See `Model` and `reconstruction_terms`. Raises DataError for chips of another shape."""
        c = self.config
        check_batch(self.name, batch, c.in_chans, c.img_size)
        x_BCHW, valid_BHW = batch.x_BCHW, batch.valid_BHW
        if self.training:
            x_BCHW, valid_BHW = augment.crop_and_flip(batch, seed, step, c.crop_scale, c.flips)
        patch_BLCQ = patchify(self.normalise(x_BCHW, valid_BHW), c.patch_size)
        valid_BLQ = patchify(valid_BHW[:, None], c.patch_size)[:, :, 0]
        count = c.patches if c.spatial_mask else c.patches * len(c.channel_groups)
        noise = keyed.uniform("mask", seed, step, batch.id_B, count, x_BCHW.device)
        hidden = mask(noise, len(c.channel_groups), c.mask_ratio, c.spatial_mask)
        pred_BCLQ = self.decode(self.latent(patch_BLCQ, hidden.kept_BK), hidden.kept_BK)
        return reconstruction_terms(pred_BCLQ, patch_BLCQ, valid_BLQ, hidden.hidden_BGL, c)


def reconstruction_terms(pred_BCLQ: Tensor, patch_BLCQ: Tensor, valid_BLQ: Tensor, hidden_BGL: Tensor, c: Config) -> LossSums:
    """Mean squared error of the hidden tokens, each counted once whatever its group's size.

    `pred_BCLQ` has its bands in the order of the groups. With loss_order "bands" (our default) every prediction is compared
    with its own band. The published loss, "reference", compares them with the bands in natural order and applies each
    group's mask to natural band numbers: where groups are not consecutive, a head is trained on bands of another group.
    With norm_pix_loss targets are normalised by the mean and unbiased variance of all bands of their place, (var + 1e-6)^0.5.
    Pixels without data count nowhere; a token without any valid pixel is no target.
    """
    target_BLCQ = patch_BLCQ.to(torch.promote_types(patch_BLCQ.dtype, torch.float32))
    known_BL1Q = valid_BLQ[:, :, None].to(target_BLCQ.dtype)
    if c.norm_pix_loss:
        n = known_BL1Q.sum(dim=(2, 3), keepdim=True) * c.in_chans
        mean = (target_BLCQ * known_BL1Q).sum(dim=(2, 3), keepdim=True) / n.clamp(min=1)
        variance = ((target_BLCQ - mean).square() * known_BL1Q).sum(dim=(2, 3), keepdim=True) / (n - 1).clamp(min=1)
        target_BLCQ = (target_BLCQ - mean) / (variance + 1e-6).sqrt()
    pred_BLCQ = pred_BCLQ.transpose(1, 2).to(target_BLCQ.dtype)
    if c.loss_order == "bands":
        written = [band for group in c.channel_groups for band in group]
        pred_BLCQ = pred_BLCQ[:, :, [written.index(band) for band in range(c.in_chans)]]
    error_BLC = ((pred_BLCQ - target_BLCQ) * known_BL1Q).square().sum(dim=3) / known_BL1Q.sum(dim=3).clamp(min=1)
    error_BGL = torch.stack([error_BLC[:, :, list(group)].mean(dim=2) for group in c.channel_groups], dim=1)
    counted_BGL = hidden_BGL & valid_BLQ.any(dim=2)[:, None]
    return {"pixels": Term(torch.where(counted_BGL, error_BGL, 0.0).sum(), counted_BGL.sum().to(error_BGL.dtype), 1.0)}
