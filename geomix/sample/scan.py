"""Passes over a pool's Parquet files, block by block through DuckDB: no more than a few blocks are in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geomix import ids, sql
from geomix.errors import PoolError
from geomix.sample.candidates import Candidates
from geomix.sample.pool_files import FILES, Opened

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Zone = Callable[[F64, F64], npt.NDArray[np.bool_]]
"""(longitudes, latitudes) in degrees -> True where rows are excluded."""

BLOCK = 1 << 20
"""Rows of a block."""
_ALWAYS = ("id64", "lon", "lat")


@dataclass(frozen=True)
class Scan:
    """A pool's tables on local disk, joined by row position, part by part; rows of the exclusion `zone` are left out."""

    pool: Opened
    draw_seed: int
    zone: Zone | None
    memory: int
    """Bytes that DuckDB may use."""

    @property
    def rows(self) -> int:
        """Rows of the pool, with those of the zone."""
        return sum(pq.read_metadata(path).num_rows for path in self.pool.parts[FILES[0]])

    def blocks(self, columns: Collection[str] | None, with_ids: bool) -> Iterator[tuple[Candidates, I64]]:
        """Candidates in order of id, at most BLOCK at a time, and their positions in the pool, int64.

        They have lon, lat, `columns` (None: all that were opened) and, with `with_ids`, id. Raises PoolError if parts of
        the tables do not hold the same rows in order of id: what a pass cannot sort, as `pool_files.read` does.
        """
        start, last = 0, None
        for n in range(len(self.pool.parts[FILES[0]])):
            for table in self._part(n, columns, with_ids):
                if with_ids:
                    last = self._checked(table, last)
                lost = ~(np.isfinite(table["lon"].to_numpy()) & np.isfinite(table["lat"].to_numpy()))
                if lost.any():
                    raise PoolError(
                        f"{self.pool.uri}: rows without coordinates", remedy="leave them out with `where:` in the pool"
                    )
                numbers = table["id64"].to_numpy() if "id64" in table.column_names else ids.id64(table["id"].to_pylist())
                numbers = ids.permanent_random(numbers, ids.derive_seed("draw", self.draw_seed))
                hidden = [c for c in ("id64", *_others()) if c in table.column_names]
                block = Candidates(table.drop_columns(hidden), numbers, self.pool.known)
                rows = np.arange(start, start + len(block))
                start += len(block)
                if self.zone is not None:
                    left = ~self.zone(block.lon, block.lat)
                    block, rows = block.keep(left), rows[left]
                yield block, rows

    def _part(self, n: int, columns: Collection[str] | None, with_ids: bool) -> Iterator[pa.Table]:
        asked = None if columns is None else {c.casefold() for c in columns}
        selected, sources, kinds = [], [], []
        counts = set()
        for at, (name, wanted) in enumerate(self.pool.wanted.items()):
            schema = self.pool.schemas[name]
            parts = self.pool.parts[name]
            if len(parts) != len(self.pool.parts[FILES[0]]):
                raise self._uneven(name)
            counts.add(pq.read_metadata(parts[n]).num_rows)
            need_ids = with_ids or (asked is not None and "id" in asked) or "id64" not in self.pool.schemas[FILES[0]].names
            taken = [c for c in wanted if c != "id" and (c in _ALWAYS or asked is None or c.casefold() in asked)]
            if at == 0 and need_ids:
                taken.insert(0, "id")
            selected += [f"t{at}.{_quoted(c)}" for c in taken]
            kinds += [schema.field(c) for c in taken]
            if at and with_ids and not self.pool.same_rows(name):
                selected.append(f"t{at}.id AS {_quoted(_other(name))}")
                kinds.append(pa.field(_other(name), pa.string()))
            if taken or at == 0:
                sources.append(f"read_parquet({sql.literal(sql.pattern(parts[n]))}) AS t{at}")
        if len(counts) > 1:
            raise self._uneven(" or ".join(list(self.pool.wanted)[1:]))
        with duckdb.connect() as connection:
            connection.execute(f"SET memory_limit = '{max(self.memory >> 20, 256)}MiB'")
            # A positional join keeps the files' order; plain scans keep it by this setting, which is DuckDB's default.
            connection.execute("SET preserve_insertion_order = true")
            query = f"SELECT {', '.join(selected)} FROM {' POSITIONAL JOIN '.join(sources)}"
            for table in _even(connection.sql(query).to_arrow_reader(BLOCK)):
                typed = [_typed(column, field.type) for column, field in zip(table.columns, kinds, strict=True)]
                yield pa.table(typed, names=[field.name for field in kinds])

    def _checked(self, table: pa.Table, last: str | None) -> str | None:
        """The block's last id. Raises PoolError if ids do not rise from `last` on, or are not those of the other tables."""
        names = table["id"]
        if not len(names):
            return last
        rises = names.null_count == 0 and pc.all(pc.less(names.slice(0, len(names) - 1), names.slice(1))).as_py() is not False
        if not rises or (last is not None and last >= names[0].as_py()):
            raise PoolError(
                f"{self.pool.uri}/{FILES[0]}: rows are not in order of id, or hold an id more than once",
                wanted="one row an id, in order of id: this pool is too large to be sorted in memory",
                remedy="build the pool again, or raise GEOMIX_POOL_MEMORY",
            )
        for other in _others():
            if other in table.column_names and not names.equals(table[other]):
                raise self._uneven(other.removeprefix("id of "))
        return str(names[-1].as_py())

    def _uneven(self, name: str) -> PoolError:
        return PoolError(
            f"{self.pool.uri}: {name} does not hold the pool's ids, part by part",
            wanted="the same rows in the same order",
            remedy="build the pool again: one that is too large for memory is joined by row position",
        )


def _even(reader: Any) -> Iterator[pa.Table]:
    # DuckDB hands over a row group at a time, whatever is asked for.
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        waiting.append(batch)
        if sum(map(len, waiting)) >= BLOCK:
            table = pa.Table.from_batches(waiting)
            whole = len(table) // BLOCK * BLOCK
            for start in range(0, whole, BLOCK):
                yield table.slice(start, BLOCK)
            waiting = table.slice(whole).to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting)


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A column with the type that its file says, as `pool_files.read` has it: DuckDB knows no dictionaries."""
    if column.type == kind:
        return column
    return column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(pa.string() if _long(kind) else kind)


def _long(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind))


def _other(name: str) -> str:
    return f"id of {name}"


def _others() -> list[str]:
    return [_other(name) for name in FILES[1:]]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
