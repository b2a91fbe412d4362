"""SatMAE's encoder variant, for fine-tuning: trained tables, a class token with a place, two poolings, a linear head.

Letters: B samples, C bands, L patches, Q pixels of a patch, D width. Parameter names and shapes are the published ones.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from geomix.models.satmae_tokens import EPS, Config, Trunk

Pooling: TypeAlias = Literal["mean", "cls"]


class SatMAEEncoder(Trunk):
    """Images to features and logits. Both poolings have a norm of their own: `fc_norm` for mean, `norm` for cls."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__(config, trained_tables=True)
        self.channel_cls_embed = nn.Parameter(torch.zeros(1, 1, config.channel_embed))
        self.fc_norm = nn.LayerNorm(config.embed_dim, eps=EPS)
        self.head = nn.Linear(config.embed_dim, classes)

    def features(self, patch_BLCQ: Tensor, pooling: Pooling) -> Tensor:
        """[B, D]: the mean of the patch tokens (the class token apart), then `fc_norm`; or `norm`, then the class token."""
        cls_11D = self.cls_token + torch.cat([self.pos_embed[:, :1], self.channel_cls_embed], dim=2)
        tok = self.run(self.tokens(patch_BLCQ, None), cls_11D)
        out: Tensor = self.norm(tok[:, 0]) if pooling == "cls" else self.fc_norm(tok[:, 1:].mean(dim=1))
        return out

    def forward(self, patch_BLCQ: Tensor, pooling: Pooling) -> Tensor:
        """Logits [B, classes] of normalised patches."""
        out: Tensor = self.head(self.features(patch_BLCQ, pooling))
        return out
