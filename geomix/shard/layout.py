"""The chip store on disk: names, index, description, checksums. Letters: N series, T time steps, C channels.

    {root}/store/{store key}/store.json            what is in it: bands, units, T, dtype, pool hash, recipe
                             part-00000.npy            float32 N x T x C, physical units, NaN where missing
                             part-00000.month.npy      uint8 N x T, 0 = January
                             part-00000.landcover.npy  uint8 N x T, Dynamic World class, 9 = missing
                             index.parquet             id -> part, row, refusal, lon, lat, time, start_month
                             writer.lock               who writes now

A part is never changed once the index names it. The index is replaced last and holds the checksums of the parts in its
metadata, so that one atomic write publishes a part; a part that no index names is left over from a killed writer.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geomix import ids, store, tables
from geomix.errors import DataError

SCHEMA_VERSION = 1
"""Raised when the same recipe gives other bytes: it is part of the store key."""

INDEX = "index.parquet"
DESCRIPTION = "store.json"
ARRAYS = ("", ".month", ".landcover")
"""What follows `part-00000` in the names of a part's arrays: values, calendar months, land cover."""

INDEX_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("part", pa.int32(), nullable=False),  # -1: refused, no pixels
        pa.field("row", pa.int64(), nullable=False),
        pa.field("refusal", pa.string()),
        pa.field("lon", pa.float64(), nullable=False),
        pa.field("lat", pa.float64(), nullable=False),
        pa.field("time", pa.timestamp("s", tz="UTC")),
        pa.field("start_month", pa.int8()),
    ]
)

_PARTS = "geomix:parts"


@dataclass(frozen=True)
class Index:
    """What the store holds: `rows` (INDEX_SCHEMA, sorted by id) and `parts`: number -> {file name: SHA-256}."""

    rows: pd.DataFrame
    parts: Mapping[int, Mapping[str, str]]

    @property
    def next_part(self) -> int:
        """Number of the part that would be written next."""
        return max(self.parts, default=-1) + 1


def store_key(pool_hash: str, recipe: Mapping[str, Any]) -> str:
    """Key of the store of a pool and a recipe: one for every composition and study that uses them."""
    return ids.step_key("store", SCHEMA_VERSION, {"modality": "series", "recipe": recipe}, {"pool": pool_hash})


def part_name(number: int, kind: str = "") -> str:
    """File name of an array of a part: `part-00003.month.npy`; `kind` is one of ARRAYS."""
    return f"part-{number:05d}{kind}.npy"


def read_index(store_uri: str) -> Index:
    """The index of the store; empty if there is none yet. Raises DataError if it cannot be read."""
    uri = store.join(store_uri, INDEX)
    try:
        table = pq.read_table(io.BytesIO(store.read_bytes(uri)))
        metadata = table.schema.metadata or {}
        parts = {int(number): files for number, files in json.loads(metadata[_PARTS.encode()]).items()}
        return Index(table.cast(INDEX_SCHEMA).to_pandas(), parts)
    except FileNotFoundError:
        return Index(INDEX_SCHEMA.empty_table().to_pandas(), {})
    except (ValueError, KeyError, OSError, pa.ArrowException) as error:
        raise DataError(f"{uri}: not a readable index ({error})", remedy=f"remove {store_uri} and run again") from None


def write_index(store_uri: str, index: Index) -> None:
    """Replaces the index, whole or not at all."""
    parts = json.dumps({str(number): dict(files) for number, files in sorted(index.parts.items())}, sort_keys=True)
    rows = index.rows.sort_values("id", kind="stable", ignore_index=True)
    tables.write_parquet(store.join(store_uri, INDEX), rows, INDEX_SCHEMA, {_PARTS: parts})


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_array(store_uri: str, name: str, sha256: str, cache: Path) -> npt.NDArray[Any]:
    """A read-only memory map of an array of the store, its checksum verified once a process.

    A remote array is staged into `cache`. Raises DataError if the bytes are not those that were written.
    """
    uri = store.join(store_uri, name)
    for last in (store.is_local(uri), True):
        try:
            path = store.local_copy(uri, cache)
            stat = path.stat()
            if _digest(path, stat.st_size, stat.st_mtime_ns) == sha256:
                array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
                return array.view(np.ndarray)  # indexing a np.memmap costs more than indexing what it maps
        except FileNotFoundError:
            raise DataError(
                f"{uri}: the store's index names this part, but it is missing", remedy=f"remove {store_uri} and run again"
            ) from None
        if not last:
            path.unlink(missing_ok=True)  # a spoilt copy in the cache: fetch it once more
    raise DataError(
        f"{uri}: SHA-256 differs from the one written with it",
        wanted=sha256,
        remedy=f"the disk or the copy is damaged: remove {store_uri} and run the study again",
    )


@lru_cache(maxsize=65536)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    # Size and time are part of the cache key: a file that was replaced is verified again.
    return sha256_file(path)
