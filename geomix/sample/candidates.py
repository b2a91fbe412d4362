"""The candidates of a draw: a pool's rows by column, sorted by id, with their permanent random numbers."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from geomix import ids, tables
from geomix.errors import CompositionError, PoolError
from geomix.sample import expressions

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NOT_STRATA = ("id", "id64", "place", "lon", "lat", "time", "href", "cloud", "nodata", "geometry")


@dataclass(frozen=True)
class Candidates:
    """Rows that may be drawn, sorted by id: `table` (at least id, lon, lat) and `numbers`, uint64 [N] (design rule 3).

    `known`: all columns of the pool, for messages; `table` may hold only those that a strategy reads.
    """

    table: pa.Table
    numbers: ids.U64
    known: tuple[str, ...]
    of: int | None = None
    """Where these rows are all that matters of a larger pool (`beyond`): the candidates that it has."""

    @property
    def total(self) -> int:
        """Candidates that there are, for messages."""
        return len(self) if self.of is None else self.of

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def columns(self) -> list[str]:
        """Columns that strategies may use: strata, measured ones and the user's own."""
        return [c for c in self.known if c not in NOT_STRATA]

    @cached_property
    def lon(self) -> F64:
        """Longitudes in degrees, float64 [N]."""
        return np.asarray(self.table["lon"].to_numpy(), dtype=np.float64)

    @cached_property
    def lat(self) -> F64:
        """Latitudes in degrees, float64 [N]."""
        return np.asarray(self.table["lat"].to_numpy(), dtype=np.float64)

    def text(self, name: str) -> tuple[I32, list[str]]:
        """The values of a column as text: code of each row, int32 [N] (-1: null), and the texts in order of their name."""
        return text(self.table[name])

    def number(self, name: str) -> F64:
        """The values of a numeric column, float64 [N], NaN where null. Raises CompositionError for any other column."""
        column = self.table[name]
        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            raise CompositionError(
                f"column {name!r} of the pool holds {kind}, not numbers", wanted="a numeric column", remedy="name another one"
            )
        # `safe=False`: int64 beyond 2^53 is rounded to the nearest double, the same everywhere.
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)

    def select(self, expression: str, who: str) -> Mask:
        """Mask [N] of where the DuckDB boolean `expression` over the columns holds (null counts as false).

        Raises DataError: with DuckDB's own words if it is not valid, or if it is more than a condition on a row.
        """
        expressions.check(expression, who)
        rows = self.table.append_column(tables.ROW, pa.array(np.arange(len(self))))
        return tables.holds(rows, expression, who, (c for c in self.known if c != "id64"))

    def keep(self, mask: Mask) -> Candidates:
        """The candidates where `mask` [N] is true."""
        if mask.all():
            return self
        return Candidates(self.table.filter(pa.array(mask)), self.numbers[mask], self.known)

    def shuffled(self, order: I64) -> Candidates:
        """The same places, each with the strata and other columns of the row at `order` [N] (a permutation)."""
        table, moved = self.table, pa.array(order)
        for at, name in enumerate(table.column_names):
            if name not in NOT_STRATA:
                table = table.set_column(at, table.schema.field(at), table.column(at).take(moved))
        return Candidates(table, self.numbers, self.known)

    def ids_at(self, positions: I64) -> list[str]:
        """Ids of the rows at `positions`, in that order."""
        return [str(i) for i in self.table["id"].take(pa.array(positions)).to_pylist()]


def of_frame(frame: pd.DataFrame, draw_seed: int) -> Candidates:
    """The candidates of a pool's columns and strata (id, lon, lat, ...), in any row order. Raises PoolError."""
    return of_table(tables.arrow(frame), draw_seed)


