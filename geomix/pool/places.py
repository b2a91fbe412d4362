"""Rows of a pool in a table without stored arrays: places, or scenes named by their rasters; read block by block."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from geomix import config, ids, sql, store, tables
from geomix.errors import DataError, PoolError
from geomix.pool import coordinates, csv_table, footprints, geoparquet, hashes
from geomix.pool.adapters import Columns, columns
from geomix.pool.rows import BLOCK_ROWS, Source, block, coordinates_text

_LARGE = ("UBIGINT", "HUGEINT", "UHUGEINT")
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
    "BOOLEAN",
)
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_MEMORY = {"memory_limit": "1GB", "preserve_insertion_order": "true"}


def source(pool: config.TablePool, strata: Collection[str], scratch: Path) -> Source:
    """The table's rows, in its own order. `strata`: names that the user's columns must not have; `scratch`: for downloads.

    Rows without an id column that agree in everything that is kept are one sample. Raises (when read) PoolError, DataError.
    """
    notes: dict[str, Any] = {"rows_in_table": 0, "rows_selected": 0}
    content = ids.canonical_json({"places": "table", "format": pool.format})
    reader = _Table(pool, strata, scratch, notes)
    merge = pool.format == "plain" and pool.id is None
    return Source(pool.uri, "table", None, reader.blocks, content, notes, merge=merge, may_be_exchanged=not pool.sea)


class _Table:
    def __init__(self, pool: config.TablePool, strata: Collection[str], scratch: Path, notes: dict[str, Any]) -> None:
        self.pool, self.strata, self.scratch, self.notes = pool, strata, scratch, notes

    def blocks(self) -> Iterator[pa.Table]:
        pool, notes = self.pool, self.notes
        files = [str(self._local(name)) for name in tables.files(pool.uri)]
        with duckdb.connect(config={**_MEMORY, "temp_directory": str(self.scratch / "duckdb")}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            # An expression of a study file must not read or write other files.
            connection.execute(f"SET allowed_paths = {sql.allowed(files)}")
            connection.execute("SET enable_external_access = false")
            try:
                kinds, relation = self._relation(connection, files)
                notes["rows_in_table"] = connection.sql(f"SELECT count(*) FROM {relation}").fetchall()[0][0]
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise _unreadable(pool.uri, error) from None
            by_geometry = pool.format == "plain" and pool.lon not in kinds and pool.lat not in kinds
            known = columns(pool, kinds, geoparquet.primary(files, pool.uri) if by_geometry else None)
            kept = self._kept(kinds)
            self._lacking(known, kinds)
            if known.geometry is not None:
                geoparquet.refuse_projected(files, _name(known.geometry), pool.uri)
            chosen = [f"{_plain(n, expr, kinds)} AS {n}" for n, expr in _expressions(known)]
            chosen += [f"{_column(name, kinds)} AS x{k}" for k, name in enumerate(kept)]
            where = f" WHERE ({pool.where}\n)" if pool.where is not None else ""
            try:
                found = connection.sql(f"SELECT {', '.join(chosen)} FROM (SELECT * FROM {relation} AS rows{where})")
            except duckdb.Error as error:
                raise self._misfit(connection, relation, kinds, error) from None
            try:
                for batch in found.to_arrow_reader(BLOCK_ROWS):
                    yield self._block(pa.Table.from_batches([batch]), kept)
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                # DuckDB's errors do not tell a torn file from a value that an expression cannot take: reading it alone does.
                try:
                    for _ in connection.sql(f"SELECT * FROM {relation}").to_arrow_reader(BLOCK_ROWS):
                        pass
                except (duckdb.Error, pa.ArrowException, OSError):
                    raise _unreadable(pool.uri, error) from None
                raise self._misfit(connection, relation, kinds, error) from None
        if not notes["rows_selected"]:
            raise PoolError(f"{pool.uri}: no row satisfies `{pool.where}`" if pool.where else f"{pool.uri}: no rows")

    def _misfit(self, connection: Any, relation: str, kinds: Mapping[str, str], error: Exception) -> DataError:
        """Why an expression over a readable table fails: `where`, if it fails by itself, or else the format's own."""
        pool = self.pool
        if pool.where is not None:
            try:
                connection.sql(f"SELECT count(*) FROM {relation} AS rows WHERE ({pool.where}\n)").fetchall()
            except duckdb.Error as failed:
                return DataError(
                    f"{pool.uri}: `where: {pool.where}`: {str(failed).splitlines()[0]}",
                    wanted=f"a DuckDB boolean over: {', '.join(kinds)}",
                )
        return DataError(f"{pool.uri}: {str(error).splitlines()[0]}", wanted=f"columns and types of format {pool.format}")

    def _local(self, name: str) -> Path:
        try:
            return store.local_copy(name, self.scratch)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise DataError(f"{name}: no such file", remedy="check the path in the study file") from None

    def _relation(self, connection: Any, files: list[str]) -> tuple[dict[str, str], str]:
        """(column -> type, SQL of the table)."""
        if not files[0].endswith((".csv", ".csv.gz")):
            relation = f"read_parquet({sql.files(files)}, union_by_name = true)"
            return csv_table.described(connection, relation), relation
        # As they are written: an id 007 is not 7, and times have a reader of their own.
        texts = [n for n in (self.pool.id, self.pool.place, self.pool.time, self.pool.href) if n is not None]
        return csv_table.relation(connection, files, texts, self.pool.uri)

    def _kept(self, kinds: Mapping[str, str]) -> list[str]:
        pool = self.pool
        own = {"lon": pool.lon, "lat": pool.lat, "id": pool.id, "place": pool.place, "time": pool.time, "href": pool.href}
        kept = [name for name in dict.fromkeys(pool.columns) if own.get(name) != name]
        for name in kept:
            reserved = name in {*tables.POOL_SCHEMA.names, "geometry"}
            if reserved or name in self.strata or name.startswith("_"):
                what = "a column of every pool" if reserved else "a stratum" if name in self.strata else "a reserved name"
                raise PoolError(f"{pool.uri}: `columns` names {name!r}, which is {what}", remedy="rename it in the table")
        self._lacking(Columns(needs=tuple(kept)), kinds)
        return kept

    def _lacking(self, known: Columns, kinds: Mapping[str, str]) -> None:
        lacking = [name for name in dict.fromkeys(known.needs) if name not in kinds]
        if lacking:
            of_format = self.pool.format != "plain"
            raise PoolError(
                f"{self.pool.uri}: no column {', '.join(map(repr, lacking))}",
                wanted=f"the columns of format {self.pool.format}" if of_format else f"some of its columns: {', '.join(kinds)}",
                remedy=f"its columns are {', '.join(kinds)}"
                if of_format
                else "name the table's own columns in the pool: `lon:`, `lat:`, `id:`, `columns:` ...",
            )

    def _block(self, rows: pa.Table, kept: list[str]) -> pa.Table:
        pool, start = self.pool, int(self.notes["rows_selected"])
        self.notes["rows_selected"] = start + len(rows)
        there = set(rows.column_names)
        if "geometry" in there:
            lon, lat = footprints.centroids(footprints.parsed(rows["geometry"], pool.uri))
        else:
            x, y = (rows[name].to_pandas() for name in ("lon", "lat"))
            lon, lat = coordinates.checked(x, y, np.arange(start, start + len(rows)), pool)
        given = {name: rows[name] for name in ("href", "cloud", "nodata") if name in there}
        known: dict[str, pa.Array] = {name: _typed(name, column, pool.uri) for name, column in given.items()}
        if "time" in there:
            known["time"] = times(rows["time"], f"{pool.uri}: the time")
        place = coordinates_text(lon, lat)
        if "place" in there:
            place = pc.coalesce(rows["place"].combine_chunks().cast(pa.string()), place)
        extra = {name: rows[f"x{k}"].combine_chunks() for k, name in enumerate(kept)}
        if "id" in there:
            made = rows["id"].combine_chunks().cast(pa.string())
            empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(made), ""), True).to_numpy(zero_copy_only=False)
            if empty.any():
                first = start + int(empty.argmax())
                raise PoolError(
                    f"{pool.uri}: {int(empty.sum())} rows have no id, the first is row {first}", wanted="an id a row"
                )
        else:
            made = self._made(lon, lat, place if "place" in there else None, known, extra)
        return block(made, lon, lat, place, extra, **known)

    def _made(
        self,
        lon: npt.NDArray[np.float64],
        lat: npt.NDArray[np.float64],
        place: pa.Array | None,
        known: Mapping[str, pa.Array],
        extra: Mapping[str, pa.Array],
    ) -> pa.Array:
        # Everything that is kept, so that rows with one id are one sample; columns by name, not in the order of the file.
        rest = {**{f" {n}": v for n, v in known.items() if n != "time"}, **({" place": place} if place is not None else {})}
        steps = [pa.array(np.rint(degrees * 1e5).astype(np.int64)) for degrees in (lon, lat)]
        when = hashes.seconds(pa.chunked_array([known["time"]])) if "time" in known else pa.array([""] * len(lon))
        named = {**extra, **rest}
        return pa.array(hashes.made_ids([*steps, when, *(named[name] for name in sorted(named))]), pa.string())


