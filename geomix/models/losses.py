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


def unit(rows_BE: Tensor) -> Tensor:
    """Each row divided by its length (without an epsilon, as published)."""
    out: Tensor = rows_BE / torch.linalg.vector_norm(rows_BE, dim=1, keepdim=True)
    return out


def similarities(image_AE: Tensor, location_AE: Tensor, logit_scale: Tensor) -> Tensor:
    """[A, A]: exp(logit_scale) times the product of every image with every location (unit rows)."""
    return logit_scale.to(image_AE.dtype).exp() * (image_AE @ location_AE.T)


def contrastive_terms(image_AE: Tensor, location_AE: Tensor, logit_scale: Tensor, first: int, count: int) -> LossSums:
    """CLIP's loss (Radford et al. 2021, figure 3) of the `count` samples from `first` on, among the A of all workers.

    Rows are of unit length; row i of the images belongs to row i of the locations. Each own image is told apart among all
    locations and each own location among all images; a sample counts with the mean of the two cross-entropies. So the sum
    over workers of numerators over denominators is the loss of the whole batch, with all of it as negatives; and so are its
    gradients, where the gradient of gathering is the sum over workers.
    """
    own = slice(first, first + count)
    # Half precision would lose the differences between similarities that are multiplied by up to 100.
    with torch.autocast(image_AE.device.type, enabled=False):
        of_image = similarities(image_AE[own], location_AE, logit_scale).log_softmax(dim=1)
        of_location = similarities(location_AE[own], image_AE, logit_scale).log_softmax(dim=1)
        entropy = -(of_image.diagonal(first) + of_location.diagonal(first)) / 2
        return {"match": Term(entropy.sum(), entropy.new_tensor(float(count)), 1.0)}
