"""Blocks of rows in order of id, for tables that fit into memory and for those that do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from geomix import sql
from geomix.pool.rows import BLOCK_ROWS

MEMORY_ROWS = 2_000_000
"""Rows that are sorted in memory; more go to the disk and are sorted there by DuckDB."""

MEMORY_LIMIT = "1GB"
"""What DuckDB may hold while it sorts; the rest lies in its temporary files."""

# By coordinates too: rows that agree in id (a hash of rounded coordinates) come in the same order from any table.
_KEYS = ("id", "lon", "lat")


def by_id(blocks: Iterator[pa.Table], scratch: Path) -> Iterator[pa.Table]:
    """The rows of `blocks` in order of id (code points, which is the order of the UTF-8 bytes too), block by block.

    `scratch`: an existing folder for temporary files. Columns and types are those of the first block.
    """
    held: list[pa.Table] = []
    rows = 0
    for block in blocks:
        held.append(block.cast(held[0].schema) if held else block)
        rows += block.num_rows
        if rows > MEMORY_ROWS:
            yield from _on_disk(held, blocks, scratch)
            return
    if held:
        yield from _pieces(pa.concat_tables(held).sort_by([(key, "ascending") for key in _KEYS]))


def _pieces(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, table.num_rows, BLOCK_ROWS):
        yield table.slice(start, BLOCK_ROWS)


def _on_disk(held: list[pa.Table], blocks: Iterator[pa.Table], scratch: Path) -> Iterator[pa.Table]:
    schema = held[0].schema
    unsorted = scratch / "unsorted.parquet"
    with pq.ParquetWriter(unsorted, schema, compression="lz4") as writer:
        while held:
            writer.write_table(held.pop(0))
        for block in blocks:
            writer.write_table(block.cast(schema))
    limits = {"memory_limit": MEMORY_LIMIT, "temp_directory": str(scratch / "duckdb"), "preserve_insertion_order": "false"}
    with duckdb.connect(config=limits) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.sql(f"SELECT * FROM read_parquet({sql.files([unsorted])}) ORDER BY {', '.join(_KEYS)}")
        batches = []
        for batch in found.to_arrow_reader(BLOCK_ROWS):
            batches.append(batch)
            if sum(len(one) for one in batches) >= BLOCK_ROWS:
                yield pa.Table.from_batches(batches).cast(schema)
                batches = []
        if batches:
            yield pa.Table.from_batches(batches).cast(schema)
    unsorted.unlink()
