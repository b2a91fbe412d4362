"""A Parquet table that is one file up to PART_ROWS rows, and a folder of parts beyond."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from geomix import store

PART_ROWS = 5_000_000
"""Rows of a file: what a reader of one part holds comfortably, and few requests for a large pool."""

GROUP_ROWS = 250_000


class Parts:
    """Writes blocks to parts in a scratch folder; `finish` and `publish` bring them to where they belong.

    The parts are open until the end, because what their metadata says (the pool hash) is known only then.
    """

    def __init__(self, scratch: Path, name: str, store_schema: bool = True) -> None:
        self.name, self.paths = name, list[Path]()
        self._scratch, self._store_schema = scratch, store_schema
        self._writers: list[pq.ParquetWriter] = []
        self._room = 0

    def write(self, block: pa.Table) -> None:
        """Adds rows. All blocks have the schema of the first one."""
        # A block's own metadata would be written into the Arrow schema, where readers find it before the file's.
        block, at = block.replace_schema_metadata(None), 0
        while at < block.num_rows:
            if not self._room:
                path = self._scratch / f"{len(self.paths):05d}-{self.name}"
                self._writers.append(pq.ParquetWriter(path, block.schema, compression="zstd", store_schema=self._store_schema))
                self.paths.append(path)
                self._room = PART_ROWS
            rows = min(self._room, block.num_rows - at)
            self._writers[-1].write_table(block.slice(at, rows), row_group_size=GROUP_ROWS)
            at, self._room = at + rows, self._room - rows

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Writes the metadata of every part and closes it."""
        for writer in self._writers:
            writer.add_key_value_metadata(dict(metadata))
        self.close()

    def close(self) -> None:
        """Closes the parts."""
        for writer in self._writers:
            writer.close()

    def publish(self, folder: str) -> None:
        """Moves the finished parts to `folder`/name, or `folder`/name/part-00000.parquet and so on."""
        uri = store.join(folder, self.name)
        store.delete(uri)
        for number, path in enumerate(self.paths):
            store.publish(path, uri if len(self.paths) == 1 else store.join(uri, f"part-{number:05d}.parquet"))
