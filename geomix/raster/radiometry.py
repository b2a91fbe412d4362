"""From digital numbers to a chip: physical units, masks, shares, and whether it is refused. Letters: B bands of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix.raster import chips, grid
from geomix.raster.chips import F32, Band, Bool, Chip, ClassMask, Recipe, Refusal, Shares


@dataclass(frozen=True, eq=False)
class Layers:
    """Some bands on a chip's grid."""

    x_BHW: F32
    """float32, in units; NaN without data or where saturated."""
    nodata_BHW: Bool
    saturated_BHW: Bool
    """True where there is data, but saturated."""


def layers(
    dn_BHW: npt.NDArray[Any], bands: Sequence[Band], nodata: Sequence[float | None], rows: grid.Axis, columns: grid.Axis
) -> Layers:
    """Digital numbers of some bands (a source window) on the chip's grid and in units.

    `nodata`: by band, what counts. Pixels without data and saturated ones take no part in resampling.
    """
    data, sound = np.ones(dn_BHW.shape, dtype=bool), np.ones(dn_BHW.shape, dtype=bool)
    for i, (band, value) in enumerate(zip(bands, nodata, strict=True)):
        if value is not None:
            data[i] = dn_BHW[i] != value
        if dn_BHW.dtype.kind == "f":
            data[i] &= np.isfinite(dn_BHW[i])
        if band.saturated is not None:
            sound[i] = dn_BHW[i] != band.saturated
    sound &= data
    values, good = grid.apply(rows, columns, dn_BHW, None if sound.all() else sound)
    has_data = good if sound.all() or (sound == data).all() else grid.apply(rows, columns, dn_BHW, data)[1]
    scale, offset = (np.array([getattr(b, name) for b in bands])[:, None, None] for name in ("scale", "offset"))
    x = np.where(good, values * scale + offset, np.nan).astype(np.float32)
    return Layers(x, ~has_data, has_data & ~good)


@dataclass(frozen=True, eq=False)
class Classes:
    """A class mask on a chip's grid: bool [H, W] each, no pixel in two of them."""

    nodata_HW: Bool
    saturated_HW: Bool
    cloud_HW: Bool


def classes(values_HW: npt.NDArray[Any], inside_HW: Bool, mask: ClassMask) -> Classes:
    """What `mask` says of each pixel; outside its raster it says "no data"."""
    nodata = ~inside_HW | np.isin(values_HW, mask.nodata)
    return Classes(nodata, ~nodata & np.isin(values_HW, mask.saturated), ~nodata & np.isin(values_HW, mask.cloud))


def judge(id: str, x_CHW: F32, nodata_HW: Bool, saturated_HW: Bool, cloud_HW: Bool | None, recipe: Recipe) -> Chip | Refusal:
    """The chip, or the first refusal that applies, in the order of chips.REFUSALS."""
    data = ~nodata_HW
    cloud = None
    if cloud_HW is not None:
        cloud = float((cloud_HW & data).sum() / max(data.sum(), 1))
    shares = Shares(float(nodata_HW.mean()), float((saturated_HW & data).mean()), cloud)

    def refused(code: str, detail: str) -> Refusal:
        return Refusal(id, code, detail, shares)

    if not data.any():
        return refused(chips.ALL_NODATA, "no pixel has data in every band")
    if shares.nodata > recipe.max_nodata:
        return refused(chips.TOO_MUCH_NODATA, f"{shares.nodata:.1%} without data, {recipe.max_nodata:.1%} allowed")
    if cloud is not None and cloud > recipe.max_cloud:
        return refused(chips.TOO_CLOUDY, f"{cloud:.1%} cloud, {recipe.max_cloud:.1%} allowed")
    constant = _constant(x_CHW[:, data])
    if constant.size:
        return refused(chips.CONSTANT_BAND, f"channel {constant[0]} has one value only")
    valid = data & ~saturated_HW
    return Chip(id, x_CHW, valid if cloud_HW is None else valid & ~cloud_HW, shares)


def _constant(x_CN: F32) -> npt.NDArray[np.intp]:
    """Channels with two finite values or more, all equal. One pixel alone says nothing."""
    finite = np.isfinite(x_CN)
    low = np.where(finite, x_CN, np.inf).min(axis=1)
    high = np.where(finite, x_CN, -np.inf).max(axis=1)
    return np.flatnonzero((finite.sum(axis=1) > 1) & (low == high))