def times(column: pa.ChunkedArray, what: str) -> pa.Array:
    """Times (dates, times or ISO 8601 text) as UTC seconds: timestamp[s, UTC] [N]. Raises PoolError."""
    kind = column.type
    utc = pa.timestamp("s", tz="UTC")
    if pa.types.is_date(kind) or pa.types.is_null(kind):
        return column.combine_chunks().cast(pa.timestamp("s")).cast(utc)
    if pa.types.is_timestamp(kind):
        return pc.floor_temporal(column.combine_chunks(), unit="second").cast(utc)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise PoolError(f"{what} is {kind}, not a time", wanted="dates or times, ISO 8601 (2019-06-01T10:30:00Z)")
    given = column.to_pandas()
    parsed = pd.to_datetime(given, utc=True, errors="coerce", format="ISO8601")
    wrong = np.flatnonzero(parsed.isna() & given.notna())
    if len(wrong):
        raise PoolError(f"{what}: {len(wrong)} values are no times, such as {given.iloc[wrong[0]]!r}", wanted="ISO 8601")
    return pa.array(parsed.dt.tz_convert(None).dt.floor("s").astype("datetime64[s]")).cast(utc)


def _typed(name: str, column: pa.ChunkedArray, uri: str) -> pa.Array:
    if name == "href":
        return column.combine_chunks().cast(pa.string())
    try:
        values = column.combine_chunks().cast(pa.float64())
    except pa.ArrowInvalid:
        raise PoolError(f"{uri}: `{name}` holds text", wanted="a share, 0 to 1") from None
    values = pc.if_else(pc.is_nan(values), None, values)
    outside = values.filter(pc.or_(pc.less(values, 0), pc.greater(values, 1)))
    if len(outside):
        low, high = pc.min_max(outside).as_py().values()
        if low < 0:
            raise PoolError(
                f"{uri}: `{name}` has {low:g}", wanted="a share, 0 to 1", remedy="leave such rows out with `where:`"
            )
        raise PoolError(f"{uri}: `{name}` has {high:g}", wanted="a share, 0 to 1", remedy="divide percent by 100")
    return values


