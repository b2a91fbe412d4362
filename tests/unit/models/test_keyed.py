"""Keyed random numbers: the streams of `masking`, the same for a sample wherever it is; augmentation made from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from geomix.models import augment, keyed, masking
from tests.unit.models.made import chips, take

CPU = torch.device("cpu")


def test_the_streams_are_those_of_masking() -> None:
    ids = [f"id-{i}" for i in range(50)]
    ours = keyed.uniform("mask", 5, 7, ids, 200, CPU).numpy()
    np.testing.assert_array_equal(ours, masking._numbers(5, 7, ids, 200))


def test_numbers_are_uniform_and_differ_by_purpose() -> None:
    ids = [f"id-{i}" for i in range(1000)]
    u = keyed.uniform("dropout", 0, 0, ids, 64, CPU)
    assert u.mean().item() == pytest.approx(0.5, abs=4 * 12**-0.5 / 253)
    assert torch.histc(u, 10, 0, 1).div(6400).sub(1).abs().max() < 0.06
    assert not torch.equal(u, keyed.uniform("augment", 0, 0, ids, 64, CPU))


def test_flips_are_exact_and_keyed_by_id() -> None:
    batch = chips(64, bands=2, size=8)
    batch.valid_BHW[:, 0, 0] = False
    x, valid = augment.crop_and_flip(batch, 3, 4, 1.0, flips=True)
    seen = set()
    for i in range(64):
        for number, axes in enumerate(((), (1,), (2,), (1, 2))):
            if torch.equal(x[i], batch.x_BCHW[i].flip(axes)):
                seen.add(number)
                assert torch.equal(valid[i], batch.valid_BHW[i].flip([a - 1 for a in axes]))
                break
        else:
            pytest.fail("neither the chip nor a flip of it")
    assert seen == {0, 1, 2, 3}
    part, _ = augment.crop_and_flip(take(batch, [40, 2]), 3, 4, 1.0, flips=True)
    assert torch.equal(part, x[[40, 2]])


def test_crops_are_cut_from_the_chip_and_missing_pixels_go_along() -> None:
    batch = chips(40, bands=2, size=16)
    rising = torch.linspace(0, 1, 16).expand(40, 1, 16, 16)  # columns from west to east, then rows from north to south
    batch = replace(batch, x_BCHW=torch.cat([rising, rising.transpose(2, 3)], 1))
    x, valid = augment.crop_and_flip(batch, 0, 0, 0.25, flips=False)
    width = (x[:, 0, :, -1] - x[:, 0, :, 0]).mean(1)
    height = (x[:, 1, -1] - x[:, 1, 0]).mean(1)
    torch.testing.assert_close(width, height, atol=0.05, rtol=0)  # squares; the border clamps half a pixel
    assert width.min() > 0.45
    assert width.max() < 1.0
    assert valid.all()
    batch.valid_BHW[:, :, 10:] = False
    x, valid = augment.crop_and_flip(batch, 0, 0, 0.25, flips=False)
    assert (x[:, 0][valid] <= 9 / 15 + 1e-6).all(), "a valid pixel was made from a missing one"
    assert 0 < valid.float().mean() < 0.75


def test_nothing_asked_for_changes_nothing() -> None:
    batch = chips(3)
    x, valid = augment.crop_and_flip(batch, 0, 0, 1.0, flips=False)
    assert x is batch.x_BCHW
    assert valid is batch.valid_BHW
