"""Checks coordinates of the user's table: a pool whose places are wrong would give a wrong answer, not an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

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


def refuse_exchanged(continent: pd.Series[Any], lon: F64, lat: F64, uri: str) -> None:
    """Raises PoolError if the places lie at sea, but would lie on land with longitude and latitude exchanged.

    The numbers alone do not tell where both are below 90 degrees: France exchanged is the coast of Somalia. Most of at
    least 20 rows at sea, hardly any of them so after the exchange: nobody's pool is that by intent.
    """
    at_sea = float(continent.isna().mean())
    if len(lon) < 20 or at_sea < 0.5:
        return
    exchanged = pd.isna(atlas.lookup("continent", lat, np.clip(lon, -90, 90)))
    if float(exchanged.mean()) <= 0.1:
        raise PoolError(
            f"{uri}: {at_sea:.0%} of {len(lon)} places lie at sea; with longitude and latitude exchanged "
            f"{1 - float(exchanged.mean()):.0%} of them lie on land",
            remedy="exchange the columns that `lon:` and `lat:` name",
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
