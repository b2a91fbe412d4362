"""`where` expressions: which columns one refers to, and whether it is a plain boolean over them and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import duckdb

from geomix.errors import DataError


def columns(expression: str) -> list[str] | None:
    """Names that a DuckDB expression refers to, in order of name; None if it does not parse or says `*`."""
    nodes = _nodes(expression)
    if nodes is None or any(node.get("class") == "STAR" for node in nodes):
        return None
    return sorted({str(name) for node in nodes if node.get("class") == "COLUMN_REF" for name in node["column_names"]})


def check(expression: str, who: str) -> None:
    """Raises DataError if an expression that parses is more than a boolean over columns: a query, today's date, chance."""
    tree = _tree(expression)
    if tree is None:
        return  # DuckDB explains it when it is asked
    statements = tree.get("statements", [])
    node = statements[0]["node"] if len(statements) == 1 else {}
    plain = node.get("type") == "SELECT_NODE" and node.get("from_table", {}).get("table_name") == "rows"
    nodes = _nodes(expression) or []
    names = {str(n.get("function_name", "")).casefold() for n in nodes if n.get("class") == "FUNCTION"}
    names |= {str(c).casefold() for n in nodes if n.get("class") == "COLUMN_REF" for c in n["column_names"]}
    other = {"SUBQUERY": "a query", "WINDOW": "a window over other rows"}
    wrong = sorted(names & _changing()) + sorted({other[n["class"]] for n in nodes if n.get("class") in other})
    if not plain or wrong:
        raise DataError(
            f"{who}: `{expression}` holds more than a condition on a row" + (f": {', '.join(wrong)}" if wrong else ""),
            wanted="a DuckDB boolean over the pool's columns alone",
            remedy="leave out queries, chance and the present time",
        )


@lru_cache(maxsize=1)
def _changing() -> set[str]:
    """Functions whose answer does not depend on the row alone: a draw must be the same tomorrow, and on another machine."""
    with duckdb.connect() as connection:
        found = connection.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'")
        return {str(name) for (name,) in found.fetchall()} | {"current_date", "current_timestamp", "current_time", "localtime"}


def _tree(expression: str) -> dict[str, Any] | None:
    with duckdb.connect() as connection:
        query = f"SELECT 1 FROM rows WHERE ({expression}\n)"
        row = connection.execute("SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", [query]).fetchone()
    tree = json.loads(row[0]) if row else None
    return tree if isinstance(tree, dict) and not tree.get("error") else None


def _nodes(expression: str) -> list[dict[str, Any]] | None:
    tree = _tree(expression)
    return None if tree is None else list(_walk(tree))


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for one in node:
            yield from _walk(one)
    elif isinstance(node, dict):
        yield node
        for one in node.values():
            yield from _walk(one)
