"""The training loop of one worker: AdamW, a cosine with warm-up, clipping, and a resume that nobody can tell.

What is computed depends on (manifest hash, seed, step) and not on how many workers share a step: every term of the loss
is a sum over samples, divided by a denominator that is added up over all workers before the gradient is taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from geomix.errors import TrainingError
from geomix.models.batch import SeriesBatch
from geomix.models.losses import LossSums, total
from geomix.models.registry import Model
from geomix.models.scales import Preset
from geomix.train import checkpoint
from geomix.train.optimizer import AdamW
from geomix.train.order import Order, share

LOG_EVERY = 10
WARM_STEPS = 5
"""Steps of a process before its speed counts: the first ones fill caches."""


class Reader(Protocol):
    """What the loop reads from (`shard.reader.SeriesReader`)."""

    ids: tuple[str, ...]

    def batch(self, positions: npt.NDArray[np.int64]) -> SeriesBatch:
        """The batch of the samples at `positions`."""


@dataclass(frozen=True)
class Worker:
    """One of the workers that share every step. `add` sums a tensor over all workers, in place."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def add(self, tensor: Tensor) -> Tensor:
        """The sum of `tensor` over all workers."""
        if self.size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor


@dataclass(frozen=True)
class Training:
    """One training run: what is trained, on which samples, and where its checkpoints lie."""

    model: Callable[[], Model]
    """Makes the model as it is before the first step."""
    preset: Preset
    manifest_hash: str
    seed: int
    folder: str


def learning_rate(preset: Preset, step: int) -> float:
    """The rate of `step` (from 0): linear warm-up, then half a cosine to 0."""
    if step < preset.warmup_steps:
        return preset.lr * (step + 1) / preset.warmup_steps
    done = (step - preset.warmup_steps) / max(1, preset.steps - preset.warmup_steps)
    return preset.lr * 0.5 * (1 + math.cos(math.pi * done))


def train(training: Training, reader: Reader, worker: Worker) -> None:
    """Trains from the newest checkpoint to the last step; worker 0 leaves checkpoints, the last one at the last step.

    Raises TrainingError where the loss is not finite.
    """
    with _one_thread(worker.device):
        _train(training, reader, worker)


def _train(training: Training, reader: Reader, worker: Worker) -> None:
    preset = training.preset
    model = training.model().to(worker.device).train()
    optimizer = AdamW(model, preset.betas, preset.weight_decay)
    found = checkpoint.latest(training.folder)
    if found is not None:
        checkpoint.restore(found, model, optimizer)
    history = list(found.history) if found else []
    first = found.step if found else 0
    order = Order(training.manifest_hash, training.seed, len(reader.ids), preset.batch_size)
    meter = _Meter(preset.batch_size)
    for step, batch in _batches(reader, order, worker, range(first, preset.steps), meter):
        values = _step(model, optimizer, batch, training, step, worker)
        meter.step()
        if step % LOG_EVERY == 0 or step + 1 == preset.steps:
            history.append({"step": step, **values})
        ended = step + 1
        if worker.rank == 0 and (ended % preset.checkpoint_every == 0 or ended == preset.steps):
            checkpoint.save(training.folder, ended, model, optimizer, history, meter.read())


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    # On a CPU more threads add up in another order, and the last digits would depend on the machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if device.type == "cpu" else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _step(
    model: Model, optimizer: AdamW, batch: SeriesBatch, training: Training, step: int, worker: Worker
) -> dict[str, float]:
    preset = training.preset
    half = preset.precision == "bf16"
    with torch.autocast(worker.device.type, torch.bfloat16) if half else nullcontext():
        terms: LossSums = model.loss_sums(batch, training.seed, step)
    names = list(terms)
    sums = worker.add(torch.stack([v.detach().float() for n in names for v in (terms[n].numerator, terms[n].denominator)]))
    denominators = {name: sums[2 * i + 1] for i, name in enumerate(names)}
    loss = total(terms, denominators)
    optimizer.clear()
    loss.backward()  # type: ignore[no-untyped-call]
    _add_gradients(optimizer.parameters, worker)
    clipped = torch.nn.utils.clip_grad_norm_(optimizer.parameters, preset.clip)
    # One transfer a step: on a GPU every number read by itself would wait for all the work before it.
    *numbers, norm = torch.cat([sums, clipped.detach().float().reshape(1)]).tolist()
    by_term = {name: numbers[2 * i] / max(numbers[2 * i + 1], 1e-12) for i, name in enumerate(names)}
    value = sum(terms[name].weight * by_term[name] for name in names)
    if not (math.isfinite(value) and math.isfinite(norm)):
        raise _not_finite(value, norm, step, batch.id_B)
    rate = learning_rate(preset, step)
    optimizer.step(rate)
    return {"loss": value, **{f"loss_{name}": v for name, v in by_term.items()}, "lr": rate, "gradient_norm": norm}


def _add_gradients(parameters: Sequence[nn.Parameter], worker: Worker) -> None:
    if worker.size == 1:
        return
    # One message a step instead of one a parameter.
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = worker.add(torch.cat([g.reshape(-1) for g in gradients]))
    for parameter, part in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        parameter.grad = part.view_as(parameter)


def _not_finite(loss: float, norm: float, step: int, names: Sequence[str]) -> TrainingError:
    return TrainingError(
        f"step {step}: loss {loss}, norm of the gradient {norm}; the first samples of the batch are {', '.join(names[:3])}",
        wanted="finite numbers",
        remedy="look for values out of their unit among these samples (reflectance 0-1, dB, K, m), or lower the learning rate",
    )


def _batches(reader: Reader, order: Order, worker: Worker, steps: range, meter: _Meter) -> Iterator[tuple[int, SeriesBatch]]:
    """The worker's share of every step, read one step ahead in a thread."""
    start, stop = share(order.batch_size, worker.rank, worker.size)

    def read(step: int) -> SeriesBatch:
        return reader.batch(order.positions(step, start, stop))

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(read, steps.start) if len(steps) else None
        for step in steps:
            assert ahead is not None
            waited = time.perf_counter()
            batch = ahead.result()
            meter.waited(time.perf_counter() - waited)
            ahead = pool.submit(read, step + 1) if step + 1 < steps.stop else None
            yield step, batch.to(worker.device)


class _Meter:
    """Speed of this process since its warm-up: samples a second over all workers, share of time spent on waiting."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size, self.steps, self.waiting, self.started = batch_size, 0, 0.0, time.perf_counter()

    def waited(self, seconds: float) -> None:
        self.waiting += seconds

    def step(self) -> None:
        self.steps += 1
        if self.steps == WARM_STEPS:
            self.waiting, self.started = 0.0, time.perf_counter()

    def read(self) -> dict[str, float]:
        counted = self.steps - WARM_STEPS
        if counted <= 0:
            return {}
        seconds = time.perf_counter() - self.started
        return {"samples_per_s": counted * self.batch_size / seconds, "data_wait": self.waiting / seconds}
