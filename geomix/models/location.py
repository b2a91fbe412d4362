"""SatCLIP's location encoder: spherical harmonics of a place into a SIREN (Sitzmann et al. 2020), in float64.

Letters: B places, F = L * L features, W hidden width, E embedding width. Parameter names are the published ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from geomix.models.harmonics import Kind, harmonics


class Siren(nn.Module):
    """Hidden layers sin(w0 * (W x + b)) with another w0 in the first one, then a linear layer."""

    def __init__(self, inputs: int, width: int, outputs: int, layers: int, w0_initial: float, w0: float) -> None:
        super().__init__()
        sizes = [inputs] + [width] * layers
        self.layers = nn.ModuleList(nn.Linear(sizes[i], sizes[i + 1], dtype=torch.float64) for i in range(layers))
        self.last_layer = nn.Linear(width, outputs, dtype=torch.float64)
        self.w0 = [w0_initial] + [w0] * (layers - 1)

    def forward(self, x_BF: Tensor, keep_BN: Tensor | None) -> Tensor:
        """float64 [B, E]; `keep_BN` float64 [B, layers * W]: what the pre-activations are multiplied with (dropout)."""
        keep = [None] * len(self.layers) if keep_BN is None else keep_BN.chunk(len(self.layers), dim=1)
        for layer, w0, kept_BW in zip(self.layers, self.w0, keep, strict=True):
            z_BW = layer(x_BF)
            x_BF = torch.sin(w0 * (z_BW if kept_BW is None else z_BW * kept_BW))
        out: Tensor = self.last_layer(x_BF)
        return out

    def initialise(self, generator: torch.Generator) -> None:
        """Uniform weights and biases: 1 / fan-in in the first layer, sqrt(6 / fan-in) / w0 after it (section 3.2)."""
        layers: list[nn.Linear] = [*self.layers, self.last_layer]
        for number, layer in enumerate(layers):
            w0 = self.w0[number] if number < len(self.w0) else 1.0
            bound = 1 / layer.in_features if number == 0 else math.sqrt(6 / layer.in_features) / w0
            for tensor in (layer.weight, layer.bias):
                nn.init.uniform_(tensor, -bound, bound, generator=generator)


class LocationEncoder(nn.Module):
    """Places to embeddings. Runs in float64 whatever autocast says."""

    def __init__(self, degrees: int, kind: Kind, width: int, outputs: int, layers: int, w0_initial: float, w0: float) -> None:
        super().__init__()
        self.degrees, self.kind = degrees, kind
        self.nnet = Siren(degrees * degrees, width, outputs, layers, w0_initial, w0)

    def forward(self, lonlat_B2: Tensor, keep_BN: Tensor | None = None) -> Tensor:
        """float64 [B, E], not normalised; `lonlat_B2` in degrees, longitude first; `keep_BN` as in `Siren`."""
        out: Tensor = self.nnet(harmonics(lonlat_B2, self.degrees, self.kind), keep_BN)
        return out


def dropout_factors(u_BN: Tensor, share: float) -> Tensor:
    """float64: 0 where the random number is below `share`, else 1 / (1 - share)."""
    return (u_BN >= share).to(torch.float64) / (1 - share)
