"""Spherical harmonics against SciPy's and against what defines them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from geomix.models.harmonics import harmonics

RNG = np.random.default_rng(0)
PLACES = np.concatenate(
    [
        [[0, 90], [37, 90], [-180, -90], [12, -90], [180, 0], [-180, 0], [0, 0], [179.999, 89.999], [540, 10]],
        np.stack([RNG.uniform(-180, 180, 60), np.degrees(np.arcsin(RNG.uniform(-1, 1, 60)))], 1),
    ]
)


@pytest.mark.parametrize("degrees", [1, 2, 10, 40])
def test_equal_to_scipy(degrees: int) -> None:
    ours = harmonics(torch.from_numpy(PLACES), degrees, "closed_form").numpy()
    theta, phi = np.radians(PLACES[:, 1] + 90), np.radians(PLACES[:, 0] + 180)
    wanted = np.empty_like(ours)
    for degree in range(degrees):
        for order in range(-degree, degree + 1):
            complex_ = sph_harm_y(degree, abs(order), theta, phi)
            part = complex_.imag if order < 0 else complex_.real
            wanted[:, degree * degree + degree + order] = part * (math.sqrt(2) if order else 1)
    np.testing.assert_allclose(ours, wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("degrees", [40, 100])
def test_unsoeld_theorem_holds_far_up(degrees: int) -> None:
    """The squares of all orders of a degree add up to (2 l + 1) / (4 pi) at every place."""
    squares = harmonics(torch.from_numpy(PLACES), degrees, "orthonormal").square().numpy()
    for degree in (1, degrees // 2, degrees - 1):
        total = squares[:, degree**2 : (degree + 1) ** 2].sum(axis=1)
        np.testing.assert_allclose(total, (2 * degree + 1) / (4 * math.pi), rtol=1e-10)


def test_the_three_kinds_differ_by_sign_and_scale_alone() -> None:
    orthonormal, closed, analytic = (
        harmonics(torch.from_numpy(PLACES), 6, kind) for kind in ("orthonormal", "closed_form", "analytic")
    )
    order = torch.tensor([m for degree in range(6) for m in range(-degree, degree + 1)])
    torch.testing.assert_close(closed, orthonormal * torch.where(order % 2 == 0, 1.0, -1.0), atol=0, rtol=0)
    scale = torch.ones(36, dtype=torch.float64).masked_fill(order == 0, math.pi)
    torch.testing.assert_close(analytic, orthonormal * scale, atol=1e-15, rtol=1e-15)


def test_longitudes_wrap_around_and_float32_is_promoted() -> None:
    one = harmonics(torch.tensor([[-170.0, 5.0]]), 10, "analytic")
    assert one.dtype == torch.float64
    torch.testing.assert_close(one, harmonics(torch.tensor([[190.0, 5.0]]), 10, "analytic"), atol=1e-13, rtol=0)
