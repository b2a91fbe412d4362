"""Small pools, series and stores for the tests of shard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from geomix import manifest, store, tables
from geomix.manifest import Manifest
from geomix.series import Series
from geomix.shard.write import materialise

STEPS = 12
CHANNELS = len(tables.SERIES_BANDS)
POOL_HASH = "pool-hash"
RECIPE: dict[str, Any] = {"kind": "test", "factor": {"B2": 0.5}}


def pool_rows(n: int) -> pd.DataFrame:
    """A pool of n rows, indexed by id; every third has no time."""
    time = pd.to_datetime(pd.Series(range(n)) * 86400 + 1_600_000_000, unit="s", utc=True)
    frame = pd.DataFrame(
        {
            "id": [f"s{k:05d}" for k in range(n)],
            "lon": np.linspace(-179, 179, n),
            "lat": np.linspace(-60, 70, n),
            "time": time.where(np.arange(n) % 3 != 0).astype("datetime64[s, UTC]"),
            "href": [f"table.csv#{k}" for k in range(n)],
        }
    )
    return frame.set_index("id")


def values(rows: pd.DataFrame) -> Series:
    """Series that tell their row: x = row + t / 100 + c / 10000; month = (row + t) mod 12; land cover = row mod 9."""
    number = rows["href"].str.rsplit("#", n=1).str[-1].astype(int).to_numpy()
    t, c = np.arange(STEPS), np.arange(CHANNELS)
    x = (number[:, None, None] + t[None, :, None] / 100 + c[None, None, :] / 10000).astype(np.float32)
    month = (number[:, None] + t[None, :]) % 12
    return Series(x, month, np.repeat(number[:, None] % 9, STEPS, axis=1))


def filled(folder: Path, n: int, **options: Any) -> str:
    """The URI of a store under `folder` with all n rows of `pool_rows`."""
    uri, pool = str(folder / "store"), pool_rows(n)
    materialise(uri, pool, list(pool.index), values, pool_hash=POOL_HASH, recipe=RECIPE, **options)
    return uri


def drawn(draw: list[str], reserves: list[str], strata: dict[str, str] | None = None, **description: Any) -> Manifest:
    """A drawn manifest: `draw`, then `reserves`; `strata` gives the stratum of an id."""
    names = [*draw, *reserves]
    stratum = pd.Series([(strata or {}).get(i) for i in names], dtype=object)
    return Manifest(pd.DataFrame({"id": names, "rank": range(len(names)), "stratum": stratum}), len(draw), description)


def save(folder: Path, drew: Manifest) -> str:
    """The URI of the folder to which `drew` was written."""
    manifest.write(str(folder), drew)
    return str(folder)


def bytes_of(uri: str) -> dict[str, bytes]:
    """Every file of a local folder, by name."""
    return {name: store.read_bytes(store.join(uri, name)) for name in store.list_names(uri)}
