"""Features of a task, computed once an encoder and kept by hash: every head, split and repeat reads the same file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix import ids, store
from geomix.errors import DataError
from geomix.sweep.tasks import TaskData

F32 = npt.NDArray[np.float32]

BATCH = 128
"""Series encoded at once: more would leave the processor's cache (512 take half as long again)."""


def uri(folder: str, encoder: str, fingerprint: Any) -> str:
    """Where the features of a task (its fingerprint) under an encoder (its SHA-256, or "raw") are kept in `folder`."""
    return store.join(folder, ids.sha256("features", encoder, ids.canonical_json(fingerprint)) + ".npy")


def write(target: str, data: TaskData, encoder_uri: str | None) -> None:
    """Writes float32 [N, D] to `target` unless it is there: the encoder's embeddings, or raw features without one."""
    if store.exists(target):
        return
    features = data.raw_NF if encoder_uri is None else embeddings(encoder_uri, data)
    with store.writing(target) as path, path.open("wb") as file:
        np.save(file, features)


def read(target: str) -> F32:
    """The features at `target`, float32 [N, D]."""
    return np.asarray(np.load(io.BytesIO(store.read_bytes(target)), allow_pickle=False))


def embeddings(encoder_uri: str, data: TaskData) -> F32:
    """float32 [N, D]: the encoder's output for every sample, on the GPU if there is one. Raises DataError."""
    import torch

    from geomix.models import registry
    from geomix.models.batch import series_batch

    # One thread: the bits of a score must not depend on how many cores a machine has.
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = registry.load(encoder_uri).to(device).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(data), BATCH):
            rows = np.arange(start, min(start + BATCH, len(data)))
            batch = series_batch(data.series, data.lonlat_N2, data.ids, rows).to(device)
            parts.append(model.encode(batch, location=data.location).float().cpu().numpy())
    result = np.concatenate(parts)
    broken = np.flatnonzero(~np.isfinite(result).all(axis=1))
    if len(broken):
        raise DataError(
            f"task {data.name}: the encoder {encoder_uri} gives no finite embedding for {len(broken)} of {len(data)} samples "
            f"(first: {data.ids[broken[0]]})",
            remedy="look for values out of range in these rows, or pretrain again",
        )
    return np.ascontiguousarray(result, dtype=np.float32)
