"""The rows of a pool before they are written: blocks of columns, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from geomix import tables

REFERENCE, VERSION = "_reference", "_version"
"""Columns of a block that count in the pool hash and are not kept: see `Source`."""

BLOCK_SCHEMA = pa.schema([field for field in tables.POOL_SCHEMA if field.name != "id64"])
"""Leading columns of every block: those of a pool before `id64` is worked out."""

BLOCK_ROWS = 1_000_000
"""Rows at once, about: some 200 MB with everything that is derived from them."""


@dataclass(frozen=True)
class Source:
    """Where a pool's rows come from.

    `blocks`: BLOCK_SCHEMA's columns, the user's, then REFERENCE (what of `href` counts in the pool hash: no paths, so that a
    moved file keeps it) and VERSION (what decides a row's pixels beside `content`: its first month, which corrections apply
    to it). `content`: what decides the pixels of all rows: the simulator and its world, or the arrays' bytes and how they
    are read. `notes`: for pool.json; read when the blocks have ended. `ordered`: blocks come in order of id. `merge`: rows
    with the same id are the same sample (their ids are hashes of all that they hold). `name`: for messages.
    """

    name: str
    kind: str
    modality: str | None
    blocks: Callable[[], Iterator[pa.Table]]
    content: str
    notes: Mapping[str, Any] = field(default_factory=dict)
    ordered: bool = False
    merge: bool = False
    may_be_exchanged: bool = False
    """Longitude and latitude come from a user's file: that they are not exchanged is checked."""
    strata: Mapping[str, Mapping[str, str]] | None = None
    """Sources of strata that the blocks bring along, in columns named STRATUM + name; None: they are looked up."""


STRATUM = "_stratum_"
"""Prefix of a block's columns that hold strata."""


@dataclass(frozen=True)
class Rows:
    """A small pool in memory: `frame` has BLOCK_SCHEMA's columns and the user's, sorted by id.

    `reference` [N], `version` [N], `content`, `notes`: as in `Source`.
    """

    frame: pd.DataFrame
    reference: Sequence[str]
    version: Sequence[str]
    content: str
    notes: Mapping[str, Any] = field(default_factory=dict)

    def blocks(self) -> Iterator[pa.Table]:
        """All rows as one block."""
        table = tables.arrow(self.frame, BLOCK_SCHEMA).replace_schema_metadata(None)
        for name, values in ((REFERENCE, self.reference), (VERSION, self.version)):
            table = table.append_column(name, pa.array(values, pa.string()))
        yield table


def block(
    ids: pa.Array,
    lon: npt.NDArray[np.float64],
    lat: npt.NDArray[np.float64],
    place: pa.Array | None = None,
    extra: Mapping[str, pa.Array] | None = None,
    **known: pa.Array,
) -> pa.Table:
    """A block of rows without stored pixels. `known`: any of time, href, cloud, nodata, REFERENCE and VERSION; others are null.

    Without `place`, it is the coordinates; without REFERENCE, `href` counts.
    """
    columns = {"id": ids, "place": coordinates_text(lon, lat) if place is None else place, "lon": lon, "lat": lat}
    for name in ("time", "href", "cloud", "nodata"):
        columns[name] = known.get(name, pa.nulls(len(lon)))
    table = pa.table({name: pa.array(value) if isinstance(value, np.ndarray) else value for name, value in columns.items()})
    table = table.cast(BLOCK_SCHEMA)
    for name, values in (extra or {}).items():
        table = table.append_column(name, values)
    table = table.append_column(REFERENCE, known.get(REFERENCE, table["href"].combine_chunks()))
    return table.append_column(VERSION, known.get(VERSION, pa.array([""] * len(lon), pa.string())))


def coordinates_text(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> pa.Array:
    """Coordinates with five decimals, "2.35000,48.85000": the place of a row that names none; text [N]."""
    return pc.binary_join_element_wise(_five_decimals(lon), _five_decimals(lat), ",")


def _five_decimals(degrees: npt.NDArray[np.float64]) -> pa.Array:
    steps = grid5(np.where(np.isfinite(degrees), degrees, 0.0))  # what is not finite is refused by the writer
    whole, rest = np.divmod(np.abs(steps), 100_000)
    sign = pc.if_else(pa.array(steps < 0), "-", "")
    padded = pc.utf8_lpad(pa.array(rest).cast(pa.string()), 5, "0")
    return pc.binary_join_element_wise(sign, pa.array(whole).cast(pa.string()), ".", padded, "")


def grid5(degrees: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Degrees in steps of 1e-5 (about a metre), int64: what of a coordinate enters a hash."""
    return np.rint(np.asarray(degrees, dtype=np.float64) * 1e5).astype(np.int64)


def text(value: object) -> str:
    """A value of a table as text. A number in a column with gaps is read as 1.0: it is 1."""
    return str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value)
