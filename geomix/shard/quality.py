"""Which samples are refused, and why: the rules of quality for series."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geomix import tables
from geomix.series import Series

NO_VALUES = "no_values"
"""Refusal code: not one finite value in the series."""

FEW_STEPS = "few_steps"
"""Refusal code: fewer than MIN_STEPS time steps (or than the series has) show the ground."""

MIN_STEPS = 3

GROUND: tuple[str, ...] = ("VV", "VH", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
"""Sentinel-1 and Sentinel-2: what was measured of the ground in that step. Weather and terrain are always known."""


def refusals(series: Series) -> npt.NDArray[np.object_]:
    """Refusal code of each series, None where it is accepted: object [N].

    A step counts if any of GROUND is finite: radar sees through clouds. Each series is judged by itself: neighbours do not
    matter.
    """
    finite = np.isfinite(series.x_NTC)
    codes = np.full(len(series), None, dtype=object)
    steps = finite[:, :, [tables.SERIES_BANDS.index(b) for b in GROUND]].any(axis=2).sum(axis=1)
    codes[steps < min(MIN_STEPS, series.x_NTC.shape[1])] = FEW_STEPS
    codes[~finite.any(axis=(1, 2))] = NO_VALUES
    return codes
