"""The columns of a pool in its folder: their names, and the classes that occur; only the column's own bytes are read."""

from __future__ import annotations

import io
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from geomix import store, tables
from geomix.pool.build import described
from geomix.pool.rows import text


class _Ranges(io.RawIOBase):
    """The file at a URI, of which each read fetches only its own bytes, tried again as the store does."""

    def __init__(self, uri: str) -> None:
        self._uri, self._at, self._size = uri, 0, store.size(uri)
        self._files, self._path = store.filesystem(uri)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        start = self._at
        end = self._size if size is None or size < 0 else min(start + size, self._size)
        if end <= start:
            return b""
        found = bytes(store.retrying(self._uri, lambda: self._files.cat_file(self._path, start=start, end=end)))
        self._at = start + len(found)
        return found


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
            file = pq.ParquetFile(_Ranges(part), read_dictionary=[name], pre_buffer=True)
            for block in file.iter_batches(batch_size=1 << 20, columns=[name]):
                values = block.column(0)
                if pa.types.is_floating(values.type) and (np.nan_to_num(values.to_numpy(zero_copy_only=False)) % 1).any():
                    return None
                found.update(text(value) for value in values.unique().to_pylist() if value is not None and value == value)
        return sorted(found)
