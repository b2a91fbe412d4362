"""Builds a pool outside of a study: `geomix pool build`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from geomix import config, ids, store
from geomix.errors import DataError, PoolError
from geomix.pool import classes, sources, write
from geomix.pool import strata as strata_of

SCHEMA = 2
"""Raised when the rules behind a stratum (atlas.continents) or the files of a pool change."""

_FILES = {"pool.parquet", "strata.parquet", "measured.parquet", "unresolved.parquet", "pool.json", "building.json", "complete"}


def build(
    pool: config.Pool,
    strata: Mapping[str, config.Polygons],
    out: str,
    earth: config.Earth | None = None,
    progress: write.Progress | None = None,
) -> dict[str, Any]:
    """Writes the pool into the folder `out` (local or s3:) and returns the content of its pool.json.

    A folder that holds this very pool already, from the same input, is left as it is. `strata`: the user's own, beside
    those of the packaged maps. `progress`: called with the number of rows written so far. Raises PoolError (bad rows, or
    `out` holds something else), StudyError, DataError, UnavailableError.
    """
    with tempfile.TemporaryDirectory(prefix="geomix-pool-") as scratch:
        known = classes.of_own(strata)
        read = sources.opened(pool, earth or config.Earth(), Path(scratch))
        decides = {**read.decides, "strata": _fingerprints(strata)}
        return into(out, decides, read.inputs, lambda: write.write(out, read.source(known), known, progress))


def into(out: str, decides: Mapping[str, Any], inputs: Mapping[str, str], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns, done once for what decides it; `complete` is written last. Raises PoolError if `out` is taken."""
    key = ids.step_key("pool", SCHEMA, decides, inputs)
    try:
        done = store.read_json(store.join(out, "complete"))
    except FileNotFoundError:
        done = None
    if done is not None and done.get("key") == key:
        return dict(store.read_json(store.join(out, "pool.json")))
    others = [name for name in store.list_names(out) if name not in _FILES and not name.startswith(".writing-")]
    if done is not None or others:
        what = "another pool" if done is not None else ", ".join(others[:5])
        raise PoolError(f"{out}: it holds {what}", wanted="an empty folder", remedy="choose another --out, or remove it")
    if store.list_names(out) and not store.exists(store.join(out, "building.json")):
        raise PoolError(f"{out}: it holds {', '.join(store.list_names(out)[:5])}", wanted="an empty folder")
    store.write_json(store.join(out, "building.json"), {"key": key})
    try:
        content = work()
    except BaseException:
        # Nothing was published: an empty folder. Else the mark stays, and the next attempt builds over what there is.
        if store.list_names(out) == ["building.json"]:
            store.delete(store.join(out, "building.json"))
        raise
    store.write_json(store.join(out, "complete"), {"key": key, "pool_hash": content["pool_hash"], "rows": content["rows"]})
    store.delete(store.join(out, "building.json"))
    return content


def _fingerprints(own: Mapping[str, config.Polygons]) -> dict[str, str]:
    return strata_of.fingerprints(SimpleNamespace(strata=own))  # type: ignore[arg-type]  # it reads nothing else of a study


def described(pool_uri: str) -> dict[str, Any]:
    """pool.json of the pool in the folder `pool_uri`. Raises DataError."""
    try:
        return dict(store.read_json(store.join(pool_uri, "pool.json")))
    except FileNotFoundError:
        raise DataError(f"{pool_uri}: no pool here", remedy="build one: geomix pool build --out " + pool_uri) from None
