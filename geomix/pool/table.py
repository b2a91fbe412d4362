"""Rows of a pool in the user's own table with arrays beside it: what is read and refused, and the ids of rows without."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix import config, ids, series, tables
from geomix.errors import PoolError
from geomix.pool import coordinates
from geomix.pool.rows import Rows, grid5, text

I64 = npt.NDArray[np.int64]


def build(pool: config.TablePool, arrays: config.SeriesArrays, strata: Collection[str]) -> Rows:
    """The rows of the user's table that satisfy `where`. Raises PoolError, DataError.

    `strata`: names that the user's columns must not have. Rows that agree in everything that is kept (place, time, first
    month, kept columns, stored pixels) are one sample: without an id column the first of them stays, and the others are
    counted.
    """
    frame = tables.read(pool.uri)
    _columns(pool, arrays, frame, strata)
    rows = np.flatnonzero(tables.select(frame, pool.where, pool.uri)).astype(np.int64)
    if not len(rows):
        raise PoolError(f"{pool.uri}: no row satisfies `{pool.where}`" if pool.where else f"{pool.uri}: no rows")
    kept = frame.iloc[rows]
    lon, lat = coordinates.checked(kept[pool.lon], kept[pool.lat], rows, pool)
    time = _time(kept, rows, pool)
    month = _months(kept, rows, pool, arrays)
    # Reads one row as `shard` will read them all: wrong channels, factors and corrections are found now.
    series.read(arrays, frame, rows[:1], pool.uri)
    version = _version(pool, arrays, frame, rows, month)
    extra = {name: _plain(kept[name].reset_index(drop=True)) for name in _extra(pool)}
    if pool.id is not None:
        sample_ids = _given_ids(kept[pool.id], rows, pool)
    else:
        sample_ids = _made_ids(arrays, rows, lon, lat, time, version, extra)
    place = [f"{x / 1e5:.5f},{y / 1e5:.5f}" for x, y in zip(grid5(lon), grid5(lat), strict=True)]
    if pool.place is not None:
        place = [here if pd.isna(given) else text(given) for given, here in zip(kept[pool.place], place, strict=True)]
    built = pd.DataFrame(
        {
            "id": pd.Series(sample_ids, dtype=object),
            "place": pd.Series(place, dtype=object),
            "lon": lon,
            "lat": lat,
            "time": time,
            "href": pd.Series([f"{pool.uri}#{row}" for row in rows], dtype=object),
            "cloud": np.float32(np.nan),
            "nodata": np.float32(np.nan),
            **extra,
        }
    ).assign(_row=rows, _version=version)
    built = built.sort_values(["id", "_row"]).drop_duplicates("id", ignore_index=True)
    # Beside the arrays' bytes: how they are read, because equal ids with other pixels must not be the same manifest.
    content = ids.canonical_json({"arrays": tables.digest(arrays.uri), "read": reading(arrays)})
    notes = {"rows_in_table": len(frame), "rows_selected": len(rows), "exact_duplicates": len(rows) - len(built)}
    reference = [f"#{row}" for row in built["_row"]]
    return Rows(built.drop(columns=["_row", "_version"]), reference, built["_version"].tolist(), content, notes)


def reading(arrays: config.SeriesArrays) -> dict[str, Any]:
    """How stored arrays become physical units, without paths and reasons: part of the pool's content version."""
    corrections = [c.model_dump(mode="json", exclude={"why"}) for c in arrays.corrections]
    return {**arrays.model_dump(mode="json", exclude={"uri", "corrections"}), "corrections": corrections}


def _extra(pool: config.TablePool) -> list[str]:
    # A column that the pool has anyway under its own name need not be kept twice.
    own = {"lon": pool.lon, "lat": pool.lat, "id": pool.id, "place": pool.place, "time": pool.time}
    return [name for name in dict.fromkeys(pool.columns) if own.get(name) != name]


def _columns(pool: config.TablePool, arrays: config.SeriesArrays, frame: pd.DataFrame, strata: Collection[str]) -> None:
    named = [pool.lon, pool.lat, pool.id, pool.place, pool.time, *pool.columns, arrays.start_month]
    lacking = [name for name in dict.fromkeys(n for n in named if n is not None) if name not in frame.columns]
    if lacking:
        raise PoolError(
            f"{pool.uri}: no column {', '.join(map(repr, lacking))}",
            wanted=f"some of its columns: {', '.join(map(str, frame.columns))}",
            remedy="name the table's own columns in the pool: `lon:`, `lat:`, `id:`, `columns:`, `arrays.start_month:` ...",
        )
    reserved = {*tables.POOL_SCHEMA.names, "geometry"}
    for name in _extra(pool):
        if name in reserved or name in strata:
            raise PoolError(
                f"{pool.uri}: `columns` names {name!r}, which is a {'column of every pool' if name in reserved else 'stratum'}",
                remedy=f"leave {name!r} out of `columns:`, or rename it in the table",
            )


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    # Numbers, booleans and times stay; whatever else (mixed types, categories, lists) is kept as text.
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column
    return pd.Series([None if pd.api.types.is_scalar(v) and pd.isna(v) else text(v) for v in column], dtype=object)


