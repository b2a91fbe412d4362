"""Made batches with structure: series whose seasons follow latitude, chips whose colours and stripes follow the place."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
import torch

from geomix.models.batch import UNKNOWN_TIME, ImageBatch, PlaceBatch, SeriesBatch

Samples = TypeVar("Samples", SeriesBatch, ImageBatch, PlaceBatch)


def structured(count: int, steps: int = 12, seed: int = 0, missing: float = 0.0) -> SeriesBatch:
    """A batch of `count` samples; a share `missing` of its values (terrain apart) is not valid."""
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(-60, 60, count), rng.uniform(-180, 180, count)
    start, cover = rng.integers(0, 12, count), rng.integers(0, 9, count)
    month_BT = (start[:, None] + np.arange(steps)) % 12
    season_BT = np.cos(2 * np.pi * (month_BT - 6) / 12) * np.sign(lat)[:, None]
    green_BT = 0.4 + 0.03 * cover[:, None] + 0.2 * season_BT
    x = np.empty((count, steps, 16))
    x[:, :, 0], x[:, :, 1] = -12 + 3 * green_BT, -19 + 5 * green_BT
    x[:, :, 2:8] = 0.12 - 0.1 * green_BT[:, :, None] + 0.02 * np.arange(6)
    x[:, :, 8:10] = 0.1 + 0.5 * green_BT[:, :, None]
    x[:, :, 10:12] = 0.3 - 0.2 * green_BT[:, :, None]
    x[:, :, 12], x[:, :, 13] = 288 + 10 * season_BT - 0.2 * np.abs(lat)[:, None], 0.002 + 0.002 * green_BT
    x[:, :, 14], x[:, :, 15] = 50.0 * cover[:, None], 2.0 + cover[:, None]
    x[:, :, :14] *= 1 + 0.02 * rng.standard_normal((count, steps, 14))
    valid = np.ones(x.shape, dtype=bool)
    valid[:, :, :14] = rng.random((count, steps, 14)) >= missing
    return SeriesBatch(
        x_BTC=torch.from_numpy(np.where(valid, x, 0).astype(np.float32)),
        valid_BTC=torch.from_numpy(valid),
        month_BT=torch.from_numpy(month_BT),
        landcover_BT=torch.from_numpy(np.repeat(cover[:, None], steps, 1)),
        lonlat_B2=torch.from_numpy(np.stack([lon, lat], 1).astype(np.float32)),
        id_B=[f"sample-{seed}-{i:04d}" for i in range(count)],
    )


def chips(count: int, bands: int = 10, size: int = 32, seed: int = 0) -> ImageBatch:
    """A batch of `count` valid chips: every band's level and one slope over the chip follow longitude and latitude."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(-180, 180, count), rng.uniform(-60, 60, count)
    across = np.linspace(-1, 1, size)
    level = 0.3 + 0.1 * np.sin(np.radians(lon)[:, None] + np.arange(bands)) + 0.1 * np.cos(2 * np.radians(lat))[:, None]
    slope = (
        0.1 * np.sin(np.radians(lat))[:, None, None] * across[:, None] + 0.1 * np.cos(np.radians(lon))[:, None, None] * across
    )
    x = level[:, :, None, None] + slope[:, None] + 0.01 * rng.standard_normal((count, bands, size, size))
    return ImageBatch(
        x_BCHW=torch.from_numpy(x.astype(np.float32)),
        valid_BHW=torch.ones(count, size, size, dtype=torch.bool),
        lonlat_B2=torch.from_numpy(np.stack([lon, lat], 1).astype(np.float32)),
        time_B=torch.full((count,), UNKNOWN_TIME),
        id_B=[f"chip-{seed}-{i:04d}" for i in range(count)],
    )


def take(batch: Samples, rows: list[int]) -> Samples:
    """The samples at `rows`, in that order."""
    tensors = {f.name: getattr(batch, f.name)[rows] for f in fields(batch) if f.name != "id_B"}
    return replace(batch, **tensors, id_B=[batch.id_B[r] for r in rows])
