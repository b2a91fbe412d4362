"""Builds a pool outside of a study: `geomix pool build`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from geomix import config, step, store
from geomix.errors import DataError
from geomix.pool import sources, strata, write

SCHEMA = 2
"""Raised when the rules behind a stratum (atlas.continents) or the files of a pool change."""


def build(
    pool: config.Pool,
    own: Mapping[str, config.OwnStratum],
    out: str,
    earth: config.Earth | None = None,
    progress: write.Progress | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Writes the pool into the folder `out` (local or s3:) and returns the content of its pool.json.

    A folder that holds this very pool already, from the same input, is left as it is. `own`: the user's own strata, beside
    those of the packaged maps. `progress`: called with the number of rows written so far. `force`: replace another pool in
    `out`. Raises PoolError (bad rows), InputError (`out` holds something else), StudyError, DataError, UnavailableError.
    """
    with tempfile.TemporaryDirectory(prefix="geomix-pool-") as scratch:
        known = strata.known(own)
        read = sources.opened(pool, earth or config.Earth(), Path(scratch))
        decides = {**read.decides, "strata": strata.fingerprints(own)}
        return into(out, decides, read.inputs, lambda: write.write(out, read.source(known), known, progress), force)


def into(
    out: str, decides: Mapping[str, Any], inputs: Mapping[str, str], work: Callable[[], Mapping[str, Any]], force: bool = False
) -> dict[str, Any]:
    """pool.json of the pool that `work` writes into `out`, once for what decides it. Raises InputError if `out` is taken."""
    done = step.named("pool", out, lambda _: write.described(work()), schema=SCHEMA, config=decides, inputs=inputs, force=force)
    return described(done.uri)


def described(pool_uri: str) -> dict[str, Any]:
    """pool.json of the pool in the folder `pool_uri`. Raises DataError."""
    if store.exists(store.join(pool_uri, "unfinished.json")):
        # Its files may be of two pools: those of the one before are replaced one after the other.
        raise DataError(f"{pool_uri}: the command that builds this pool did not end", remedy="run that command again")
    where = store.join(pool_uri, "pool.json")
    try:
        content = store.read_json(where)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        remedy = f"build one: geomix pool build --kind grid --spacing-km 10 --out {pool_uri}"
        raise DataError(f"{pool_uri}: no pool here", wanted="a folder with pool.json", remedy=remedy) from None
    if not isinstance(content, dict):
        raise DataError(f"{where}: no JSON object", remedy="build the pool again with this version")
    lacking = [key for key in ("pool_hash", "rows", "kind", "columns", "column_hashes", "strata") if key not in content]
    if lacking:
        raise DataError(f"{where}: no {lacking[0]!r}", remedy="build the pool again with this version")
    return content
