"""Totals of loss terms over local and global counts, and Presto's weight of the land-cover term."""

from __future__ import annotations

import math

import pytest
import torch

from geomix.models import losses
from geomix.models.losses import Term
from geomix.models.presto import reconstruction_terms


def scalar(value: float) -> torch.Tensor:
    return torch.tensor(float(value))


def test_total_over_own_and_over_global_counts() -> None:
    terms = {"a": Term(scalar(6), scalar(3), 1.0), "b": Term(scalar(4), scalar(8), 2.0)}
    assert losses.total(terms).item() == 3.0
    assert losses.total(terms, {"a": scalar(6), "b": scalar(16)}).item() == 1.5


def test_an_empty_term_counts_as_nothing() -> None:
    assert losses.total({"a": Term(scalar(2), scalar(4), 1.0), "b": Term(scalar(0), scalar(0), 1.0)}).item() == 0.5


@pytest.mark.parametrize(("n_dw", "weight"), [(1, 2 / 10), (4, 8 / 10), (7, 1.0)])
def test_land_cover_weighs_twice_its_share_but_never_more_than_one(n_dw: int, weight: float) -> None:
    target = torch.zeros(1, 10, 17, dtype=torch.bool)
    target[0, :, 0] = True  # 10 values
    target_dw = torch.arange(10)[None] < n_dw
    cover = torch.zeros(1, 10, dtype=torch.int64)
    terms = reconstruction_terms(torch.ones(1, 10, 17), torch.zeros(1, 10, 17), target, torch.zeros(1, 10, 9), cover, target_dw)
    # Uniform logits: cross-entropy log 9. Every band is wrong by one: mean squared error 1.
    assert losses.total(terms).item() == pytest.approx(1 + weight * math.log(9), rel=1e-6)


def test_terrain_counts_at_its_first_step_only() -> None:
    target = torch.zeros(2, 12, 17, dtype=torch.bool)
    target[:, :, 14:16] = True
    none = torch.zeros(2, 12, dtype=torch.bool)
    cover = torch.full((2, 12), 9)
    terms = reconstruction_terms(torch.ones(2, 12, 17), torch.zeros(2, 12, 17), target, torch.zeros(2, 12, 9), cover, none)
    assert terms["eo"].denominator.item() == 4
    assert terms["eo"].numerator.item() == 4
    assert target.sum() == 48, "the caller's mask is left alone"
