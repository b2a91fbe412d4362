"""Checkpoints of a training: whole or ignored, at any URI.

{folder}/00000120/state.safetensors   weights ("model.*") and optimiser ("optimizer.*")
{folder}/00000120/complete            JSON, written last: step, SHA-256 of the state, the history so far
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor, nn

from geomix import store
from geomix.errors import DataError
from geomix.train.optimizer import AdamW

KEEP = 2
"""Newest checkpoints that stay: if the newest turns out to be damaged, the one before it still serves."""


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: steps done, tensors by name, and what was logged until then."""

    step: int
    tensors: Mapping[str, Tensor]
    history: list[dict[str, float]]
    meter: Mapping[str, float]


def save(
    folder: str,
    step: int,
    model: nn.Module,
    optimizer: AdamW,
    history: list[dict[str, float]],
    meter: Mapping[str, float],
) -> None:
    """Writes the checkpoint of `step` and removes those before the last `KEEP`."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"optimizer.{k}": v for k, v in optimizer.tensors().items()}
    # A parameter shared under two names must be two tensors in the file.
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in sorted(tensors.items())}
    target = store.join(folder, f"{step:08d}")
    with store.writing(store.join(target, "state.safetensors")) as path:
        safetensors.torch.save_file(tensors, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    content = {"step": step, "sha256": sha256, "history": history, "meter": dict(meter)}
    store.write_json(store.join(target, "complete"), content)
    for old in _steps(folder)[KEEP:]:
        store.delete(store.join(folder, old))


def latest(folder: str) -> Checkpoint | None:
    """The newest complete and undamaged checkpoint in `folder`, or None."""
    for name in _steps(folder):
        found = _read(store.join(folder, name))
        if found is not None:
            return found
    return None


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: AdamW) -> None:
    """Puts the checkpoint's tensors into `model` and `optimizer`, which were made as for a fresh start."""
    weights(checkpoint, model)
    optimizer.load({k.removeprefix("optimizer."): v for k, v in checkpoint.tensors.items() if k.startswith("optimizer.")})


def weights(checkpoint: Checkpoint, model: nn.Module) -> None:
    """Puts the checkpoint's weights into `model`."""
    model.load_state_dict({k.removeprefix("model."): v for k, v in checkpoint.tensors.items() if k.startswith("model.")})


def _steps(folder: str) -> list[str]:
    return sorted((name for name in store.list_names(folder) if name.isdigit()), reverse=True)


def _read(uri: str) -> Checkpoint | None:
    try:
        content = store.read_json(store.join(uri, "complete"))
        with tempfile.TemporaryDirectory() as scratch:
            path = store.local_copy(store.join(uri, "state.safetensors"), Path(scratch))
            data = path.read_bytes()
    except (FileNotFoundError, DataError):  # no `complete` yet, or one that is not JSON
        return None
    if hashlib.sha256(data).hexdigest() != content["sha256"]:
        return None
    return Checkpoint(int(content["step"]), safetensors.torch.load(data), list(content["history"]), content["meter"])
