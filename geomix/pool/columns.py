"""The columns of a pool in its folder: their names, and the classes that occur, without reading anything else."""

from __future__ import annotations

import io
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from geomix import store, tables
from geomix.pool.build import described
from geomix.pool.rows import text


class PoolColumns:
    """Columns of the pool in the folder `uri` that compositions may name: strata, then what the user's table kept."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @cached_property
    def _where(self) -> dict[str, str]:
        known = described(self.uri)
        return {
            **dict.fromkeys(known["strata"], "strata.parquet"),
            **dict.fromkeys(known.get("measured", ()), "measured.parquet"),
            **dict.fromkeys(known["columns"], "pool.parquet"),
        }

    @property
    def names(self) -> list[str]:
        """Their names."""
        return list(self._where)

    def classes(self, name: str) -> list[str] | None:
        """Values of column `name` that occur, as text, by name, without nulls; None if it has numbers, not classes."""
        found: set[str] = set()
        for part in tables.files(store.join(self.uri, self._where[name])):
            # Dictionaries: of many million rows only the few different values become Python objects.
            file = pq.ParquetFile(io.BytesIO(store.read_bytes(part)), read_dictionary=[name])
            for block in file.iter_batches(batch_size=1 << 20, columns=[name]):
                values = block.column(0)
                if pa.types.is_floating(values.type) and (np.nan_to_num(values.to_numpy(zero_copy_only=False)) % 1).any():
                    return None
                found.update(text(value) for value in values.unique().to_pylist() if value is not None and value == value)
        return sorted(found)
