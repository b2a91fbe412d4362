"""Attention paths agree; tables have the published form."""

from __future__ import annotations

import math

import pytest
import torch

from geomix.models import blocks


@pytest.mark.parametrize("masked", [False, True])
def test_plain_and_fused_attention_agree(masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(3, 2, 7, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    key = torch.arange(7)[None] < torch.tensor([[7], [4], [1]]) if masked else None
    torch.testing.assert_close(blocks.attention(q, k, v, key), blocks.plain_attention(q, k, v, key), atol=1e-12, rtol=0)


def test_keys_that_are_hidden_have_no_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, 4, 8, generator=generator) for _ in range(3))
    key = torch.tensor([[True, True, False, False]])
    changed = v.clone()
    changed[:, :, 2:] = 1e4
    assert torch.equal(blocks.attention(q, k, v, key), blocks.attention(q, k, changed, key))


def test_month_table() -> None:
    table = blocks.month_table(6)
    assert table.shape == (12, 6)
    torch.testing.assert_close(table[3], torch.tensor([1.0, 1, 1, 0, 0, 0]), atol=1e-7, rtol=0)
    torch.testing.assert_close(table[6, 3:], torch.full((3,), -1.0))


def test_position_table() -> None:
    table = blocks.position_table(24, 4, 1000.0)
    rate = 1000.0**-0.5
    wanted = [math.sin(5), math.cos(5), math.sin(5 * rate), math.cos(5 * rate)]
    torch.testing.assert_close(table[5], torch.tensor(wanted))
