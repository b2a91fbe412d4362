"""Spectral entropy of a sample, as a versioned definition: bins, edges, units, and three variants.

Input is reflectance (0 to 1, no unit), NaN or infinite where missing. A reflectance r falls into bin
min(floor(64 * clip(r, 0, 1)), 63): 64 bins with edges 0, 1/64, ..., 1; what lies outside goes to the end bins. Multiplying by a
power of two is exact in binary floating point, so that a number has the same bin on any machine, as float32 or as float64.

pooled     Shannon entropy of the histogram of all valid reflectances of a sample, all bands and pixels (or months)
           together: -sum(p ln p), nats, 0 to ln 64.
per_band   The mean, over bands with a valid reflectance, of the entropy of each band's own histogram: nats, 0 to ln 64.
spectrum   Entropy of the mean spectrum: the mean of clip(r, 0, 1) of each band that has a valid reflectance, divided by
           their sum: nats, 0 to ln(number of bands). NaN if that sum is 0.

A sample without any valid reflectance is NaN. Entropies are rounded to 1e-6 nats: logarithms may differ in the last bit
between machines. The estimates are the plain (maximum likelihood) ones, which n values bound by ln n: a pixel's twelve months
and a chip's thousands of pixels are not to be compared with each other, nor the spectra of samples with different bands.

arXiv 2604.21104 reports a "per-image spectral entropy" that belongs to a single sample; its summary, its code page and its
abstract give no bins and no formula, so that none of the three is claimed to be its measure. `pooled`, one
histogram an image, is the closest reading of its name.

Letters in names: N samples, C bands, T time steps, H x W pixels, V values of a band (T or H x W).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

VERSION = 1
"""Raised with every change of the numbers."""

BINS = 64
"""Bins over reflectance 0 to 1. One is as wide as 1/64 = 0.0156: a dozen months of a band do not each fill their own."""

EDGES: F64 = np.arange(BINS + 1) / BINS
"""Edges of the bins, float64 [65], exact; a bin holds its lower edge, the last one also its upper."""

VARIANTS = ("pooled", "per_band", "spectrum")

DECIMALS = 6

_BLOCK_VALUES = 1 << 22


def definition() -> dict[str, Any]:
    """The definition in JSON values, as it is kept beside measured columns."""
    return {"version": VERSION, "bins": BINS, "range": [0, 1], "unit": "nat", "decimals": DECIMALS, "variants": list(VARIANTS)}


def of_images(x_NCHW: npt.NDArray[np.floating[Any]]) -> dict[str, F64]:
    """Variant -> float64 [N], of images of reflectance [N, C, H, W]. Only bands of reflectance may be given."""
    return _in_blocks(x_NCHW.reshape(x_NCHW.shape[0], x_NCHW.shape[1], -1))


def of_series(x_NTC: npt.NDArray[np.floating[Any]]) -> dict[str, F64]:
    """Variant -> float64 [N], of series of reflectance [N, T, C]. Only bands of reflectance may be given."""
    return _in_blocks(x_NTC.transpose(0, 2, 1))


def _in_blocks(x_NCV: npt.NDArray[np.floating[Any]]) -> dict[str, F64]:
    samples, bands, values = x_NCV.shape
    found = {name: np.full(samples, np.nan) for name in VARIANTS}
    rows = max(1, _BLOCK_VALUES // max(1, bands * max(values, BINS)))
    for start in range(0, samples, rows):
        block = slice(start, start + rows)
        for name, entropies in _measure(x_NCV[block]).items():
            found[name][block] = np.round(entropies, DECIMALS) + 0.0  # + 0.0: no negative zero
    return found


def _measure(x_NCV: npt.NDArray[np.floating[Any]]) -> Mapping[str, F64]:
    samples, bands, _ = x_NCV.shape
    x = x_NCV.astype(np.float64)
    valid = np.isfinite(x)
    x = np.clip(np.where(valid, x, 0.0), 0.0, 1.0)
    bins = np.minimum((x * BINS).astype(np.int64), BINS - 1)
    band = np.arange(samples * bands).reshape(samples, bands, 1)
    cells = np.bincount((band * BINS + bins)[valid], minlength=samples * bands * BINS)
    counts_NCB = cells.reshape(samples, bands, BINS)
    seen_NC = counts_NCB.sum(axis=2) > 0
    of_band_NC = np.where(seen_NC, _entropy(counts_NCB), 0.0)
    mean_NC = x.sum(axis=2) / np.maximum(valid.sum(axis=2), 1)  # missing values were set to 0
    with np.errstate(invalid="ignore"):  # 0 / 0: nothing valid, or a black spectrum
        per_band = of_band_NC.sum(axis=1) / seen_NC.sum(axis=1)
        share_NC = mean_NC / mean_NC.sum(axis=1, keepdims=True)
    spectrum = -(share_NC * np.log(np.where(share_NC > 0, share_NC, 1.0))).sum(axis=1)
    return {"pooled": _entropy(counts_NCB.sum(axis=1)), "per_band": per_band, "spectrum": spectrum}


def _entropy(counts: npt.NDArray[np.int64]) -> F64:
    """Entropy of counts along the last axis, ln n - sum(c ln c) / n: NaN where there are none."""
    total = counts.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log(total) - (counts * np.log(np.maximum(counts, 1))).sum(axis=-1) / total, dtype=np.float64)
