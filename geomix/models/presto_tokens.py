"""What Presto sees of a series: its 17 normalised bands, their groups, and the order of the tokens.

Letters: B samples, T time steps, C = 16 stored bands (`tables.SERIES_BANDS`), V = 17 model bands (NDVI last),
L = 9 T + 2 tokens (location; S1, S2_RGB, S2_Red_Edge, S2_NIR_10m, S2_NIR_20m, S2_SWIR, ERA5 with T each; terrain once;
NDVI and land cover with T each).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from geomix import tables

GROUPS: dict[str, slice] = {
    "S1": slice(0, 2),
    "S2_RGB": slice(2, 5),
    "S2_Red_Edge": slice(5, 8),
    "S2_NIR_10m": slice(8, 9),
    "S2_NIR_20m": slice(9, 10),
    "S2_SWIR": slice(10, 12),
    "ERA5": slice(12, 14),
    "SRTM": slice(14, 16),
    "NDVI": slice(16, 17),
}
"""Token group -> its bands among the 17; land cover follows as the tenth group."""

BANDS = 17
CLASSES = 9
TERRAIN = list(GROUPS).index("SRTM")
LANDCOVER = len(GROUPS)
LOCATION = -1
RED, NIR, NDVI = tables.SERIES_BANDS.index("B4"), tables.SERIES_BANDS.index("B8"), 16
# (value + add) / divide, the published constants; optical bands are reflectance here, digital numbers / 10000 there.
# 272.15 (not 273.15) is what the published model was trained with.
_OPTICAL = dict.fromkeys(("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"), (0.0, 1.0))
_CONSTANTS: dict[str, tuple[float, float]] = {
    "VV": (25.0, 25.0),
    "VH": (25.0, 25.0),
    **_OPTICAL,
    "temperature_2m": (-272.15, 35.0),
    "total_precipitation": (0.0, 0.03),
    "elevation": (0.0, 2000.0),
    "slope": (0.0, 50.0),
}


@dataclass(frozen=True)
class Layout:
    """Group and time step of each of the L tokens; group -1 is the location, whose step is 0."""

    group_L: Tensor
    step_L: Tensor
    timed_L: Tensor
    """bool: tokens that carry a month and a position (all but location and terrain)."""


@lru_cache(maxsize=64)
def layout(steps: int, device: torch.device) -> Layout:
    """The token order of series of `steps` time steps."""
    group, step = [LOCATION], [0]
    for g in range(LANDCOVER + 1):
        n = 1 if g == TERRAIN else steps
        group += [g] * n
        step += range(n)
    # Kept for later calls: a tensor made in inference mode could not be used in training.
    with torch.inference_mode(False):
        group_L, step_L = torch.tensor(group, device=device), torch.tensor(step, device=device)
        return Layout(group_L, step_L, (group_L != LOCATION) & (group_L != TERRAIN))


def by_token(hidden_BTV: Tensor, landcover_BT: Tensor) -> Tensor:
    """bool [B, L]: tokens hidden because a band of theirs is, terrain by its first step, land cover where class is 9."""
    parts = [torch.zeros_like(hidden_BTV[:, :1, 0])]
    for g, bands in enumerate(GROUPS.values()):
        any_BT = hidden_BTV[:, :, bands].any(dim=2)
        parts.append(any_BT[:, :1] if g == TERRAIN else any_BT)
    parts.append(landcover_BT == tables.MISSING_LANDCOVER)
    return torch.cat(parts, dim=1)


class Normalise(nn.Module):
    """Physical units to the model's 17 bands; its constants are saved with the weights."""

    add_by: Tensor
    divide_by: Tensor

    def __init__(self) -> None:
        super().__init__()
        add, divide = zip(*(_CONSTANTS[band] for band in tables.SERIES_BANDS), strict=True)
        # float64, as published: 290 K - 272.15 K in float32 would lose three digits.
        self.register_buffer("add_by", torch.tensor(add, dtype=torch.float64))
        self.register_buffer("divide_by", torch.tensor(divide, dtype=torch.float64))

    def forward(self, x_BTC: Tensor, valid_BTC: Tensor) -> tuple[Tensor, Tensor]:
        """(float32 [B, T, 17], bool [B, T, 17] valid). NDVI = (B8 - B4) / (B8 + B4), 0 where that sum is not positive."""
        z_BTC = ((x_BTC.double() + self.add_by) / self.divide_by).to(x_BTC.dtype)
        nir, red = z_BTC[..., NIR], z_BTC[..., RED]
        positive = nir + red > 0
        ndvi = torch.where(positive, (nir - red) / torch.where(positive, nir + red, 1.0), 0.0)
        valid_ndvi = valid_BTC[..., NIR] & valid_BTC[..., RED]
        z_BTV = torch.cat([z_BTC, ndvi[..., None]], dim=2)
        valid_BTV = torch.cat([valid_BTC, valid_ndvi[..., None]], dim=2)
        # What is missing never reaches a kept token or the loss; 0 keeps it finite on the way.
        return torch.where(valid_BTV, z_BTV, 0.0), valid_BTV
