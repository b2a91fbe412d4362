"""The strategies, by name: pure functions of (candidates, what is asked, parameters) that order the candidates.

Every order is that of an unlimited list: the first `budget` are the draw, what follows are the reserves, and a smaller
budget takes the head of a larger one's list. Nothing depends on the order of the rows. All strategies of one draw seed
share the samples' permanent random numbers, so that compositions overlap as much as their definitions allow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import duckdb

from geomix import config
from geomix.sample import blue_noise, by_entropy, by_feature, by_place, by_region, mixtures
from geomix.sample.by_place import is_land, largest
from geomix.sample.registry import STRATEGIES, Ask, Ordered, draw, enough, register

__all__ = ["STRATEGIES", "Ask", "Ordered", "columns", "draw", "enough", "is_land", "largest", "register"]

MODULES = (blue_noise, by_entropy, by_feature, by_place, by_region, mixtures)
"""Where the strategies live: importing them fills the table."""


def columns(definition: config.Composition, parts: Mapping[str, config.Composition]) -> list[str] | None:
    """Columns of the pool that a composition and its parts read, for `candidates.read`; None: they cannot be told, read all."""
    found: list[str] = []
    for one in (definition, *parts.values()):
        more = expression_columns(one.expr) if isinstance(one, config.Where) else getattr(one, "reads", ())
        if more is None:
            return None
        found += more
    return sorted(set(found))


def expression_columns(expression: str) -> list[str] | None:
    """Names that a DuckDB expression refers to, in order of name; None if it does not parse or says `*`."""
    found: set[str] = set()
    return sorted(found) if _collect(_tree(expression), found) else None


def has_subquery(expression: str) -> bool:
    """Whether a DuckDB expression asks a query of its own, so that it depends on other rows; False if it does not parse."""
    return '"class": "SUBQUERY"' in json.dumps(_tree(expression))


def _tree(expression: str) -> Any:
    with duckdb.connect() as connection:
        query = f"SELECT 1 FROM rows WHERE ({expression}\n)"
        row = connection.execute("SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", [query]).fetchone()
    return json.loads(row[0]) if row else None


def _collect(node: Any, found: set[str]) -> bool:
    if isinstance(node, list):
        return all(_collect(one, found) for one in node)
    if not isinstance(node, dict):
        return True
    if node.get("error") is True or node.get("class") == "STAR":
        return False
    if node.get("class") == "COLUMN_REF":
        found.update(str(name) for name in node["column_names"])
    return all(_collect(one, found) for one in node.values())
