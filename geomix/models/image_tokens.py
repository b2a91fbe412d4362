"""What image models share: normalisation of chips, cutting them into patches, and sine tables of places in a grid.

Letters: B samples, C bands, H rows, W columns, L patches (row by row), Q = patch * patch pixels, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geomix.errors import DataError
from geomix.models.batch import ImageBatch


class Normalise(nn.Module):
    """(x - mean) / std of each band, 0 where a pixel is not valid; the constants (`norm.json`) are saved with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, bands: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean or [0.0] * bands, dtype=torch.float64))
        self.register_buffer("std", torch.tensor(std or [1.0] * bands, dtype=torch.float64))

    def forward(self, x_BCHW: Tensor, valid_BHW: Tensor) -> Tensor:
        """[B, C, H, W] in the dtype of `x_BCHW`."""
        mean, std = (t.to(x_BCHW.dtype)[:, None, None] for t in (self.mean, self.std))
        return torch.where(valid_BHW[:, None], (x_BCHW - mean) / std, 0.0)


def check_normalisation(model: str, bands: int, mean: Sequence[float], std: Sequence[float]) -> None:
    """Raises DataError unless there is one mean and one positive std a band, or none of both."""
    if len(mean) != len(std) or len(mean) not in (0, bands) or any(not s > 0 for s in std):
        raise DataError(
            f"model {model}: {len(mean)} means and {len(std)} standard deviations",
            wanted=f"one of each for each of the {bands} bands, positive standard deviations; or none (pixels as they are)",
        )


def check_size(model: str, bands: int, size: int, patch: int) -> None:
    """Raises DataError unless a square chip of `size` pixels is cut evenly into patches."""
    if min(bands, size, patch) < 1 or size % patch:
        raise DataError(
            f"model {model}: {bands} bands, images of {size} pixels, patches of {patch}", wanted="a multiple of the patch"
        )


def check_batch(model: str, batch: ImageBatch, bands: int, size: int) -> None:
    """Raises DataError unless the chips are [B, bands, size, size]."""
    if tuple(batch.x_BCHW.shape[1:]) != (bands, size, size):
        raise DataError(
            f"model {model}: a batch of chips of shape {tuple(batch.x_BCHW.shape)}",
            wanted=f"[samples, {bands} bands, {size}, {size}]",
            remedy="set img_size and in_chans to those of the chip store",
        )


def patchify(x_BCHW: Tensor, patch: int) -> Tensor:
    """[B, L, C, Q]: patches row by row; inside a patch band first, then rows, then columns."""
    B, C, H, W = x_BCHW.shape
    x = x_BCHW.view(B, C, H // patch, patch, W // patch, patch).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(B, (H // patch) * (W // patch), C, patch * patch)


class PatchEmbed(nn.Module):
    """Linear map of the pixels of a patch. The weight has the published shape of a convolution's; none is computed."""

    def __init__(self, bands: int, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(bands, width, patch, patch)

    def forward(self, patch_BLCQ: Tensor) -> Tensor:
        """[B, L, D]."""
        return F.linear(patch_BLCQ.flatten(2), self.proj.weight.flatten(1), self.proj.bias)


def sine_table(place_L: Tensor, width: int) -> Tensor:
    """float64 [L, width]: all sines, then all cosines, of place / 10000^(2i / width) (Vaswani et al. 2017, section 3.5)."""
    rate = 10000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    angle = place_L.double()[:, None] * rate[None, :]
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def grid_table(side: int, width: int) -> Tensor:
    """float32 [1, 1 + side * side, width]: a row of zeros for the class token, then [column's sines | row's sines]."""
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    table = torch.cat([sine_table(column.flatten(), width // 2), sine_table(row.flatten(), width // 2)], dim=1)
    return torch.cat([torch.zeros(1, width), table.float()])[None]
