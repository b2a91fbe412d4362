"""Columns measured on the pixels of a pool's rows: the spectral entropy of each series, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from geomix import series, spectral_entropy, tables
from geomix.errors import DataError

Load = Callable[[pd.DataFrame], series.Series]
"""Pool rows (id, lon, lat, href) -> their series, in that order."""

COLUMNS: tuple[str, ...] = tuple(f"spectral_entropy_{variant}" for variant in spectral_entropy.VARIANTS)
"""Columns of measured.parquet after `id`, float64, nats (`spectral_entropy`)."""

BLOCK = 4096
"""Rows whose series are in memory at once (31 MiB of series); the numbers do not depend on it."""


def measured(rows: pd.DataFrame, load: Load, bands: Sequence[str] = tables.SERIES_BANDS) -> pd.DataFrame:
    """`id` and COLUMNS of every row, in the order of `rows` (id and what `load` reads).

    `bands`: names of the channels that `load` gives, in order; only those of reflectance count (`tables.SERIES_UNITS`). NaN
    where a row has no reflectance at all. Raises DataError if `load` gives other rows or channels, or if no band is one of
    reflectance.
    """
    optical = [c for c, band in enumerate(bands) if tables.SERIES_UNITS.get(band) == "reflectance"]
    if not optical:
        raise DataError(f"no band of reflectance among {', '.join(bands)}", wanted="spectral entropy needs Sentinel-2 bands")
    found = {name: np.full(len(rows), np.nan) for name in COLUMNS}
    for start in range(0, len(rows), BLOCK):
        block = rows.iloc[start : start + BLOCK]
        x_NTC = load(block).x_NTC
        if len(x_NTC) != len(block) or x_NTC.shape[2] != len(bands):
            raise DataError(
                f"series of shape {x_NTC.shape} for {len(block):,} rows of the pool", wanted=f"{len(bands)} channels a row"
            )
        entropies = spectral_entropy.of_series(x_NTC[:, :, optical])
        for name, variant in zip(COLUMNS, spectral_entropy.VARIANTS, strict=True):
            found[name][start : start + BLOCK] = entropies[variant]
    return pd.DataFrame({"id": rows["id"].to_numpy(), **found})
