"""SatCLIP's image tower: a plain vision transformer, trained from scratch or frozen from a checkpoint.

Letters: B samples, C bands, L patches, D width. Parameter names and shapes are those that vision transformers are commonly
published with (patch_embed.proj, cls_token, pos_embed, blocks.N.attn.qkv, norm), so that such a file can be the frozen tower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geomix.errors import DataError
from geomix.models.blocks import Block
from geomix.models.image_tokens import PatchEmbed, grid_table, patchify

EPS = 1e-6
HEAD_WIDTH = 64
"""Width of a head where a checkpoint does not tell (ViT-S, -B and -L have it)."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a tower."""

    img_size: int
    patch_size: int
    in_chans: int
    width: int
    depth: int
    heads: int


class VisionTransformer(nn.Module):
    """Images to the normalised class token."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.shape = s
        self.patch_embed = PatchEmbed(s.in_chans, s.patch_size, s.width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, s.width))
        # A sine table to begin with: trained like every parameter.
        self.pos_embed = nn.Parameter(grid_table(s.img_size // s.patch_size, s.width))
        self.blocks = nn.ModuleList(Block(s.width, s.heads, 4, EPS) for _ in range(s.depth))
        self.norm = nn.LayerNorm(s.width, eps=EPS)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """[B, D] of normalised images."""
        tok = self.patch_embed(patchify(x_BCHW, self.shape.patch_size))
        tok = torch.cat([self.cls_token.expand(len(tok), -1, -1).to(tok.dtype), tok], dim=1) + self.pos_embed
        for block in self.blocks:
            tok = block(tok)
        out: Tensor = self.norm(tok[:, 0])
        return out


def usable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint that belong to a tower: without a classifier's head."""
    return {key: value for key, value in tensors.items() if not key.startswith(("head.", "fc."))}


def shape_of(tensors: Mapping[str, Tensor], uri: str) -> Shape:
    """Sizes read off the tensors of a published vision transformer with square images. Raises DataError."""
    try:
        width, in_chans, patch, _ = tensors["patch_embed.proj.weight"].shape
        side = round((tensors["pos_embed"].shape[1] - 1) ** 0.5)
        depth = len({key.split(".")[1] for key in tensors if key.startswith("blocks.")})
        return Shape(side * patch, patch, in_chans, width, depth, max(width // HEAD_WIDTH, 1))
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(
            f"{uri}: no image tower ({error})",
            wanted="a vision transformer: patch_embed.proj.weight, pos_embed, cls_token, blocks.0.attn.qkv.weight, norm.weight",
        ) from None
