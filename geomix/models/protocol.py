"""The one protocol of all models: a batch in, sums of a loss out, and `encode`. A user's own model is a subclass too.

A package offers its model under an entry point, and the model's name is then known to `registry.build` and to checkpoints:

    [project.entry-points."geomix.models"]
    my_model = "my_package.my_module:MyModel"

`tests/unit/models/vit_mae.py` is a whole model (a plain masked autoencoder) in this form.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from geomix.models.batch import Batch
from geomix.models.losses import LossSums
from geomix.models.scales import Preset

Trained = TypeVar("Trained", bound=Batch)
Encoded = TypeVar("Encoded", bound=Batch)


class Rows(NamedTuple):
    """Rows of all workers, and where this worker's own begin."""

    all: Tensor
    """[A, ...]: the rows of worker 0, then of worker 1, and so on."""
    first: int


Gather: TypeAlias = Callable[[Tensor], Rows]
"""Brings a tensor [B, ...] of every worker together. Its gradient must be the sum over the workers' gradients."""


def alone(rows: Tensor) -> Rows:
    """The `Gather` of a single worker."""
    return Rows(rows, 0)


class Model(nn.Module, ABC, Generic[Trained, Encoded]):
    """A model that trains on `Trained` batches and encodes `Encoded` ones (for most models the same).

    Batches come in physical units: normalisation is the model's own first operation, its constants saved with its weights.
    Randomness (masks, dropout, augmentation) is keyed by (seed, step, id): see `keyed`. It acts where `self.training` is
    True, except for a mask, without which there is no loss.
    """

    name: ClassVar[str]
    """The entry point's name."""
    trains_on: ClassVar[type[Batch]]
    """The class of batch that `loss_sums` takes."""
    encodes: ClassVar[type[Batch]]
    """The class of batch that `encode` takes."""
    contrastive: ClassVar[bool] = False
    """True: the loss compares samples with each other, so a batch cannot be cut into pieces (`gather` brings them together)."""
    presets: ClassVar[Mapping[str, Preset]] = {}
    """Scale -> preset, for models that are not in the table of `scales`."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> Model[Trained, Encoded]:
        """A model of the shape that `config` (JSON values; what is not named has a default) describes.

        Its weights may be anything drawn from torch's generator, which is seeded. Raises DataError for impossible settings.
        """

    @classmethod
    def resolve(cls, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """`config` of a new model with all that must be looked up first, such as sizes of a file it is built around."""
        return config

    @property
    @abstractmethod
    def embed_dim(self) -> int:
        """Width of an embedding."""

    @abstractmethod
    def config_dict(self) -> dict[str, Any]:
        """Every setting, as plain JSON values: `from_config(config_dict())` has the same shape."""

    def initialise(self, generator: torch.Generator) -> None:
        """Draws the weights of a new model from `generator` (CPU). Default: as `from_config` left them."""

    @abstractmethod
    def encode(self, batch: Encoded, location: bool = True) -> Tensor:
        """float32 [B, embed_dim]. location=False: the coordinates of the batch must not be used."""

    @abstractmethod
    def loss_sums(self, batch: Trained, seed: int, step: int, gather: Gather = alone) -> LossSums:
        """The training loss of this worker's samples in step `step`, as sums and counts (`losses.Term`).

        The loss of the whole batch is the sum of all workers' numerators over the sum of their denominators. A model whose
        terms are sums over samples has no use for `gather`.
        """

    def forward(self, batch: Trained, seed: int, step: int, gather: Gather = alone) -> LossSums:
        """`loss_sums`, so that a distributed wrapper sees the training step."""
        return self.loss_sums(batch, seed, step, gather)
