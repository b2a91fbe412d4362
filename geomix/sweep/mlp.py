"""The MLP head: one hidden layer, all problems and weight decays trained side by side by batched matrix products.

Letters: B problems, S training rows, D features, G members trained (problem x weight decay), H hidden units, J outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

HIDDEN = 64
LEARNING_RATE = 5e-3
BETAS = (0.9, 0.999)
EPSILON = 1e-8

_MOST_MEMBERS = 256  # trained at once: bounds memory, changes no result


def batch_size(rows: int) -> int:
    """Rows of a mini-batch: 32 for label draws, 256 for thousands of rows."""
    return min(rows, 32 if rows <= 1000 else 256)


def scores(
    x_BSD: F32,
    label_BS: F64,
    classes: int,
    queries: Sequence[tuple[slice, F32]],
    seeds: Sequence[int],
    configs: Sequence[tuple[float, int]],
) -> list[F32]:
    """Probabilities (or values, classes = 0), one float32 [P, b, M, K] a query (problems, x_bMD), for each
    (weight decay, steps) of `configs`.

    AdamW, cross-entropy (mean squared error), He initialisation; initial weights and mini-batches of a problem depend on
    its seed alone. A number of steps is a stop on the way: configurations that differ in it alone share one training.
    """
    decays = sorted({decay for decay, _ in configs})
    stops = sorted({steps for _, steps in configs})
    problems = len(x_BSD)
    outputs = classes or 1
    results = [
        np.empty((len(configs), len(range(problems)[which]), x.shape[1], outputs), dtype=np.float32) for which, x in queries
    ]
    x_all, y_all = torch.from_numpy(np.ascontiguousarray(x_BSD)), torch.from_numpy(label_BS)
    y_all = y_all.to(torch.int64) if classes else y_all.to(torch.float32)
    width = max(1, _MOST_MEMBERS // len(decays))
    for first in range(0, problems, width):
        part = range(first, min(first + width, problems))
        chosen = slice(part.start, part.stop)
        net = _Net(x_all[chosen], y_all[chosen], outputs, [seeds[b] for b in part], decays, stops[-1])
        for stop in stops:
            net.train_until(stop)
            for result, (which, x_bMD) in zip(results, queries, strict=True):
                own = range(problems)[which]
                inside = [b for b in own if b in part]
                if not inside:
                    continue
                places = slice(inside[0] - own.start, inside[-1] + 1 - own.start)
                local = slice(inside[0] - first, inside[-1] + 1 - first)
                predicted = net.predict(torch.from_numpy(x_bMD[places]), local)
                for p, (decay, steps) in enumerate(configs):
                    if steps == stop:
                        result[p, places] = predicted[decays.index(decay)]
    return results


class _Net:
    """Members in order of (weight decay, problem)."""

    def __init__(
        self, x_BSD: Tensor, y_BS: Tensor, outputs: int, seeds: Sequence[int], decays: Sequence[float], steps: int
    ) -> None:
        self.x, self.y, self.decays, self.done = x_BSD, y_BS, decays, 0
        problems, rows, features = x_BSD.shape
        hidden, out, batches = [], [], []
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            hidden.append(torch.randn(features, HIDDEN, generator=generator) * (2 / features) ** 0.5)
            out.append(torch.randn(HIDDEN, outputs, generator=generator) * (1 / HIDDEN) ** 0.5)
            batches.append(torch.randint(rows, (steps, batch_size(rows)), generator=generator))
        members = len(decays)
        zeros = torch.zeros
        self.parameters = [
            torch.stack(hidden).repeat(members, 1, 1),
            zeros(members * problems, 1, HIDDEN),
            torch.stack(out).repeat(members, 1, 1),
            zeros(members * problems, 1, outputs),
        ]
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.shrink = torch.tensor(list(decays)).repeat_interleave(problems)[:, None, None]
        self.batch_BIK = torch.stack(batches)

    def train_until(self, stop: int) -> None:
        for step in range(self.done, stop):
            rows = self.batch_BIK[:, step]
            which = torch.arange(len(rows))[:, None]
            self._step(
                self.x[which, rows].repeat(len(self.decays), 1, 1), self.y[which, rows].repeat(len(self.decays), 1), step
            )
        self.done = stop

    def _step(self, x_GKD: Tensor, y_GK: Tensor, step: int) -> None:
        # Written out: two layers need no graph, and the optimiser's loop over small tensors would cost as much again.
        w1, b1, w2, b2 = self.parameters
        hidden = torch.relu(torch.baddbmm(b1, x_GKD, w1))
        out = torch.baddbmm(b2, hidden, w2)
        if y_GK.dtype == torch.int64:
            delta = torch.softmax(out, dim=2)
            delta.scatter_add_(2, y_GK[:, :, None], torch.full((*y_GK.shape, 1), -1.0))
        else:
            delta = 2 * (out - y_GK[:, :, None])
        delta /= x_GKD.shape[1]
        back = torch.bmm(delta, w2.transpose(1, 2)) * (hidden > 0)
        gradients = [
            torch.bmm(x_GKD.transpose(1, 2), back),
            back.sum(dim=1, keepdim=True),
            torch.bmm(hidden.transpose(1, 2), delta),
            delta.sum(dim=1, keepdim=True),
        ]
        one, two = 1 - BETAS[0] ** (step + 1), 1 - BETAS[1] ** (step + 1)
        for index, (p, g, m, v) in enumerate(zip(self.parameters, gradients, self.first, self.second, strict=True)):
            if index % 2 == 0:  # biases are not shrunk
                p.mul_(1 - LEARNING_RATE * self.shrink)
            m.lerp_(g, 1 - BETAS[0])
            v.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
            p.addcdiv_(m, (v / two).sqrt_().add_(EPSILON), value=-LEARNING_RATE / one)

    def predict(self, x_bMD: Tensor, problems: slice) -> F32:
        """float32 [decays, b, M, K] for those of this part's problems."""
        w1, b1, w2, b2 = (p.view(len(self.decays), len(self.x), *p.shape[1:])[:, problems] for p in self.parameters)
        out = torch.relu(x_bMD @ w1 + b1) @ w2 + b2
        if self.y.dtype == torch.int64:
            out = torch.softmax(out, dim=3)
        return np.asarray(out.numpy())
