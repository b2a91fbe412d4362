"""What SatMAE's autoencoder and its encoder variant share: settings, tokens of groups of bands, blocks (arXiv 2207.08051).

Letters: B samples, C bands, G groups of bands, L patches, Q pixels of a patch, K tokens kept of the N = G * L, D width.
Tokens are ordered by group first, then by patch, row by row. Parameter names and shapes are the published ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from geomix.errors import DataError
from geomix.models.blocks import Block
from geomix.models.image_tokens import Normalise, PatchEmbed, check_normalisation, check_size, grid_table, sine_table
from geomix.models.settings import divides

EPS = 1e-6  # of layer norms; Presto's is 1e-5


@dataclass(frozen=True)
class Config:
    """Sizes and choices; the defaults are a ViT-B on the ten bands B2-B8, B8A, B11, B12 in the published three groups."""

    img_size: int = 96
    patch_size: int = 8
    in_chans: int = 10
    channel_groups: tuple[tuple[int, ...], ...] = ((0, 1, 2, 6), (3, 4, 5, 7), (8, 9))
    channel_embed: int = 256
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    decoder_channel_embed: int = 128
    decoder_embed_dim: int = 512
    decoder_depth: int = 8
    decoder_num_heads: int = 16
    mlp_ratio: float = 4.0
    mask_ratio: float = 0.75
    spatial_mask: bool = False
    """True: a place is hidden in all groups or in none. False: tokens are hidden one by one."""
    norm_pix_loss: bool = False
    """True: targets are normalised by the mean and the standard deviation of their place."""
    loss_order: Literal["bands", "reference"] = "bands"
    """See `satmae.reconstruction_terms`."""
    pooling: Literal["mean", "cls"] = "mean"
    """What `encode` gives: the mean of the patch tokens, or the class token."""
    crop_scale: float = 1.0
    """Smallest share of a chip's area that augmentation crops; 1: no crops."""
    flips: bool = True
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Of each band, in the unit of the pixels (`norm.json`); empty: pixels are taken as they are."""

    def check(self) -> None:
        """Raises DataError for settings that cannot be built."""
        check_size("satmae", self.in_chans, self.img_size, self.patch_size)
        check_normalisation("satmae", self.in_chans, self.mean, self.std)
        divides("satmae", self.embed_dim, self.num_heads, "width")
        divides("satmae", self.decoder_embed_dim, self.decoder_num_heads, "decoder width")
        for width, channel in ((self.embed_dim, self.channel_embed), (self.decoder_embed_dim, self.decoder_channel_embed)):
            if channel < 2 or channel % 2 or width - channel < 4 or (width - channel) % 4:
                raise DataError(
                    f"model satmae: width {width} with {channel} for the group",
                    wanted="an even part for the group, and what is left for the place a multiple of 4",
                )
        if sorted(band for group in self.channel_groups for band in group) != list(range(self.in_chans)):
            raise DataError(
                f"model satmae: channel_groups {self.channel_groups}", wanted=f"each of the {self.in_chans} bands in one group"
            )
        if not 0 < self.mask_ratio < 1 or not 0 < self.crop_scale <= 1:
            raise DataError(
                f"model satmae: mask_ratio {self.mask_ratio:g}, crop_scale {self.crop_scale:g}", wanted="shares of 1"
            )

    @property
    def patches(self) -> int:
        """Patches of an image."""
        return (self.img_size // self.patch_size) ** 2


class Trunk(nn.Module):
    """Normalisation, tokens and encoder blocks. `trained_tables`: the tables of places and groups are parameters."""

    pos_embed: Tensor
    channel_embed: Tensor

    def __init__(self, c: Config, trained_tables: bool) -> None:
        super().__init__()
        c.check()
        self.config = c
        D = c.embed_dim
        self.normalise = Normalise(c.in_chans, c.mean, c.std)
        self.patch_embed = nn.ModuleList(PatchEmbed(len(group), c.patch_size, D) for group in c.channel_groups)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, D))
        self._table("pos_embed", grid_table(c.img_size // c.patch_size, D - c.channel_embed), trained_tables)
        self._table("channel_embed", group_table(len(c.channel_groups), c.channel_embed), trained_tables)
        self.blocks = nn.ModuleList(Block(D, c.num_heads, c.mlp_ratio, EPS) for _ in range(c.depth))
        self.norm = nn.LayerNorm(D, eps=EPS)

    def _table(self, name: str, values: Tensor, trained: bool) -> None:
        if trained:
            self.register_parameter(name, nn.Parameter(values))
        else:
            self.register_buffer(name, values)

    def tokens(self, patch_BLCQ: Tensor, index_BK: Tensor | None) -> Tensor:
        """[B, K, D]: tokens with their places; `index_BK` int64: which of the N, in which order (None: all)."""
        parts = [
            embed(patch_BLCQ[:, :, list(group)])
            for embed, group in zip(self.patch_embed, self.config.channel_groups, strict=True)
        ]
        tok_BND = (torch.stack(parts, dim=1) + places(self.pos_embed[0, 1:], self.channel_embed[0])).flatten(1, 2)
        return tok_BND if index_BK is None else take(tok_BND, index_BK)

    def run(self, tok_BKD: Tensor, cls_11D: Tensor) -> Tensor:
        """[B, 1 + K, D]: class token first, before the last norm."""
        tok = torch.cat([cls_11D.expand(len(tok_BKD), -1, -1).to(tok_BKD.dtype), tok_BKD], dim=1)
        for block in self.blocks:
            tok = block(tok)
        return tok


def places(pos_LP: Tensor, channel_GE: Tensor) -> Tensor:
    """[G, L, P + E]: [place | group] of every token; all groups share the places."""
    G, L = len(channel_GE), len(pos_LP)
    return torch.cat([pos_LP.expand(G, -1, -1), channel_GE[:, None].expand(-1, L, -1)], dim=2)


def take(tok_BND: Tensor, index_BK: Tensor) -> Tensor:
    """The tokens at `index_BK`."""
    return tok_BND.gather(1, index_BK[:, :, None].expand(-1, -1, tok_BND.shape[2]))


def group_table(groups: int, width: int) -> Tensor:
    """float32 [1, groups, width]: sines of the group's number."""
    return sine_table(torch.arange(groups), width).float()[None]
