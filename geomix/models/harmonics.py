"""Real spherical harmonics of places, the input features of SatCLIP's location encoder (arXiv 2311.17179, section 3).

Letters: B places, L degrees 0 .. L-1, so L * L features; column l * l + l + m has degree l and order m, -l <= m <= l.

The associated Legendre functions come from the recurrence over the degree of fully normalised functions (Holmes and
Featherstone 2002, equations 11 to 13), for all orders at once: stable far beyond L = 40, with 3 L tensor operations.
A formula with factorials and powers loses all digits near L = 40.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Kind: TypeAlias = Literal["analytic", "closed_form", "orthonormal"]
"""How the columns are scaled; all three are the same functions up to sign and scale.

orthonormal: their square integrates to 1 over the sphere; no Condon-Shortley sign.
closed_form: orthonormal times (-1)^m (the Condon-Shortley sign), as in the published closed form.
analytic: orthonormal, but pi times as large where m = 0, as in the published default, whose generated expressions lack a
    pair of parentheses. Files generated since 2024-10 are mended: weights trained with them want `orthonormal`.
"""


def harmonics(lonlat_B2: Tensor, degrees: int, kind: Kind) -> Tensor:
    """float64 [B, degrees * degrees]; `lonlat_B2` in degrees, longitude first (any longitude: it wraps around).

    The angles are the published ones: phi = lon + 180, theta = lat + 90 (0 at the south pole, not the usual colatitude).
    """
    phi_B1 = torch.deg2rad(lonlat_B2[:, :1].double() + 180)
    theta_B1 = torch.deg2rad(lonlat_B2[:, 1:].double() + 90)
    t_B1, s_B1 = theta_B1.cos(), theta_B1.sin()
    order_L = torch.arange(degrees, device=lonlat_B2.device, dtype=torch.float64)
    factor_L = _factors(degrees, kind, lonlat_B2.device)
    cos_BL, sin_BL = (phi_B1 * order_L).cos() * factor_L, (phi_B1 * order_L).sin() * factor_L

    out_BF = torch.empty(len(lonlat_B2), degrees * degrees, dtype=torch.float64, device=lonlat_B2.device)
    before = last = torch.empty(len(lonlat_B2), 0, dtype=torch.float64, device=lonlat_B2.device)
    for degree, (a_M, b_M) in enumerate(_recurrence(degrees, lonlat_B2.device)):
        if degree == 0:
            now = torch.full_like(t_B1, math.sqrt(1 / (4 * math.pi)))
        else:
            # Orders 0 .. degree-1 from the two degrees before, then the order that is equal to the degree.
            lower = a_M * (t_B1 * last - b_M * torch.nn.functional.pad(before, (0, degree - before.shape[1])))
            now = torch.cat([lower, math.sqrt((2 * degree + 1) / (2 * degree)) * s_B1 * last[:, -1:]], dim=1)
        middle = degree * degree + degree
        out_BF[:, middle : middle + degree + 1] = now * cos_BL[:, : degree + 1]
        out_BF[:, middle - degree : middle] = (now[:, 1:] * sin_BL[:, 1 : degree + 1]).flip(1)
        before, last = last, now
    return out_BF


@lru_cache(maxsize=16)
def _recurrence(degrees: int, device: torch.device) -> tuple[tuple[Tensor, Tensor], ...]:
    """Coefficients (a, b) of each degree, over its orders 0 .. degree-1."""
    pairs = []
    # Kept for later calls: a tensor made in inference mode could not be used in training.
    with torch.inference_mode(False):
        for degree in range(degrees):
            m = torch.arange(degree, dtype=torch.float64)
            a = torch.sqrt((4 * degree**2 - 1) / (degree**2 - m**2))
            # max: at degree 1 there is no degree before the last; its coefficient is 0.
            b = torch.sqrt(((degree - 1) ** 2 - m**2) / max(4 * (degree - 1) ** 2 - 1, 1))
            pairs.append((a.to(device), b.to(device)))
    return tuple(pairs)


@lru_cache(maxsize=16)
def _factors(degrees: int, kind: Kind, device: torch.device) -> Tensor:
    """What cos(m phi) and sin(m phi) are multiplied with, for m = 0 .. degrees-1."""
    with torch.inference_mode(False):
        factor = torch.full((degrees,), math.sqrt(2.0), dtype=torch.float64)
        factor[0] = math.pi if kind == "analytic" else 1.0
        if kind == "closed_form":
            factor[1::2] *= -1
        return factor.to(device)
