"""Columns of a CSV file in DuckDB, typed as `tables.read` types them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from geomix import sql, tables
from geomix.errors import DataError

# Rounding is no reading: 5.5 is no whole number, though DuckDB would cast it to one.
_WHOLE = "(CASE WHEN regexp_full_match(trim({value}), '[+-]?[0-9]+') THEN {value} END)"
_CASTS = {
    "BIGINT": f"TRY_CAST({_WHOLE} AS BIGINT)",
    "UBIGINT": f"TRY_CAST({_WHOLE} AS UBIGINT)",
    "DOUBLE": "TRY_CAST({value} AS DOUBLE)",
}


def relation(connection: Any, files: list[str], texts: Collection[str], uri: str) -> tuple[dict[str, str], str]:
    """(column -> DuckDB type, SQL of the table). `texts`: columns to keep as they are written; `uri`: for messages.

    A column of numbers and NA is one of numbers: see `tables.NO_NUMBER`. Raises DataError for a file without a header.
    """
    options = f"{sql.files(files)}, header = true, nullstr = {list(tables.NO_VALUE)}, sample_size = -1"
    kinds = described(connection, f"read_csv({options})")
    if list(kinds) == ["column0"] and not connection.sql(f"SELECT count(*) FROM read_csv({options})").fetchall()[0][0]:
        raise DataError(f"{uri}: the file is empty", wanted="a line with the names of the columns, then the rows")
    kept = {name: "VARCHAR" for name in texts if name in kinds}
    types = ", ".join(f"{sql.literal(name)}: 'VARCHAR'" for name in kept)
    read = f"read_csv({options}" + (f", types = {{{types}}})" if kept else ")")
    numbers = _numbers(connection, read, {name: kind for name, kind in kinds.items() if name not in kept})
    if numbers:
        replaced = ", ".join(f"TRY_CAST({sql.quoted(n)} AS {kind}) AS {sql.quoted(n)}" for n, kind in numbers.items())
        read = f"(SELECT * REPLACE ({replaced}) FROM {read})"
    return {**kinds, **kept, **numbers}, read


def described(connection: Any, relation: str) -> dict[str, str]:
    """Column -> DuckDB type of the table `relation`."""
    return {row[0]: row[1] for row in connection.sql(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def _numbers(connection: Any, read: str, kinds: dict[str, str]) -> dict[str, str]:
    """Column -> type of the columns that DuckDB does not take for 64-bit numbers, and that are."""
    missing = ", ".join(map(sql.literal, tables.NO_NUMBER))
    names = [name for name, kind in kinds.items() if kind in ("VARCHAR", "HUGEINT")]
    if not names:
        return {}
    counts = []
    for name in names:
        value = f"nullif_missing(CAST({sql.quoted(name)} AS VARCHAR))"
        counts += [f"count({one.format(value=value)})" for one in ("{value}", *_CASTS.values())]
    connection.execute(f"CREATE OR REPLACE TEMP MACRO nullif_missing(x) AS CASE WHEN x NOT IN ({missing}) THEN x END")
    row = connection.sql(f"SELECT {', '.join(counts)} FROM {read}").fetchall()[0]
    found = {}
    for name, values, *fitting in zip(names, *(row[at :: 1 + len(_CASTS)] for at in range(1 + len(_CASTS))), strict=True):
        fits = [kind for kind, count in zip(_CASTS, fitting, strict=True) if count == values]
        if values and fits and not (kinds[name] == "HUGEINT" and fits[0] == "DOUBLE"):
            found[name] = fits[0]
    return found