def _expressions(known: Columns) -> list[tuple[str, str]]:
    names = ("id", "place", "lon", "lat", "geometry", "time", "href", "cloud", "nodata")
    return [(name, expression) for name in names if (expression := getattr(known, name)) is not None]


def _name(expression: str) -> str:
    return expression.strip('"').replace('""', '"')


def _plain(what: str, expression: str, kinds: Mapping[str, str]) -> str:
    # A column itself keeps its type (Arrow writes the number 7.0 as 7); what an adapter works out is as it comes.
    name = _name(expression)
    if name not in kinds:
        return f"({expression})"
    if what in ("lon", "lat", "cloud", "nodata") and (kinds[name].startswith("DECIMAL") or kinds[name] in _LARGE):
        return f"CAST({sql.quoted(name)} AS DOUBLE)"
    return _column(name, kinds, text=False)


def _column(name: str, kinds: Mapping[str, str], text: bool = True) -> str:
    kind, column = kinds[name], sql.quoted(name)
    if decimal := _DECIMAL.fullmatch(kind):
        digits, scale = map(int, decimal.groups())
        # Whole numbers stay exact: two cells of a grid of 64-bit numbers would be one as floating-point numbers.
        return f"CAST({column} AS {'DOUBLE' if scale else 'BIGINT' if digits <= 18 else 'VARCHAR'})"
    if kind in ("HUGEINT", "UHUGEINT"):
        return f"CAST({column} AS VARCHAR)"
    if text and kind != "VARCHAR" and kind not in _NUMBERS and not kind.startswith(("TIMESTAMP", "DATE")):
        return f"CAST({column} AS VARCHAR)"
    return column


def _unreadable(uri: str, error: Exception) -> DataError:
    return DataError(
        f"{uri}: not a readable table ({str(error).splitlines()[0]})", remedy="is the file complete? write it again"
    )
