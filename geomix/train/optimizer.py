"""AdamW on torch's functional `adamw`: the numbers of `torch.optim.AdamW`, and a state that is plain named tensors.

The class of torch imports torch._dynamo at its first step (2.5 s of CPU a process), which is felt in runs of seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

EPSILON = 1e-8


class AdamW:
    """AdamW (Loshchilov and Hutter 2019). Weight decay is on matrices only (parameters of two or more dimensions)."""

    def __init__(self, model: nn.Module, betas: tuple[float, float], weight_decay: float) -> None:
        trained = [p for p in model.parameters() if p.requires_grad]
        decayed, plain = [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]
        self.parameters: Sequence[nn.Parameter] = [*decayed, *plain]
        self._groups = [(slice(0, len(decayed)), weight_decay), (slice(len(decayed), len(trained)), 0.0)]
        self._betas = betas
        self._means = [torch.zeros_like(p) for p in self.parameters]
        self._squares = [torch.zeros_like(p) for p in self.parameters]
        self._steps = [torch.zeros((), device=p.device) for p in self.parameters]

    def clear(self) -> None:
        """Forgets the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One step along the gradients; a parameter without one counts as having gradient 0."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        for group, weight_decay in self._groups:
            if self.parameters[group]:
                adamw(
                    list(self.parameters[group]),
                    gradients[group],
                    self._means[group],
                    self._squares[group],
                    [],
                    self._steps[group],
                    fused=True,
                    amsgrad=False,
                    beta1=self._betas[0],
                    beta2=self._betas[1],
                    lr=lr,
                    weight_decay=weight_decay,
                    eps=EPSILON,
                    maximize=False,
                )

    def tensors(self) -> dict[str, Tensor]:
        """The state, by name; the tensors themselves, not copies."""
        named = {"mean": self._means, "square": self._squares, "step": self._steps}
        return {f"{number:04d}.{kind}": t for kind, state in named.items() for number, t in enumerate(state)}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave. Raises KeyError where one is missing."""
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])
