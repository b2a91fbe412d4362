"""Columns measured on the pixels of a pool's rows: the spectral entropy of each series, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from geomix import ids, spectral_entropy, store, tables
from geomix.errors import DataError
from geomix.pixels import Load
from geomix.pool import hashes

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


def add(folder: str, content: Mapping[str, Any], load: Load) -> dict[str, Any]:
    """Measures every row of the pool in `folder` into measured.parquet; the pool's description with what that adds.

    Same rows, order and parts as pool.parquet. `content`: pool.json, which is written again. Raises DataError.
    """
    whole = store.join(folder, "pool.parquet")
    found = {name: hashes.ColumnHash() for name in COLUMNS}
    metadata = {"geomix.pool_hash": str(content["pool_hash"]), "geomix.spectral_entropy": _definition()}
    for part in tables.files(whole):
        columns = measured(tables.read(part, ["id", "lon", "lat", "href"]), load)
        for name in COLUMNS:
            found[name].update(pa.chunked_array([pa.array(columns[name], from_pandas=True)]))
        target = store.join(folder, "measured.parquet", part[len(whole) :])
        tables.write_parquet(target.rstrip("/"), columns, metadata=metadata)
    digests = {name: digest.hexdigest() for name, digest in found.items()}
    described = {**content, "measured": list(COLUMNS), "column_hashes": {**content["column_hashes"], **digests}}
    store.write_json(store.join(folder, "pool.json"), described)
    return described


def _definition() -> str:
    return ids.canonical_json(spectral_entropy.definition())
