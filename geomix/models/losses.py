"""Losses as sums and counts, so that any number of workers can form the same global mean.

A model returns terms; total loss = sum over terms of weight * numerator / denominator, where workers first add up the
denominators (and nothing else) over all shards of the global batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor


class Term(NamedTuple):
    """One term of a loss; unpacks as (numerator, denominator, weight)."""

    numerator: Tensor
    """Scalar float32 with gradient: a sum over this shard of the batch."""
    denominator: Tensor
    """Scalar float32 without gradient: how many values (or a multiple) that sum is over. May be 0."""
    weight: float
    """Constant factor."""


LossSums: TypeAlias = dict[str, Term]


def total(terms: Mapping[str, Term], denominators: Mapping[str, Tensor] | None = None) -> Tensor:
    """The scalar loss of `terms` over their own denominators, or over global ones. An empty term counts as 0."""
    parts = []
    for name, (numerator, denominator, weight) in terms.items():
        count = denominator if denominators is None else denominators[name]
        # Where nothing was hidden anywhere the numerator is 0 too, and 0 / 1 keeps the loss finite.
        parts.append(weight * numerator / torch.where(count > 0, count, torch.ones_like(count)))
    return torch.stack(parts).sum()
