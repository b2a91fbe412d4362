"""Makers of pools and manifests whose statistics are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geomix import manifest, store, tables

HASH = "ab" * 32
FRAME = pd.DataFrame(
    {
        "id": [f"p{n}" for n in range(8)],
        "lon": [10.0, 10.5, 11.0, 25.0, 100.0, 101.0, -60.0, -61.0],
        "lat": [50.0, 50.0, 50.0, 1.0, 30.0, 31.0, -10.0, -10.0],
        "continent": ["Europe", "Europe", "Europe", "Africa", "Asia", "Asia", "South America", None],
        "landcover": [12, 12, 4, 2, 1, 10, 2, 2],
        "city_km": [1.0, 2.0, 3.0, 400.0, np.nan, 6.0, 7.0, 8.0],
        "spectral_entropy_pooled": np.arange(8) / 4,
    }
)


def pool(folder: Path, parts: int = 1, frame: pd.DataFrame = FRAME) -> str:
    """Writes pool.parquet, strata.parquet, measured.parquet and pool.json, in files or in `parts` parts; the pool's URI."""
    for name, columns in {
        "pool": ["id", "lon", "lat"],
        "strata": ["id", "continent", "landcover", "city_km"],
        "measured": ["id", "spectral_entropy_pooled"],
    }.items():
        for at, rows in enumerate(np.array_split(np.arange(len(frame)), parts)):
            table = tables.arrow(frame.iloc[rows][columns].reset_index(drop=True))
            if name == "strata":  # as `pool` writes text
                table = table.set_column(1, "continent", table["continent"].cast(pa.string()).dictionary_encode())
            path = folder / f"{name}.parquet" / f"part-{at:05d}.parquet" if parts > 1 else folder / f"{name}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)
    store.write_json(str(folder / "pool.json"), {"pool_hash": HASH, "synthetic": True})
    return str(folder)


def composition(folder: Path, pool_uri: str, ids: Sequence[str], budget: int | None = None, **described: Any) -> str:
    """Writes a manifest of `ids`; its URI."""
    rows = pd.DataFrame({"id": list(ids), "rank": np.arange(len(ids)), "stratum": None})
    told = {"strategy": "uniform", "pool": {"name": "series", "uri": pool_uri, "hash": HASH}, **described}
    manifest.write(str(folder), manifest.Manifest(rows, budget or len(rows), told))
    return str(folder)