def _time(kept: pd.DataFrame, rows: I64, pool: config.TablePool) -> pd.Series[Any]:
    if pool.time is None:
        return pd.Series(pd.NaT, index=range(len(kept)), dtype="datetime64[s, UTC]")
    given = kept[pool.time].reset_index(drop=True)
    if pd.api.types.is_numeric_dtype(given) and given.notna().any():
        raise PoolError(
            f"{pool.uri}: column {pool.time!r} holds numbers ({given.dropna().iloc[0]})",
            wanted="dates or times, ISO 8601 (2019-06-01 or 2019-06-01T10:30:00Z)",
        )
    parsed = pd.to_datetime(given, utc=True, errors="coerce", format="ISO8601")
    _refuse(given, parsed.isna() & given.notna(), rows, f"{pool.uri}: column {pool.time!r}", "times in ISO 8601")
    return parsed.dt.floor("s").astype("datetime64[s, UTC]")


def _months(kept: pd.DataFrame, rows: I64, pool: config.TablePool, arrays: config.SeriesArrays) -> I64:
    name = arrays.start_month
    given = kept[name].reset_index(drop=True)
    month = pd.to_numeric(given, errors="coerce").astype(np.float64)
    wrong = ~month.isin(range(12))
    _refuse(given, wrong, rows, f"{pool.uri}: column {name!r}", "the month of the first step: 0 (January) to 11")
    return month.to_numpy().astype(np.int64)


def _version(pool: config.TablePool, arrays: config.SeriesArrays, frame: pd.DataFrame, rows: I64, month: I64) -> list[str]:
    masks = [tables.select(frame, c.where, pool.uri)[rows] for c in arrays.corrections]
    return [f"{m}:{''.join('1' if mask[n] else '0' for mask in masks)}" for n, m in enumerate(month)]


def _given_ids(column: pd.Series[Any], rows: I64, pool: config.TablePool) -> list[str]:
    given = column.reset_index(drop=True)
    _refuse(given, given.isna() | (given.astype(str).str.strip() == ""), rows, f"{pool.uri}: column {pool.id!r}", "an id a row")
    found = pd.Series([text(value) for value in given], dtype=object)
    repeated = found[found.duplicated(keep=False)]
    if len(repeated):
        first = repeated.iloc[0]
        where = ", ".join(str(r) for r in rows[np.flatnonzero(found == first)][:4])
        raise PoolError(
            f"{pool.uri}: {repeated.nunique()} values of column {pool.id!r} are repeated: {first!r} in rows {where}, ...",
            wanted="ids that are unique; visits of one place are different ids that share a `place:`",
            remedy="name a unique column, or leave `id:` out: ids are then made from place, time and values",
        )
    return [str(value) for value in found]


def _made_ids(
    arrays: config.SeriesArrays,
    rows: I64,
    lon: npt.NDArray[np.float64],
    lat: npt.NDArray[np.float64],
    time: pd.Series[Any],
    version: Sequence[str],
    extra: dict[str, pd.Series[Any]],
) -> list[str]:
    # Nothing of it depends on the order of the rows, nor on columns that are not kept (labels, splits ...).
    stored = series.load_array(arrays)[rows]
    # One bit pattern for every NaN, and for both zeros.
    pixels = np.where(np.isnan(stored), np.float32(np.nan), stored) + np.float32(0)
    columns = [["" if pd.isna(v) else text(v) for v in extra[name]] for name in sorted(extra)]
    when = ["" if pd.isna(t) else str(int(t.timestamp())) for t in time]
    parts = zip(grid5(lon).tolist(), grid5(lat).tolist(), when, version, *columns, strict=True)
    return [ids.sha256("row", *map(str, part), pixels[n].tobytes())[:24] for n, part in enumerate(parts)]


def _shown(value: object) -> str:
    return "nothing" if pd.isna(value) else repr(value) if isinstance(value, str) else str(value)  # type: ignore[call-overload]


def _refuse(given: pd.Series[Any], wrong: pd.Series[bool], rows: I64, what: str, wanted: str) -> None:
    bad = np.flatnonzero(wrong.to_numpy())
    if len(bad):
        some = ", ".join(f"row {rows[n]} has {_shown(given.iloc[n])}" for n in bad[:3])
        raise PoolError(f"{what}: {len(bad)} of {len(rows)} values cannot be used: {some}", wanted=wanted)
