"""Makers of small pools whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from geomix import ids, store, tables
from geomix.sample.candidates import Candidates, of_frame


def frame(rows: int, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Rows uniform on the sphere with strata `continent` (four values and nulls) and `landcover` (1 to 8)."""
    random = np.random.default_rng(seed)
    continents = np.array(["Africa", "Asia", "Europe", "Oceania", None], dtype=object)
    return pd.DataFrame(
        {
            "id": [f"s{seed}-{n:06d}" for n in range(rows)],
            "lon": random.uniform(-180, 180, rows),
            "lat": np.degrees(np.arcsin(random.uniform(-1, 1, rows))),
            "continent": continents[random.choice(5, rows, p=[0.4, 0.3, 0.15, 0.1, 0.05])],
            "landcover": random.integers(1, 9, rows),
            **columns,
        }
    )


def candidates(rows: int, seed: int = 0, draw_seed: int = 0, **columns: Any) -> Candidates:
    """Candidates of `frame`."""
    return of_frame(frame(rows, seed, **columns), draw_seed)


def drawn_ids(pool: Candidates, positions: Any) -> list[str]:
    """Ids at the positions."""
    return pool.ids_at(np.asarray(positions))


def write(folder: Path, rows: pd.DataFrame) -> dict[str, str]:
    """Writes pool.parquet and strata.parquet of `rows`; the `pool` part of a draw."""
    strata = [c for c in ("continent", "landcover", "climate_zone") if c in rows]
    pool = rows.drop(columns=strata).assign(
        place=rows["id"], time=pd.NaT, href=None, cloud=0.0, nodata=0.0, id64=ids.id64(rows["id"])
    )
    pool["time"] = pd.to_datetime(pool["time"], utc=True)
    ordered = pool.sort_values("id")
    tables.write_parquet(str(folder / "pool.parquet"), ordered, tables.POOL_SCHEMA)
    tables.write_parquet(str(folder / "strata.parquet"), rows[["id", *strata]].sort_values("id"))
    found = {"name": "series", "uri": str(folder), "hash": ids.sha256("pool", *ordered["id"])}
    hashed = pd.concat([ordered, rows[strata].loc[ordered.index]], axis=1).drop(
        columns=["id", "id64", "lon", "lat", "time", "href"]
    )
    hashes = {str(c): ids.sha256(*(str(v) for v in hashed[c])) for c in hashed}
    own = [c for c in rows if c not in (*strata, "id", "lon", "lat")]
    described = {
        "pool_hash": found["hash"],
        "rows": len(rows),
        "kind": "table",
        "column_hashes": hashes,
        "columns": own,
        "strata": {name: {} for name in strata},
    }
    store.write_json(str(folder / "pool.json"), described)
    return found


def write_plan(folder: Path, places: pd.DataFrame | None = None, **changes: Any) -> str:
    """Writes study.json and places.parquet of a study with `changes`; the plan's URI."""
    study: dict[str, Any] = {
        "name": "tiny",
        "scale": "tiny",
        "pools": {"series": {"kind": "earth", "size": 3000}},
        "budget": 100,
        "compositions": {"uar": {"strategy": "uniform"}},
        "models": {"presto": {"pool": "series"}},
        "tasks": {"cropland": {"kind": "earth", "models": ["presto"]}},
        "sweep": {"heads": ["logistic"], "shots": [20], "splits": ["random"]},
        "report": {"primary": {"task": "cropland", "split": "random", "head": "logistic", "metric": "f1", "shots": 20}},
        **changes,
    }
    store.write_json(str(folder / "study.json"), study)
    empty = pd.DataFrame({"task": pd.Series(dtype=str), "row": pd.Series(dtype=np.int64), "lon": 0.0, "lat": 0.0})
    tables.write_parquet(str(folder / "places.parquet"), empty if places is None else places, tables.PLACES_SCHEMA)
    return str(folder)
