"""Checks coordinates of a pool's rows: a pool whose places are wrong would give a wrong answer, not an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from geomix import atlas, config
from geomix.errors import PoolError

F64 = npt.NDArray[np.float64]


def checked(lon: pd.Series[Any], lat: pd.Series[Any], rows: npt.NDArray[np.int64], pool: config.TablePool) -> tuple[F64, F64]:
    """Longitude and latitude as float64 [N], degrees, WGS84. `rows`: their positions in the table, for messages.

    Raises PoolError, naming the first bad rows, for text, missing numbers and numbers out of range.
    """
    x, y = (pd.to_numeric(c, errors="coerce").to_numpy(dtype=np.float64) for c in (lon, lat))
    _refuse(
        ~(np.isfinite(x) & np.isfinite(y)),
        lon,
        lat,
        rows,
        f"{pool.uri}: {{count}} of {len(rows)} rows have no coordinates",
        f'leave them out: `where: "{pool.lon} IS NOT NULL AND {pool.lat} IS NOT NULL"`, or name the right columns',
    )
    outside = (np.abs(x) > 180) | (np.abs(y) > 90)
    if (np.abs(y) > 90).any() and (np.abs(x) <= 90).all():
        remedy = f"longitude and latitude seem to be exchanged: write `lon: {pool.lat}` and `lat: {pool.lon}`"
    elif (np.abs(y) <= 90).all() and ((x >= 0) & (x <= 360)).all():
        remedy = "longitudes run from 0 to 360 here: subtract 360 from those beyond 180"
    else:
        remedy = "are they degrees? metres of a projection must be turned into WGS84 first"
    _refuse(outside, lon, lat, rows, f"{pool.uri}: {{count}} of {len(rows)} rows have coordinates off the Earth", remedy)
    return x, y


class Exchange:
    """Watches whether the places lie at sea, but would lie on land with longitude and latitude exchanged.

    The numbers alone do not tell where both are below 90 degrees: France exchanged is the coast of Somalia. Most of at
    least 20 rows at sea, hardly any of them so after the exchange: nobody's pool is that by intent.
    """

    def __init__(self, name: str, kind: str) -> None:
        """`name`: the pool's, for messages; `kind`: as in a study, which decides what can be done about it."""
        self._name, self._kind = name, kind
        self._seen = self._at_sea = self._tried = self._at_sea_exchanged = 0

    def update(self, lon: F64, lat: F64, strata: pa.Table) -> None:
        """Adds rows, of a large block every tenth or so. `strata`: with `continent`, null at sea."""
        if "continent" not in strata.column_names:
            return
        some = slice(None, None, max(1, len(lon) // 50_000))
        self._seen += len(lon[some])
        self._at_sea += int(strata["continent"].is_null().to_numpy()[some].sum())
        if self._at_sea >= self._seen / 2:
            self._tried += len(lon[some])
            self._at_sea_exchanged += int(pd.isna(atlas.lookup("continent", lat[some], np.clip(lon[some], -90, 90))).sum())

    def refuse(self) -> None:
        """Raises PoolError if the coordinates are exchanged."""
        if self._seen >= 20 and self._at_sea >= self._seen / 2 and self._at_sea_exchanged <= self._tried / 10:
            on_land = 1 - self._at_sea_exchanged / self._tried
            if self._kind == "stac":
                remedy = (
                    "write the items again: in GeoJSON, longitude comes first; if they do lie at sea, take their "
                    "stac-geoparquet file as a pool of `kind: table` with `sea: true`"
                )
            else:
                remedy = "exchange the columns that `lon:` and `lat:` name; if the places do lie at sea, write `sea: true`"
            raise PoolError(
                f"{self._name}: {self._at_sea / self._seen:.0%} of {self._seen} places lie at sea; with longitude and latitude "
                f"exchanged {on_land:.0%} of them lie on land",
                remedy=remedy,
            )


def refuse_off_earth(block: pa.Table, name: str) -> None:
    """Raises PoolError, naming the first ids, for rows whose coordinates are missing or out of range."""
    lon, lat = (block[column].to_numpy() for column in ("lon", "lat"))
    bad = np.flatnonzero(~((np.abs(lon) <= 180) & (np.abs(lat) <= 90)))
    if len(bad):
        some = "; ".join(f"{block['id'][int(n)]}: longitude {lon[n]:g}, latitude {lat[n]:g}" for n in bad[:3])
        raise PoolError(
            f"{name}: places off the Earth: {some}",
            wanted="degrees, WGS84, longitude -180 to 180, latitude -90 to 90",
            remedy="are longitude and latitude exchanged?",
        )


def _refuse(
    bad: npt.NDArray[np.bool_],
    lon: pd.Series[Any],
    lat: pd.Series[Any],
    rows: npt.NDArray[np.int64],
    message: str,
    remedy: str,
) -> None:
    found = np.flatnonzero(bad)
    if len(found):
        some = "; ".join(f"row {rows[n]}: longitude {lon.iloc[n]}, latitude {lat.iloc[n]}" for n in found[:3])
        raise PoolError(
            f"{message.format(count=len(found))}: {some}",
            wanted="degrees, WGS84, longitude -180 to 180, latitude -90 to 90",
            remedy=remedy,
        )