def of_table(table: pa.Table, draw_seed: int, known: Sequence[str] | None = None) -> Candidates:
    """The candidates of an Arrow table (id, lon, lat, ...; `id64` is computed where it is absent). Raises PoolError."""
    table = by_id(table, "the pool")
    lost = ~(np.isfinite(table["lon"].to_numpy()) & np.isfinite(table["lat"].to_numpy()))
    if lost.any():
        raise PoolError(
            f"{lost.sum():,} rows of the pool have no coordinates, the first is {table['id'][int(lost.argmax())].as_py()!r}",
            remedy="leave them out with `where:` in the pool",
        )
    names = table.column_names
    ids64 = table["id64"].to_numpy() if "id64" in names else ids.id64(table["id"].to_pylist())
    numbers = ids.permanent_random(ids64, ids.derive_seed("draw", draw_seed))
    return Candidates(table.drop_columns("id64") if "id64" in names else table, numbers, tuple(known or names))


def text(column: pd.Series[Any] | pa.ChunkedArray) -> tuple[I32, list[str]]:
    """The values of a column as text: code of each row, int32 [N] (-1: null), and the texts in order of their name."""
    if not isinstance(column, pa.ChunkedArray):
        column = pa.chunked_array([pa.Array.from_pandas(column)])
    if pa.types.is_null(column.type):
        return np.full(len(column), -1, dtype=np.int32), []
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    coded = coded.unify_dictionaries().combine_chunks()
    if isinstance(coded, pa.ChunkedArray):  # no chunk at all
        return np.empty(0, dtype=np.int32), []
    codes = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)
    values = (
        coded.dictionary.to_pandas().tolist()
        if pa.types.is_temporal(coded.dictionary.type)
        else list(coded.dictionary.to_numpy(False))
    )
    used = np.bincount(codes + 1, minlength=len(values) + 1)[1:] > 0
    used &= np.asarray([not pd.isna(value) for value in values], dtype=bool)
    names = [_text(value) for value, here in zip(values, used, strict=True) if here]
    found = sorted(set(names))
    place = {name: n for n, name in enumerate(found)}
    renamed = np.full(len(values) + 1, -1, dtype=np.int32)  # code -1 takes the last
    renamed[np.flatnonzero(used)] = [place[name] for name in names]
    return renamed[codes], found


def _text(value: object) -> str:
    # An integer column with nulls becomes floats in pandas: class 4 must not turn into "4.0".
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def need(pool: Candidates, name: str, who: str, setting: str = "by:") -> None:
    """Raises CompositionError if the pool has no column `name` for strategies; `setting` is where it was written."""
    known = pool.columns
    if name not in known:
        raise CompositionError(
            f"{who}: the pool has no stratum {name!r}{suggestion(name, known)}",
            wanted=f"one of: {', '.join(known) or 'none is known'}",
            remedy=f"mend `{setting}`, or keep the table's column with `columns:` in the pool",
        )


def stratum(pool: Candidates, by: str, who: str) -> tuple[I32, list[str]]:
    """Stratum of each candidate as a code, int32 [N] (-1: null), and the strata's names in order of name.

    Raises CompositionError if the pool has no column `by`.
    """
    need(pool, by, who)
    return pool.text(by)


def suggestion(word: str, known: Sequence[str]) -> str:
    """`; did you mean ...?` if one of `known` is close to `word`, else nothing."""
    folded = {k.casefold(): k for k in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


def by_id(table: pa.Table, what: str) -> pa.Table:
    """`table` in order of id by code point (UTF-8 bytes), as Python and the hashes see it, and not by a locale."""
    if table.schema.field("id").type != pa.string():  # pandas writes large strings
        table = table.set_column(table.column_names.index("id"), "id", table["id"].cast(pa.string()))
    if not _rising(table["id"]):
        table = table.take(pc.sort_indices(table["id"]))
    if not _rising(table["id"]):
        before, after = table["id"].slice(0, len(table) - 1), table["id"].slice(1)
        twice = before.filter(pc.equal(before, after))
        seen = "rows without an id" if not len(twice) else f"id {twice[0].as_py()!r} more than once"
        raise PoolError(f"{what} holds {seen}", wanted="one row an id")
    return table


def _rising(names: pa.ChunkedArray) -> bool:
    if names.null_count:
        return False
    rises = pc.all(pc.less(names.slice(0, max(len(names) - 1, 0)), names.slice(1))).as_py()
    return rises is not False  # None: fewer than two rows
