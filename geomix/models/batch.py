"""Batches: what models consume. Letters in names: B samples, T time steps, C channels, 2 = (longitude, latitude)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from geomix.series import Series


@dataclass(frozen=True)
class SeriesBatch:
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
    id_B: Sequence[str]
    """Sample ids: keys of masks and dropout."""

    def to(self, device: torch.device | str) -> SeriesBatch:
        """The batch with its tensors on `device`."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "id_B"}
        return replace(self, **moved)

    def __len__(self) -> int:
        return len(self.id_B)


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
