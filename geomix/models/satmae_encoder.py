"""SatMAE's encoder variant, for fine-tuning: trained tables, a class token with a place, two poolings, a linear head.

Letters: B samples, C bands, L patches, Q pixels of a patch, D width. Parameter names and shapes are the published ones.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from geomix import ids
from geomix.models.satmae import SatMAE
from geomix.models.satmae_tokens import EPS, Config, Trunk

Pooling: TypeAlias = Literal["mean", "cls"]


class SatMAEEncoder(Trunk):
    """Images to features and logits. Both poolings have a norm of their own: `fc_norm` for mean, `norm` for cls."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__(config, trained_tables=True)
        self.channel_cls_embed = nn.Parameter(torch.zeros(1, 1, config.channel_embed))
        self.fc_norm = nn.LayerNorm(config.embed_dim, eps=EPS)
        self.head = nn.Linear(config.embed_dim, classes)

    @classmethod
    def of(cls, pretrained: SatMAE, classes: int, seed: int) -> SatMAEEncoder:
        """The encoder of `pretrained` under a new head: weights normal(0, 0.02) from `seed`, bias 0; `fc_norm` starts plain.

        The class token has no place yet, as in the autoencoder: before training, features by cls are its `encode`.
        """
        with torch.random.fork_rng(devices=[]):  # what torch draws by itself is replaced, and its generator left as it was
            model = cls(pretrained.config, classes)
        state = pretrained.state_dict()
        model.load_state_dict({k: v for k, v in state.items() if k in model.state_dict()}, strict=False)
        generator = torch.Generator().manual_seed(ids.derive_seed("head", cls.__name__, classes, seed))
        with torch.no_grad():
            nn.init.normal_(model.head.weight, std=0.02, generator=generator)
            nn.init.zeros_(model.head.bias)
        return model

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
