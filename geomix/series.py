"""Monthly pixel series as arrays, and how they are read from users' files into physical units.

Letters in names: N series, T time steps, C channels (`tables.SERIES_BANDS`).
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix import config, store, tables
from geomix.errors import DataError

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Series:
    """Series in physical units: see `tables.SERIES_UNITS`."""

    x_NTC: F32
    """float32 [N, T, C]; NaN where missing."""
    month_NT: I64
    """int64 [N, T]; calendar month of each step, 0 = January."""
    landcover_NT: I64
    """int64 [N, T]; Dynamic World class 0-8, 9 = missing."""

    def __len__(self) -> int:
        return len(self.x_NTC)

    def take(self, rows: npt.NDArray[np.int64]) -> Series:
        """The series at `rows`, in that order."""
        return Series(self.x_NTC[rows], self.month_NT[rows], self.landcover_NT[rows])


def read(source: config.SeriesArrays | config.SeriesColumns, frame: pd.DataFrame, rows: I64, table_uri: str) -> Series:
    """The series of `rows` (positions in the whole table `frame`), in physical units. Raises DataError."""
    if isinstance(source, config.SeriesArrays):
        return _from_arrays(source, frame, rows, table_uri)
    return _from_columns(source, frame, rows, table_uri)


def _from_arrays(source: config.SeriesArrays, frame: pd.DataFrame, rows: I64, table_uri: str) -> Series:
    stored = load_array(source)
    if stored.ndim != 3 or len(stored) != len(frame):
        raise DataError(
            f"{source.uri}: array of shape {stored.shape}",
            wanted=f"[{len(frame)} rows as in {table_uri}, time steps, channels]",
        )
    _known_bands(source.channels, source.uri)
    _known_bands(source.factor, source.uri)
    tables.need(frame, [source.start_month], table_uri)
    x = np.full((len(rows), stored.shape[1], len(tables.SERIES_BANDS)), np.nan, dtype=np.float32)
    for band, index in source.channels.items():
        if not 0 <= index < stored.shape[2]:
            raise DataError(f"{source.uri}: channel {index} for {band} of {stored.shape[2]} channels")
        x[:, :, tables.SERIES_BANDS.index(band)] = stored[rows, :, index] * np.float32(source.factor.get(band, 1.0))
    for correction in source.corrections:
        _known_bands([correction.channel], source.uri)
        mask = tables.select(frame, correction.where, table_uri)[rows]
        channel = tables.SERIES_BANDS.index(correction.channel)
        x[mask, :, channel] = x[mask, :, channel] * np.float32(correction.factor) + np.float32(correction.offset)
    start = _months(frame[source.start_month].iloc[rows], source.start_month, table_uri)
    month = (start[:, None] + np.arange(x.shape[1])) % 12
    return Series(x, month, np.full(month.shape, tables.MISSING_LANDCOVER, dtype=np.int64))


def _from_columns(source: config.SeriesColumns, frame: pd.DataFrame, rows: I64, table_uri: str) -> Series:
    x = np.full((len(rows), len(source.steps), len(tables.SERIES_BANDS)), np.nan, dtype=np.float32)
    month = np.zeros((len(rows), len(source.steps)), dtype=np.int64)
    for t, step in enumerate(source.steps):
        _known_bands(step.bands, table_uri)
        tables.need(frame, list(step.bands.values()), table_uri)
        month[:, t] = step.month
        for band, column in step.bands.items():
            values = _numbers(frame[column].iloc[rows], column, table_uri).astype(np.float32)
            x[:, t, tables.SERIES_BANDS.index(band)] = values * np.float32(source.factor.get(band, 1.0))
    return Series(x, month, np.full(month.shape, tables.MISSING_LANDCOVER, dtype=np.int64))


def load_array(source: config.SeriesArrays) -> npt.NDArray[np.float32]:
    """The stored array as it is in the file, float32, in the file's own units and channels. Raises DataError."""
    try:
        data = np.load(io.BytesIO(store.read_bytes(source.uri)), allow_pickle=False)
        return np.asarray(data[source.array] if isinstance(data, np.lib.npyio.NpzFile) else data, dtype=np.float32)
    except FileNotFoundError:
        raise DataError(f"{source.uri}: no such file", remedy="check `arrays.uri` in the study file") from None
    except KeyError:
        raise DataError(f"{source.uri}: no array {source.array!r}", remedy="set `array:` to a name in the file") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{source.uri}: not a readable .npz or .npy file ({error})") from None


def _months(column: pd.Series, name: str, where: str) -> I64:
    values = _numbers(column, name, where)
    wrong = ~np.isin(values, np.arange(12))
    if wrong.any():
        raise DataError(
            f"{where}: {column.iloc[int(wrong.argmax())]!r} in column {name!r}", wanted="a month from 0 (January) to 11"
        )
    return values.astype(np.int64)


def _numbers(column: pd.Series, name: str, where: str) -> npt.NDArray[np.float64]:
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: column {name!r}: {error}", wanted="numbers") from None


def _known_bands(bands: object, where: str) -> None:
    for band in bands:  # type: ignore[attr-defined]
        if band not in tables.SERIES_BANDS:
            raise DataError(f"{where}: unknown band {band!r}", wanted=f"one of {', '.join(tables.SERIES_BANDS)}")
