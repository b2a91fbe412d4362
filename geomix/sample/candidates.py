"""The candidates of a draw: a pool's rows with their strata, their permanent random numbers, and the hash of it all."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix import ids, store, tables
from geomix.errors import CompositionError, PoolError
from geomix.sample import order

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

_HASHED_BY_POOL = ("id", "lon", "lat", "time", "href")
_NOT_STRATA = ("id", "place", "lon", "lat", "time", "href", "cloud", "nodata")


@dataclass(frozen=True)
class Candidates:
    """Rows that may be drawn, sorted by id: `frame` (pool columns and strata) and `numbers`, uint64 [N] (design rule 3)."""

    frame: pd.DataFrame
    numbers: ids.U64

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def lon(self) -> F64:
        """Longitudes in degrees, float64 [N]."""
        return self.frame["lon"].to_numpy(dtype=np.float64)

    @property
    def lat(self) -> F64:
        """Latitudes in degrees, float64 [N]."""
        return self.frame["lat"].to_numpy(dtype=np.float64)

    def keep(self, mask: npt.NDArray[np.bool_]) -> Candidates:
        """The candidates where `mask` [N] is true."""
        return Candidates(self.frame[mask].reset_index(drop=True), self.numbers[mask])


def of_frame(frame: pd.DataFrame, draw_seed: int) -> Candidates:
    """The candidates of a pool's columns and strata (id, lon, lat, ...), in any row order. Raises PoolError."""
    # By code point, as Python and the hashes see it, and not by a locale.
    frame = frame.sort_values("id", kind="stable", ignore_index=True)
    twice = frame["id"].duplicated()
    if twice.any():
        raise PoolError(f"the pool holds id {frame['id'][twice].iloc[0]!r} more than once", wanted="one row an id")
    lost = ~np.isfinite(frame[["lon", "lat"]].to_numpy(dtype=np.float64)).all(axis=1)
    if lost.any():
        raise PoolError(
            f"{lost.sum():,} rows of the pool have no coordinates, the first is {frame['id'][lost].iloc[0]!r}",
            remedy="leave them out with `where:` in the pool",
        )
    return Candidates(frame, order.draw_numbers(frame["id"].tolist(), draw_seed))


def read(pool_uri: str) -> pd.DataFrame:
    """pool.parquet and strata.parquet of a pool's folder, joined by id, without geometry. Raises PoolError, DataError."""
    pool = tables.read(store.join(pool_uri, "pool.parquet")).drop(columns="geometry", errors="ignore")
    strata = tables.read(store.join(pool_uri, "strata.parquet"))
    tables.need(pool, ["id", "lon", "lat"], pool_uri)
    tables.need(strata, ["id"], pool_uri)
    both = [c for c in strata.columns if c in pool.columns and c != "id"]
    if both:
        raise PoolError(
            f"column {both[0]!r} is both one of the pool's own columns and a stratum",
            remedy="rename it in the table, or leave it out of the pool's `columns:`",
        )
    if len(pool) != len(strata) or set(pool["id"]) != set(strata["id"]) or strata["id"].duplicated().any():
        raise PoolError(
            f"{pool_uri}: strata.parquet does not hold the pool's ids",
            wanted=f"{len(pool):,} rows, one an id",
            remedy="remove this folder and run `geomix pool` again",
        )
    return pool.merge(strata, on="id", how="left", validate="one_to_one")


def content_hash(frame: pd.DataFrame) -> str:
    """Hex SHA-256 of every column that the pool hash leaves out (strata, place, cloud, the user's own), rows in order of id.

    Of the values, not of a file's bytes: it repeats whatever wrote the Parquet.
    """
    ordered = frame.sort_values("id", kind="stable")
    parts: list[str | bytes] = []
    for column in sorted(c for c in ordered.columns if c not in _HASHED_BY_POOL):
        codes, names = text(ordered[column])
        parts += [column, "\x1f".join(names), codes.astype("<i8").tobytes()]
    return ids.sha256("columns", *parts)


def text(column: pd.Series) -> tuple[I64, list[str]]:
    """The values of a column as text: code of each row, int64 [N] (-1: null), and the texts in order of their name."""
    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    names = [_text(value) for value in uniques]
    found, where = np.unique(np.asarray(names, dtype=object), return_inverse=True) if names else (np.empty(0, object), [])
    renamed = np.append(np.asarray(where, dtype=np.int64), -1)  # code -1 takes the last
    return renamed[codes], [str(name) for name in found]


def _text(value: object) -> str:
    # An integer column with nulls becomes floats in pandas: class 4 must not turn into "4.0".
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def stratum(pool: Candidates, by: str, who: str) -> tuple[I64, list[str]]:
    """Stratum of each candidate as a code, int64 [N] (-1: null), and the strata's names in order of name.

    Raises CompositionError if the pool has no column `by`.
    """
    known = [c for c in pool.frame.columns if c not in _NOT_STRATA]
    if by not in known:
        raise CompositionError(
            f"{who}: the pool has no stratum {by!r}{suggestion(by, known)}",
            wanted=f"one of: {', '.join(known) or 'none is known'}",
            remedy="mend `by:`, or keep the table's column with `columns:` in the pool",
        )
    return text(pool.frame[by])


def suggestion(word: str, known: Sequence[str]) -> str:
    """`; did you mean ...?` if one of `known` is close to `word`, else nothing."""
    folded = {k.casefold(): k for k in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""
