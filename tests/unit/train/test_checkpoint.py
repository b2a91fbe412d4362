"""Checkpoints: whole or ignored, the last two kept."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from geomix.train import checkpoint
from geomix.train.optimizer import AdamW


def trained(steps: int) -> tuple[nn.Module, AdamW]:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = AdamW(model, (0.9, 0.95), 0.05)
    for _ in range(steps):
        optimizer.clear()
        model(torch.ones(4, 3)).square().sum().backward()
        optimizer.step(0.1)
    return model, optimizer


def save(folder: Path, step: int) -> nn.Module:
    model, optimizer = trained(step)
    checkpoint.save(str(folder), step, model, optimizer, [{"step": float(step), "loss": 1.0}], {"samples_per_s": 2.0})
    return model


def test_restores_model_and_optimizer_to_the_bit(tmp_path: Path) -> None:
    save(tmp_path, 3)
    found = checkpoint.latest(str(tmp_path))
    assert found is not None
    assert (found.step, found.history, found.meter) == (3, [{"step": 3.0, "loss": 1.0}], {"samples_per_s": 2.0})
    model, optimizer = trained(0)
    checkpoint.restore(found, model, optimizer)
    expected, expected_optimizer = trained(3)
    for one, other in ((model, optimizer), (expected, expected_optimizer)):
        other.clear()
        one(torch.ones(4, 3)).square().sum().backward()
        other.step(0.1)
    assert torch.equal(model.weight, expected.weight)  # type: ignore[arg-type]


def test_keeps_the_last_two(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00000002", "00000003"]


def test_what_is_not_complete_or_damaged_is_passed_over(tmp_path: Path) -> None:
    assert checkpoint.latest(str(tmp_path / "absent")) is None
    for step in (1, 2):
        save(tmp_path, step)
    state = tmp_path / "00000002" / "state.safetensors"
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    state.write_bytes(data)
    found = checkpoint.latest(str(tmp_path))
    assert found is not None
    assert found.step == 1
    (tmp_path / "00000001" / "complete").unlink()
    assert checkpoint.latest(str(tmp_path)) is None
