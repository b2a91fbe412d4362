"""Names, texts and paths as DuckDB's SQL writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def quoted(column: str) -> str:
    """A column's name."""
    return '"' + column.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text."""
    return "'" + text.replace("'", "''") + "'"


def pattern(path: str | Path) -> str:
    """The pattern that fits the file at `path` and no other: DuckDB takes `*`, `?` and `[` of a path as a pattern's."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(path))


def files(paths: Iterable[str | Path]) -> str:
    """A list of files to read."""
    return _list(pattern(path) for path in paths)


def allowed(paths: Iterable[str | Path]) -> str:
    """The same list for `allowed_paths`, against which DuckDB holds both the patterns and the files that they fit."""
    return _list(dict.fromkeys(name for path in paths for name in (str(path), pattern(path))))


def _list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(literal(text) for text in texts) + "]"
