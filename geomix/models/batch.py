"""Batches: what models consume. Letters in names: B samples, T time steps, C channels, 2 = (longitude, latitude)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from geomix.series import Series

UNKNOWN_TIME = torch.iinfo(torch.int64).min
"""What `ImageBatch.time_B` holds where a sample has no time."""


@dataclass(frozen=True)
class Batch:
    """What all batches share: ids of the samples, and moving to a device."""

    id_B: Sequence[str]
    """Sample ids: keys of masks, dropout and augmentation."""

    def to(self, device: torch.device | str) -> Self:
        """The batch with its tensors on `device`."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "id_B"}
        return replace(self, **moved)

    def __len__(self) -> int:
        return len(self.id_B)


@dataclass(frozen=True, kw_only=True)
class SeriesBatch(Batch):
    """Pixel time series in physical units (`tables.SERIES_UNITS`); nothing is normalised here."""

    x_BTC: Tensor
    """float32; reflectance 0-1, dB, K, m/day, m, degree, in the order of `tables.SERIES_BANDS`; 0 where not valid."""
    valid_BTC: Tensor
    """bool; False = missing."""
    month_BT: Tensor
    """int64; calendar month of each step, 0 = January."""
    landcover_BT: Tensor
    """int64; Dynamic World class 0-8, 9 = missing."""
    lonlat_B2: Tensor
    """float32; degrees, WGS84, longitude first."""


@dataclass(frozen=True, kw_only=True)
class PlaceBatch(Batch):
    """Places alone: what SatCLIP's location encoder reads."""

    lonlat_B2: Tensor
    """float32 (or float64); degrees, WGS84, longitude first."""


@dataclass(frozen=True, kw_only=True)
class ImageBatch(Batch):
    """Chips in physical units; nothing is normalised here. H rows from north to south, W columns from west to east."""

    x_BCHW: Tensor
    """float32; reflectance 0-1 (or another unit that the chip store states), bands in its order; any number where not valid."""
    valid_BHW: Tensor
    """bool; False = no data in any band."""
    lonlat_B2: Tensor
    """float32; degrees, WGS84, longitude first, of the chip's centre."""
    time_B: Tensor
    """int64; seconds since 1970-01-01 UTC, `UNKNOWN_TIME` where there is none."""


def series_batch(
    series: Series, lonlat_N2: npt.NDArray[np.float64], ids: Sequence[str], rows: npt.NDArray[np.int64] | None = None
) -> SeriesBatch:
    """The batch of `rows` (all, if None) of `series`; lonlat_N2 in degrees, longitude first, NaN where unknown."""
    if rows is not None:
        series, lonlat_N2, ids = series.take(rows), lonlat_N2[rows], [ids[r] for r in rows]
    valid = np.isfinite(series.x_NTC)
    return SeriesBatch(
        x_BTC=torch.from_numpy(np.where(valid, series.x_NTC, np.float32(0))),
        valid_BTC=torch.from_numpy(valid),
        month_BT=torch.from_numpy(series.month_NT),
        landcover_BT=torch.from_numpy(series.landcover_NT),
        lonlat_B2=torch.from_numpy(np.nan_to_num(lonlat_N2).astype(np.float32)),
        id_B=ids,
    )
