"""Adds samples to a chip store: append-only parts, one writer, nothing half-written, nothing twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from geomix import store, tables
from geomix.errors import DataError
from geomix.pixels import Load
from geomix.series import Series
from geomix.shard import layout, quality
from geomix.shard.lock import WriterLock

PART_ROWS = 16384
"""Series of a part: 12 months x 16 channels x 4 bytes make 12.6 MB, which is also what a killed writer loses at most."""


def describe(pool_hash: str, recipe: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """The content of store.json; `steps` is T."""
    return {
        "schema": layout.SCHEMA_VERSION,
        "modality": "series",
        "bands": list(tables.SERIES_BANDS),
        "units": dict(tables.SERIES_UNITS),
        "dtype": "float32",
        "nodata": "NaN",
        "steps": steps,
        "processing_level": "monthly composites in physical units",
        "missing_landcover": tables.MISSING_LANDCOVER,
        "pool_hash": pool_hash,
        "recipe": dict(recipe),
    }


def materialise(
    store_uri: str,
    pool: pd.DataFrame,
    ids: Sequence[str],
    load: Load,
    *,
    pool_hash: str,
    recipe: Mapping[str, Any],
) -> pd.DataFrame:
    """The index of the store (layout.INDEX_SCHEMA) after every one of `ids` is in it, with pixels or with a refusal code.

    `pool`: pool rows, indexed by id, with lon, lat, time, href. `load` gives the series of pool rows.
    Ids already there are not touched. Raises BusyError if another process writes, DataError on arrays that do not fit.
    """
    index = layout.read_index(store_uri)
    if not _missing(index, ids):
        return index.rows
    with WriterLock(store_uri) as lock:
        index = layout.read_index(store_uri)  # another writer may have finished before the lock was ours
        missing = _missing(index, ids)
        for start in range(0, len(missing), PART_ROWS):
            rows = pool.loc[missing[start : start + PART_ROWS]].rename_axis("id").reset_index()
            index = _append(store_uri, index, rows, load(rows), lock, pool_hash=pool_hash, recipe=recipe)
    return index.rows


def _missing(index: layout.Index, ids: Sequence[str]) -> list[str]:
    return sorted(set(ids).difference(index.rows["id"]))


def _append(
    store_uri: str,
    index: layout.Index,
    rows: pd.DataFrame,
    series: Series,
    lock: WriterLock,
    *,
    pool_hash: str,
    recipe: Mapping[str, Any],
) -> layout.Index:
    if series.x_NTC.shape[0] != len(rows) or series.x_NTC.shape[2] != len(tables.SERIES_BANDS):
        raise DataError(
            f"series of shape {series.x_NTC.shape}", wanted=f"[{len(rows)}, time steps, {len(tables.SERIES_BANDS)}]"
        )
    _same_store(store_uri, describe(pool_hash, recipe, int(series.x_NTC.shape[1])))
    codes = quality.refusals(series)
    kept = np.flatnonzero(pd.isna(codes))
    parts = dict(index.parts)
    number = index.next_part
    lock.refresh()
    if len(kept):
        parts[number] = _write_part(store_uri, number, series.take(kept))
    part = np.full(len(rows), -1, dtype=np.int32)
    row = np.full(len(rows), -1, dtype=np.int64)
    part[kept], row[kept] = number, np.arange(len(kept))
    added = pd.DataFrame(
        {
            "id": rows["id"],
            "part": part,
            "row": row,
            "refusal": codes,
            "lon": rows["lon"],
            "lat": rows["lat"],
            "time": rows.get("time", pd.NaT),
            "start_month": series.month_NT[:, 0].astype(np.int8),
        }
    )
    # Both through the schema: a column that is all null in one of the two must not decide the other's type.
    old, new = (tables.arrow(f, layout.INDEX_SCHEMA) for f in (index.rows, added))
    updated = layout.Index(pa.concat_tables([old, new]).to_pandas(), parts)
    lock.refresh()
    layout.write_index(store_uri, updated)
    return updated


def _write_part(store_uri: str, number: int, series: Series) -> dict[str, str]:
    arrays: tuple[npt.NDArray[Any], ...] = (
        np.ascontiguousarray(series.x_NTC, dtype=np.float32),
        series.month_NT.astype(np.uint8),
        series.landcover_NT.astype(np.uint8),
    )
    checksums = {}
    for kind, array in zip(layout.ARRAYS, arrays, strict=True):
        name = layout.part_name(number, kind)
        with store.writing(store.join(store_uri, name)) as path:
            with path.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            checksums[name] = layout.sha256_file(path)
    return checksums


def _same_store(store_uri: str, description: dict[str, Any]) -> None:
    uri = store.join(store_uri, layout.DESCRIPTION)
    if store.create_exclusive(uri, store.json_bytes(description)):
        return
    known = store.read_json(uri)
    if known != description:
        differing = sorted(k for k in description if known.get(k) != description[k])
        raise DataError(
            f"{uri}: describes other data ({', '.join(differing)})",
            wanted=f"the same as now: {', '.join(f'{k}={description[k]}' for k in differing)}",
            remedy=f"remove {store_uri} and run again",
        )
