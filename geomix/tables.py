"""The tables that cross walls: their columns and types, and how they are read and written.

pool.parquet, strata.parquet, places.parquet, results.parquet (design section 4), and users' own tables
(Parquet, GeoParquet, CSV; one file or a folder of parts).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geomix import store
from geomix.errors import DataError

SERIES_BANDS: tuple[str, ...] = (
    "VV",
    "VH",
    "B2",
    "B3",
    "B4",
    "B5",
    "B6",
    "B7",
    "B8",
    "B8A",
    "B11",
    "B12",
    "temperature_2m",
    "total_precipitation",
    "elevation",
    "slope",
)
"""Bands of a monthly series, in the order of every series array. NDVI is derived by the model."""

SERIES_UNITS: Mapping[str, str] = {
    **dict.fromkeys(("VV", "VH"), "dB"),
    **dict.fromkeys(("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"), "reflectance"),
    "temperature_2m": "K",
    "total_precipitation": "m/day (monthly mean, as ERA5's)",
    "elevation": "m",
    "slope": "degree",
}
"""Band -> unit of the stored numbers."""

MISSING_LANDCOVER = 9
"""Dynamic World class that means: not known."""

POOL_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("place", pa.string(), nullable=False),
        pa.field("lon", pa.float64(), nullable=False),
        pa.field("lat", pa.float64(), nullable=False),
        pa.field("time", pa.timestamp("s", tz="UTC")),
        pa.field("href", pa.string()),
        pa.field("cloud", pa.float32()),
        pa.field("nodata", pa.float32()),
        pa.field("id64", pa.uint64(), nullable=False),
    ]
)
"""Columns of pool.parquet that every pool has; further columns may follow, the last of them `geometry` (WKB points).

`id64`: `ids.id64` of the id, kept because permanent random numbers start from it and a pool may have many millions of rows.
"""

PLACES_SCHEMA = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("lon", pa.float64()),
        pa.field("lat", pa.float64()),
    ]
)
"""Columns of places.parquet: every task's samples; lon and lat are null where a task has no coordinates."""

