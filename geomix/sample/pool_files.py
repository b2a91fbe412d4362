"""The tables of a pool's folder: which columns are wanted, read into candidates, local or remote, whole or in parts."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from geomix import store
from geomix.errors import DataError, PoolError
from geomix.sample.candidates import Candidates, by_id, of_table

FILES = ("pool.parquet", "strata.parquet", "measured.parquet")
"""Tables of a pool's folder, all with the same rows in the same order; the last is there where pixels were measured."""


def read(pool_uri: str, columns: Sequence[str] | None, draw_seed: int) -> Candidates:
    """The candidates of a pool's folder with `columns` of its tables (None: all), beside id, lon and lat.

    Names that no table has are left out: whoever needs them explains. Raises PoolError, DataError.
    """
    with tempfile.TemporaryDirectory() as folder:
        return collected(opened(pool_uri, columns, Path(folder)), draw_seed)


@dataclass(frozen=True)
class Opened:
    """The tables of a pool's folder, none of them read: local parts, schemas, and the columns of each that are wanted."""

    uri: str
    parts: Mapping[str, Sequence[Path]]
    schemas: Mapping[str, pa.Schema]
    wanted: Mapping[str, list[str]]
    """Of those tables that have any, beside `id`."""
    known: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows of the pool."""
        return sum(int(pq.read_metadata(path).num_rows) for path in self.parts[FILES[0]])

    def same_rows(self, name: str) -> bool:
        """Whether table `name` names the pool's hash: then its rows are in the pool's order, and ids need not be compared."""
        return _same_rows(self.schemas[FILES[0]], self.schemas[name])


def opened(pool_uri: str, columns: Sequence[str] | None, folder: Path) -> Opened:
    """The tables of a pool with `columns` (None: all), beside id, lon and lat; remote ones are copied into `folder`.

    Names that no table has are left out. Raises PoolError, DataError.
    """
    parts = {name: _local(pool_uri, name, folder) for name in FILES}
    schemas = {name: _schema(found[0], pool_uri, name) for name, found in parts.items() if found}
    known = [c for name, s in schemas.items() for c in s.names if c != "geometry" and (name == FILES[0] or c != "id")]
    # As DuckDB sees names: without case.
    folded = [c.casefold() for c in known]
    twice = [c for n, c in enumerate(known) if folded[n] in folded[:n]]
    if twice:
        raise PoolError(
            f"column {twice[0]!r} is both one of the pool's own columns and a stratum",
            remedy="rename it in the table, or leave it out of the pool's `columns:`",
        )
    # DuckDB's names have no case: `Landcover` in an expression is the column `landcover`.
    asked = None if columns is None else {c.casefold() for c in columns}
    wanted = {}
    for name, schema in schemas.items():
        always = ("id", "id64", "lon", "lat") if name == FILES[0] else ("id",)
        read = [c for c in schema.names if c in always or (c in known and (asked is None or c.casefold() in asked))]
        if read != ["id"]:
            wanted[name] = read
    return Opened(pool_uri, parts, schemas, wanted, tuple(known))


def collected(pool: Opened, draw_seed: int) -> Candidates:
    """All candidates of a pool, in memory. Raises PoolError, DataError."""
    whole: pa.Table | None = None
    for name, wanted in pool.wanted.items():
        if whole is not None and pool.same_rows(name):
            table = _read(pool.parts[name], [c for c in wanted if c != "id"])
            if len(table) == len(whole):
                whole = _beside(whole, table)
                continue
        table = by_id(_read(pool.parts[name], wanted), f"{pool.uri}/{name}")
        whole = table if whole is None else _joined(whole, table, f"{pool.uri}: {name}")
    assert whole is not None
    return of_table(whole, draw_seed, pool.known)


def _local(uri: str, name: str, folder: Path) -> list[Path]:
    """Local paths of a table's file, or of its parts in order; none if the optional table is absent."""
    whole = store.join(uri, name)
    parts = [store.join(whole, part) for part in store.list_names(whole) if part.startswith("part-")]
    try:
        return [store.local_copy(one, folder) for one in parts or [whole]]
    except FileNotFoundError:
        if name == FILES[2]:
            return []
        raise DataError(f"{whole}: no such file", remedy="build the pool first, or check the path") from None


def _schema(path: Path, uri: str, name: str) -> pa.Schema:
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    lacking = [c for c in (("id", "lon", "lat") if name == FILES[0] else ("id",)) if c not in schema.names]
    if lacking:
        raise DataError(f"{uri}/{name}: no column {', '.join(map(repr, lacking))}", wanted=f"one of: {', '.join(schema.names)}")
    return schema


def _read(paths: Sequence[Path], columns: list[str]) -> pa.Table:
    found = []
    for path in paths:
        try:
            found.append(pq.read_table(path, columns=columns, memory_map=True, use_threads=True))
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from None
    return pa.concat_tables(found)


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable table ({error})", remedy="is the file complete? write it again")


def _joined(whole: pa.Table, more: pa.Table, what: str) -> pa.Table:
    if not whole["id"].equals(more["id"]):
        raise PoolError(
            f"{what} does not hold the pool's ids",
            wanted=f"{len(whole):,} rows, one an id",
            remedy="remove this folder and run `geomix pool` again",
        )
    return _beside(whole, more)


def _beside(whole: pa.Table, more: pa.Table) -> pa.Table:
    for name in more.column_names:
        if name != "id":
            whole = whole.append_column(more.schema.field(name), more[name])
    return whole


def _same_rows(pool: pa.Schema, other: pa.Schema) -> bool:
    """Whether both files name the same pool hash: then their rows are in the same order, and ids need not be compared."""
    one, two = ((s.metadata or {}).get(b"geomix.pool_hash") for s in (pool, other))
    return one is not None and one == two
