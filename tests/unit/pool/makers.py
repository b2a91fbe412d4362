"""Makes what a pool step needs: a table with arrays beside it, a study that uses it, and its plan."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from geomix import config, store, tables
from geomix.pool import hashes, table
from geomix.pool.rows import REFERENCE, VERSION, Rows
from geomix.step import Place

# One place on each of four continents, and one in the Atlantic.
LON = [2.35, -93.5, 28.0, 133.0, -40.0]
LAT = [48.85, 42.0, -26.0, -25.0, 30.0]


def frame(**columns: Any) -> pd.DataFrame:
    """Five rows: lon, lat, start_month, kind; `columns` replaces or adds some."""
    base = {"lon": LON, "lat": LAT, "start_month": [0, 3, 6, 9, 11], "kind": ["a", "b", "a", "b", "c"]}
    return pd.DataFrame({**base, **columns})


def pixels(rows: int) -> np.ndarray:
    """float32 [rows, 12, 2], every number different, one missing."""
    x = np.arange(rows * 24, dtype=np.float32).reshape(rows, 12, 2)
    x[0, 0, 0] = np.nan
    return x


def pool(folder: Path, table: pd.DataFrame, x: np.ndarray | None = None, **settings: Any) -> config.TablePool:
    """A table pool in `folder` (pool.csv, x.npz) with `settings` over the least that it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "pool.csv", index=False)
    np.savez(folder / "x.npz", X=pixels(len(table)) if x is None else x)
    arrays = {"uri": str(folder / "x.npz"), "channels": {"B2": 0, "B8": 1}, **settings.pop("arrays", {})}
    return config.TablePool.model_validate({"kind": "table", "uri": str(folder / "pool.csv"), "arrays": arrays, **settings})


def rows(pool: config.TablePool, strata: Collection[str]) -> Rows:
    """The rows of a table pool with arrays."""
    assert pool.arrays is not None
    return table.build(pool, pool.arrays, strata)


def pool_hash(rows: Rows) -> str:
    """The pool hash of rows, as the writer works it out."""
    found = hashes.PoolHash(rows.content)
    for block in rows.blocks():
        found.update(block, block[REFERENCE], block[VERSION])
    return found.hexdigest()


def study(pool: config.TablePool | dict[str, Any] | None = None, **changes: Any) -> config.Study:
    """A study with that pool; `changes` replaces top-level keys."""
    content: dict[str, Any] = {
        "name": "pools",
        "scale": "tiny",
        "pools": {"series": pool.model_dump() if isinstance(pool, config.TablePool) else pool or {"kind": "earth", "size": 60}},
        "budget": 2,
        "compositions": {"uar": {"strategy": "uniform"}},
        "models": {"presto": {"pool": "series"}},
        "tasks": {"crop": {"kind": "earth", "models": ["presto"], "size": 60}},
        "sweep": {"shots": [2], "splits": ["random"]},
        "report": {"primary": {"task": "crop", "split": "random", "head": "logistic", "metric": "f1", "shots": 2}},
    }
    return config.Study.model_validate({**content, **changes})


def plan(study: config.Study, place: Place, name: str = "p") -> str:
    """The folder of a plan, as `plan` leaves it."""
    uri = store.join(place.root, "plan", name, "attempt-0")
    store.write_json(store.join(uri, "study.json"), study.to_json())
    tables.write_parquet(store.join(uri, "places.parquet"), pd.DataFrame(columns=tables.PLACES_SCHEMA.names))
    return uri