RESULT_SCHEMA = pa.schema(
    [
        ("study", pa.string()),
        ("modality", pa.string()),
        ("manifest_hash", pa.string()),
        ("composition", pa.string()),
        ("model", pa.string()),
        ("draw_seed", pa.int64()),
        ("train_seed", pa.int64()),
        ("task", pa.string()),
        ("split", pa.string()),
        ("train_region", pa.string()),
        ("test_region", pa.string()),
        ("head", pa.string()),
        ("shots", pa.string()),
        ("label_seed", pa.int64()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("n", pa.int64()),
        ("protocol_hash", pa.string()),
        ("run_id", pa.string()),
    ]
)
"""One row a score. `shots` is a number or `all`, as text. draw_seed is null for `none`, `weights:` and `raw`."""

ROW_IDENTITY = [name for name in RESULT_SCHEMA.names if name not in ("study", "value", "n", "run_id")]
"""The columns that name a score: two rows that agree on them are the same measurement."""


def read(uri: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The table at `uri`: .parquet / .geoparquet / .csv, or a folder of Parquet parts, rows in file order.

    Raises DataError if it is missing, unreadable or lacks one of `columns`.
    """
    frames = [_read_one(name, columns) for name in files(uri)]
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def files(uri: str) -> list[str]:
    """URIs of the files of the table at `uri`: itself, or the Parquet parts in that folder or beneath, in order of their names.

    A large pool's `pool.parquet` is a folder too. Raises DataError if a folder holds no parts.
    """
    is_file = uri.endswith((".parquet", ".geoparquet", ".csv", ".csv.gz"))
    parts = _parts(uri)
    if is_file and not parts:
        return [uri]
    if not parts:
        raise DataError(f"{uri}: no table here", wanted="a .parquet, .geoparquet or .csv file, or a folder of .parquet parts")
    return parts


def _parts(uri: str) -> list[str]:
    names = store.list_names(uri)
    if names == [uri.rsplit("/", 1)[-1]]:  # a file's own name
        return []
    ends = (".parquet", ".geoparquet")
    if names and not any(name.endswith(ends) for name in names):
        names = sorted(store.listing(uri))  # partitioned by folders, such as year=2021/part-0.parquet
    return [store.join(uri, name) for name in names if name.endswith(ends)]


def _read_one(uri: str, columns: Sequence[str] | None) -> pd.DataFrame:
    try:
        data = store.read_bytes(uri)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise DataError(f"{uri}: no such file", remedy="check the path in the study file") from None
    try:
        if uri.endswith((".csv", ".csv.gz")):
            frame = _read_csv(data, "gzip" if uri.endswith(".gz") else None)
        else:
            frame = pq.read_table(io.BytesIO(data)).to_pandas()
    except (ValueError, OSError, pa.ArrowException) as error:
        raise DataError(f"{uri}: not a readable table ({error})", remedy="is the file complete? write it again") from None
    need(frame, columns or (), uri)
    return frame if columns is None else frame[list(columns)]


NO_VALUE = ("", "NaN", "nan", "null", "NULL")
NO_NUMBER = ("NA", "N/A", "n/a", "#N/A", "None")


def _read_csv(data: bytes, compression: Literal["gzip"] | None) -> pd.DataFrame:
    # NA is a missing number and a region's name (Namibia, North America): it depends on the rest of its column.
    frame = pd.read_csv(io.BytesIO(data), compression=compression, keep_default_na=False, na_values=list(NO_VALUE))
    for name in frame.columns[frame.dtypes.map(pd.api.types.is_string_dtype)]:
        values = frame[name].where(~frame[name].isin(NO_NUMBER))
        numbers = pd.to_numeric(values, errors="coerce")
        if numbers.notna().any() and numbers.notna().equals(values.notna()):
            frame[name] = numbers
    return frame


def digest(uri: str) -> str:
    """SHA-256 of the file at `uri`, or of the Parquet parts in that folder; "missing" where there is nothing readable.

    What is missing is explained by whoever reads it, inside its step, so that the explanation is recorded.
    """
    try:
        found = hashlib.sha256()
        for name in _parts(uri) or [uri]:
            # As `ids.sha256` of the files' bytes, without holding them.
            found.update(store.size(name).to_bytes(8, "big"))
            for piece in store.pieces(name):
                found.update(piece)
        return found.hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, DataError):
        return "missing"


def need(frame: pd.DataFrame, columns: Sequence[str], uri: str) -> None:
    """Raises DataError if `frame` lacks one of `columns`."""
    lacking = [c for c in columns if c not in frame.columns]
    if lacking:
        raise DataError(
            f"{uri}: no column {', '.join(map(repr, lacking))}",
            wanted=f"one of its columns: {', '.join(map(str, frame.columns))}",
        )


def lonlat(frame: pd.DataFrame, lon: str, lat: str, name: str) -> npt.NDArray[np.float64]:
    """Coordinates in columns `lon` and `lat`: degrees, WGS84, float64 [rows, 2], longitude first.

    What is not a number, and half a coordinate, is NaN. Raises DataError if a column is absent or a value is out of range.
    """
    need(frame, [lon, lat], name)
    found = np.column_stack([pd.to_numeric(frame[c], errors="coerce").to_numpy(dtype=np.float64) for c in (lon, lat)])
    bad = np.flatnonzero((np.abs(found[:, 0]) > 180) | (np.abs(found[:, 1]) > 90))
    if len(bad):
        raise DataError(
            f"{name}: row {frame.index[bad[0]]} has longitude {found[bad[0], 0]:g}, latitude {found[bad[0], 1]:g}",
            wanted="degrees, WGS84, longitude -180 to 180, latitude -90 to 90",
            remedy="are `lon` and `lat` exchanged?",
        )
    found[~np.isfinite(found).all(axis=1)] = np.nan
    return found


def select(frame: pd.DataFrame, expression: str | None, name: str) -> npt.NDArray[np.bool_]:
    """Mask [rows] of where the DuckDB boolean `expression` over the columns of `frame` holds (null counts as false).

    Raises DataError with DuckDB's own words if the expression is not valid.
    """
    if expression is None:
        return np.ones(len(frame), dtype=bool)
    return holds(frame.assign(**{ROW: np.arange(len(frame))}), expression, name, frame.columns)


ROW = "__position_of_row"
"""A column beside a table's own while an expression is asked: no name of anybody's."""


def holds(rows: pd.DataFrame | pa.Table, expression: str, name: str, known: Iterable[str]) -> npt.NDArray[np.bool_]:
    """`select` of a table of pandas or Arrow that has the column ROW, 0 and up. `known`: columns that messages name."""
    with duckdb.connect() as connection:
        # An expression of a study file must not read or write files.
        connection.execute("SET enable_external_access = false")
        connection.register("rows", rows)
        try:
            found = connection.execute(f"SELECT {ROW} FROM rows WHERE ({expression}\n)").fetchnumpy()[ROW]
        except duckdb.Error as error:
            raise DataError(
                f"{name}: `{expression}`: {str(error).splitlines()[0]}",
                wanted=f"a DuckDB boolean over: {', '.join(map(str, known))}",
            ) from None
    mask = np.zeros(len(rows), dtype=bool)
    mask[np.asarray(found, dtype=np.int64)] = True
    return mask


def arrow(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    """`frame` as an Arrow table, without its index. `schema` fixes names and types of its leading columns."""
    # pyarrow 25 reads columns with a time zone in a way that pandas 3.1 warns about: hand them over as naive UTC.
    zoned = {str(c): frame[c].dt.tz_convert(None) for c in frame if isinstance(frame[c].dtype, pd.DatetimeTZDtype)}
    table = pa.Table.from_pandas(frame.assign(**zoned), preserve_index=False)
    for name in zoned:
        at = table.column_names.index(name)
        utc = pa.timestamp(table.schema.field(at).type.unit, tz="UTC")
        table = table.set_column(at, pa.field(name, utc), table.column(at).cast(utc))
    if schema is not None:
        extra = [table.schema.field(n) for n in table.column_names if n not in schema.names]
        full = pa.schema([*schema, *extra])
        table = table.select(full.names).cast(full)
    return table


def write_parquet(
    uri: str, frame: pd.DataFrame, schema: pa.Schema | None = None, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes `frame` as Parquet. `schema` fixes names and types of its leading columns; `metadata` goes to the file."""
    table = arrow(frame, schema).replace_schema_metadata(dict(metadata or {}))
    with store.writing(uri) as path:
        pq.write_table(table, path, compression="zstd")


def file_metadata(uri: str) -> dict[str, str]:
    """Key-value metadata of a Parquet file, or of the first part of a table in parts."""
    # Not the schema's: Arrow's own copy of it hides what was added when the file was closed.
    metadata: Mapping[bytes, bytes] = pq.read_metadata(io.BytesIO(store.read_bytes(files(uri)[0]))).metadata or {}
    return {k.decode(): v.decode() for k, v in metadata.items() if k != b"ARROW:schema"}


def geo_metadata() -> str:
    """GeoParquet 1.1 file metadata for a table with a WKB point column `geometry`, WGS84, longitude first."""
    import json

    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": ["Point"]}
    return json.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}})
