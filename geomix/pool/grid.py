"""Places on an equal-distance grid of the Earth: rows of latitude, and columns as far apart along each row."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geomix import atlas, config, ids
from geomix.pool.rows import BLOCK_ROWS, Source, block

EARTH_KM = 6371.0072
"""Radius of the sphere with the area of the WGS84 ellipsoid."""


def source(pool: config.GridPool) -> Source:
    """The grid's places, in order of id.

    From the equator to a pole lie n = round(quarter meridian / spacing) rows of equal height; the row whose centre is at
    latitude y has round(2 pi R cos(y) / spacing) columns, counted eastwards from 180 degrees west. So every cell is nearly
    spacing x spacing (rule of Major-TOM's grid, Francis and Czerkawski 2024, with cells fitted whole into row and meridian).
    The id of a cell says spacing, row from the equator, hemisphere and column: `g10_0543N_0987`. It depends on nothing but
    `spacing_km`: other latitudes or a later land mask give the same cells the same ids.
    """
    return Source(
        name=f"grid of {pool.spacing_km:g} km",
        kind="grid",
        modality=None,
        blocks=lambda: _gathered(_rows(pool), pool.land),
        content=ids.canonical_json({"places": "grid", "spacing_km": pool.spacing_km}),
        ordered=True,
    )


Row = tuple[pa.Array, npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Ids, longitudes and latitudes of a row of cells."""


def _rows(pool: config.GridPool) -> Iterator[Row]:
    """The rows from the equator outwards, north before south: the order of ids."""
    rows = max(1, round(math.pi / 2 * EARTH_KM / pool.spacing_km))
    width = len(str(max(rows, _columns(0, pool.spacing_km)) - 1))
    for row in range(rows):
        for hemisphere, sign in (("N", 1), ("S", -1)):
            latitude = sign * (row + 0.5) * 90 / rows
            if not pool.lat_min <= latitude <= pool.lat_max:
                continue
            columns = _columns(latitude, pool.spacing_km)
            lon = np.asarray(-180 + (np.arange(columns) + 0.5) * (360 / columns), dtype=np.float64)
            prefix = f"g{pool.spacing_km:g}_{row:0{width}d}{hemisphere}_"
            yield pa.array([f"{prefix}{c:0{width}d}" for c in range(columns)]), lon, np.full(columns, latitude)


def _columns(latitude: float, spacing_km: float) -> int:
    return max(1, round(2 * math.pi * EARTH_KM * math.cos(math.radians(latitude)) / spacing_km))


def _gathered(rows: Iterator[Row], land: bool) -> Iterator[pa.Table]:
    """Rows put together to blocks, without the cells at sea."""
    held: list[Row] = []
    count = 0
    for row in rows:
        held.append(row)
        count += len(row[1])
        if count >= BLOCK_ROWS:
            yield _block(held, land)
            held, count = [], 0
    if held:
        yield _block(held, land)


def _block(held: list[Row], land: bool) -> pa.Table:
    names = pa.concat_arrays([row[0] for row in held])
    lon, lat = (np.concatenate([row[k] for row in held]) for k in (1, 2))
    if land:
        on_land = np.array([name is not None for name in atlas.lookup("country", lon, lat)])
        names, lon, lat = names.filter(pa.array(on_land)), lon[on_land], lat[on_land]
    return block(names, lon, lat, place=names)
