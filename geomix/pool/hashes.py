"""Hashes of a pool's columns, block by block: the pool hash, hashes of the columns that it leaves out, ids and id64.

All of them depend on the values in order of id and on nothing else: not on files, blocks or encodings.
"""

from __future__ import annotations

import hashlib
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geomix.pool.rows import grid5

F64 = npt.NDArray[np.float64]


class PoolHash:
    """SHA-256 of the content version and of every row's (id, lon, lat, time, href, version) in order of id.

    The same digest as `ids.sha256("pool", content, *rows)`, a row being its six texts joined by U+001F: studies key
    their results by it, so it must never change.
    """

    def __init__(self, content: str) -> None:
        self._digest = hashlib.sha256(_framed(pa.array(["pool", content])))

    def update(self, rows: pa.Table, reference: pa.Array, version: pa.Array) -> None:
        """Adds rows, sorted by id. `reference`: what of `href` counts; `version`: what decides a row's pixels; text [N]."""
        columns = [text(rows["id"]), *(_steps(rows[name]) for name in ("lon", "lat")), seconds(rows["time"])]
        self._digest.update(_framed(pc.binary_join_element_wise(*columns, text(reference), text(version), "\x1f")))

    def hexdigest(self) -> str:
        """The pool hash."""
        return self._digest.hexdigest()


class ColumnHash:
    """SHA-256 of a column's kind (text, integer, number) and values; a null differs from every value."""

    def __init__(self) -> None:
        self._digest: Any = None

    def update(self, column: pa.ChunkedArray) -> None:
        """Adds values, in order of id. NaN is null, and -0.0 is 0.0; booleans are integers; times are whole microseconds."""
        kind, data = _bytes(column)
        if self._digest is None:
            self._digest = hashlib.sha256(kind.encode() + b"\n")
        self._digest.update(data)

    def hexdigest(self) -> str:
        """The column's hash."""
        return str(self._digest.hexdigest())


def id64(ids: pa.ChunkedArray | pa.Array) -> pa.Array:
    """`ids.id64` of every id, uint64 [N]: worked out by DuckDB, at 3 million ids a second and thread."""
    rows = pa.table({"id": ids})
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("rows", rows)
        found = connection.sql("SELECT ('0x' || left(sha256(id), 16))::UBIGINT AS id64 FROM rows").to_arrow_table()
    return found["id64"].combine_chunks()


def made_ids(columns: list[pa.Array]) -> list[str]:
    """`ids.sha256("row", *texts)[:24]` of every row. `columns`: text [N], without nulls."""
    start = hashlib.sha256(_framed(pa.array(["row"])))
    found = []
    for row in pc.binary_join_element_wise(*(_frames(text(column)) for column in columns), b"").to_pylist():
        digest = start.copy()
        digest.update(row)
        found.append(digest.hexdigest()[:24])
    return found


def text(column: pa.ChunkedArray | pa.Array | Any) -> pa.Array:
    """A text column in one chunk; null becomes the empty text."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return pc.fill_null(column.cast(pa.string()), "")


def seconds(column: pa.ChunkedArray) -> pa.Array:
    """Seconds since 1970 of a column of times, as text; null is the empty text."""
    return text(column.cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()))


def _steps(degrees: pa.ChunkedArray) -> pa.Array:
    return text(pa.array(grid5(degrees.to_numpy())))


def _frames(column: pa.Array) -> pa.Array:
    """Every text preceded by its length (8 bytes, big-endian), as `ids.sha256` frames its parts: binary [N]."""
    length = pc.binary_length(column.cast(pa.binary())).to_numpy(zero_copy_only=False).astype(">u8")
    return pc.binary_join_element_wise(_fixed(length.view(np.uint8), 8), column.cast(pa.binary()), b"")


def _framed(column: pa.Array) -> memoryview:
    return _data(_frames(column))


def _fixed(data: npt.NDArray[np.uint8], width: int) -> pa.Array:
    rows = len(data) // width
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))])


def _data(column: pa.Array) -> memoryview:
    """The values of a binary column one after the other."""
    _, offsets, data = column.buffers()
    at = np.frombuffer(offsets, dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    return memoryview(data)[at[0] : at[-1]] if data is not None else memoryview(b"")


def _bytes(column: pa.ChunkedArray) -> tuple[str, Any]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind, valid = column.type, column.is_valid().to_numpy()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        flag = _fixed(valid.astype(np.uint8), 1)
        return "text", _data(pc.binary_join_element_wise(flag, _frames(text(column)), b""))
    if pa.types.is_floating(kind):
        values = np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()) + 0.0
        valid = ~np.isnan(values)
        pairs = np.zeros(len(values), dtype=[("valid", "u1"), ("value", "<f8")])
        pairs["value"] = np.where(valid, values, 0.0)
        pairs["valid"] = valid
        return "number", pairs.tobytes()
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if getattr(kind, "unit", None) == "ns":
            column = pc.floor_temporal(column, unit="microsecond")
        column = column.cast(pa.timestamp("us", tz=getattr(kind, "tz", None))).cast(pa.int64())
    whole = np.zeros(len(valid), dtype=[("valid", "u1"), ("value", "<i8")])
    whole["valid"] = valid
    if pa.types.is_uint64(kind):
        # The same bytes as those of a signed number where there is one; beyond, 2 says that the value is not negative.
        values = pc.fill_null(column, 0).to_numpy()
        whole["valid"] += values > np.uint64(np.iinfo(np.int64).max)
        whole["value"] = values.view(np.int64)
    else:
        whole["value"] = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    return "integer", whole.tobytes()


def points(lon: F64, lat: F64) -> pa.Array:
    """WKB points (little-endian) of longitude and latitude, degrees: binary [N]."""
    wkb = np.zeros(len(lon), dtype=[("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])
    wkb["order"], wkb["type"], wkb["x"], wkb["y"] = 1, 1, lon, lat
    return _fixed(wkb.view(np.uint8), wkb.dtype.itemsize)
