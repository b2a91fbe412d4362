"""Series in memory with structure to learn: a season whose height is the sample's own, seen by every band."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from geomix import tables
from geomix.models.batch import SeriesBatch


class Memory:
    """A reader of `samples` made-up series of 12 months."""

    def __init__(self, samples: int, spoilt: int | None = None) -> None:
        self.ids = tuple(f"s-{i:05d}" for i in range(samples))
        rng = np.random.default_rng(0)
        height = rng.uniform(0.1, 0.5, (samples, 1, 1))
        season = 1 + np.cos(2 * np.pi * np.arange(12) / 12)[None, :, None]
        self.x = (height * season * np.linspace(0.5, 1, len(tables.SERIES_BANDS))).astype(np.float32)
        if spoilt is not None:
            self.x[spoilt] = np.inf
        self.read: list[tuple[str, ...]] = []

    def batch(self, positions: npt.NDArray[np.int64]) -> SeriesBatch:
        """The batch at `positions`; remembers the ids."""
        names = [self.ids[p] for p in positions]
        self.read.append(tuple(names))
        x = torch.from_numpy(self.x[positions])
        return SeriesBatch(
            x_BTC=x,
            valid_BTC=torch.ones_like(x, dtype=torch.bool),
            month_BT=torch.arange(12).expand(len(names), 12).clone(),
            landcover_BT=torch.full((len(names), 12), 4),
            lonlat_B2=torch.zeros(len(names), 2),
            id_B=names,
        )
