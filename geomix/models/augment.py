"""Augmentation of chips, keyed by (seed, step, id): flips, and a random square crop brought back to the chip's size.

Flips are exact. A crop is bilinear; its pixels are valid where all the pixels they come from are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from geomix.models import keyed
from geomix.models.batch import ImageBatch


def crop_and_flip(batch: ImageBatch, seed: int, step: int, crop_scale: float, flips: bool) -> tuple[Tensor, Tensor]:
    """(x_BCHW, valid_BHW) of the batch. Crops cover a share of the area uniform in [crop_scale, 1]; 1: no crop.

    `flips`: upside down and left to right, each for half of the samples.
    """
    x_BCHW, valid_BHW = batch.x_BCHW, batch.valid_BHW
    if crop_scale >= 1 and not flips:
        return x_BCHW, valid_BHW
    u_B5 = keyed.uniform("augment", seed, step, batch.id_B, 5, x_BCHW.device)
    if crop_scale < 1:
        x_BCHW, valid_BHW = _crop(x_BCHW, valid_BHW, u_B5[:, 2:], crop_scale)
    if flips:
        for axis, turned_B in ((1, u_B5[:, 0] < 0.5), (2, u_B5[:, 1] < 0.5)):
            turned_B11 = turned_B[:, None, None]
            x_BCHW = torch.where(turned_B11[:, None], x_BCHW.flip(axis + 1), x_BCHW)
            valid_BHW = torch.where(turned_B11, valid_BHW.flip(axis), valid_BHW)
    return x_BCHW, valid_BHW


def _crop(x_BCHW: Tensor, valid_BHW: Tensor, u_B3: Tensor, crop_scale: float) -> tuple[Tensor, Tensor]:
    side_B = (crop_scale + (1 - crop_scale) * u_B3[:, 0]).sqrt()
    # In grid_sample's coordinates the chip reaches from -1 to 1, so the centre may move by 1 - side to either side.
    x_B, y_B = ((1 - side_B) * (2 * u_B3[:, i] - 1) for i in (1, 2))
    zero_B = torch.zeros_like(side_B)
    theta_B23 = torch.stack([torch.stack([side_B, zero_B, x_B], 1), torch.stack([zero_B, side_B, y_B], 1)], 1)
    grid = F.affine_grid(theta_B23.to(x_BCHW.dtype), list(x_BCHW.shape), align_corners=False)
    known_B1HW = valid_BHW[:, None].to(x_BCHW.dtype)
    both = F.grid_sample(torch.cat([x_BCHW, known_B1HW], 1), grid, padding_mode="border", align_corners=False)
    # Weights add up to 1 within rounding, so anything less means that a missing pixel had a part in it.
    return both[:, :-1], both[:, -1] > 1 - 1e-4
