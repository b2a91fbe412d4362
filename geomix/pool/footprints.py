"""Footprints of scenes: their centroids and which places they hold, also across the 180th meridian."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from geomix.errors import PoolError

F64 = npt.NDArray[np.float64]
Geometries = npt.NDArray[np.object_]


def parsed(column: pa.ChunkedArray, name: str) -> Geometries:
    """Geometries of a column of WKB or WKT, longitude first: object [N]. Raises PoolError if one is missing or unreadable."""
    values = column.to_numpy()
    if len(values) == 0:
        return np.empty(0, dtype=object)
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    try:
        found = shapely.from_wkt(values) if is_text else shapely.from_wkb(values)
    except (shapely.errors.ShapelyError, TypeError, ValueError) as error:
        raise PoolError(f"{name}: geometry that is neither WKB nor WKT ({str(error).splitlines()[0]})") from None
    missing = shapely.is_missing(found) | shapely.is_empty(found)
    if missing.any():
        raise PoolError(f"{name}: {int(missing.sum())} rows have no geometry, the first is row {int(missing.argmax())}")
    return np.asarray(found, dtype=object)


def unwrapped(geometry: Geometries) -> Geometries:
    """The geometries, those across the 180th meridian with their western longitudes moved by 360 degrees: object [N].

    A geometry crosses it if it is wider than 180 degrees, and narrower after the move: files write such footprints as two
    parts, one at each edge of the map, or as one ring that jumps from 179 to -179.
    """
    found = np.array(geometry, dtype=object)
    wide = np.flatnonzero(_width(found) > 180)
    if len(wide):
        moved = shapely.transform(
            found[wide], lambda c: np.column_stack([np.where(c[:, 0] < 0, c[:, 0] + 360, c[:, 0]), c[:, 1]])
        )
        width = _width(moved)
        better = (width > 0) & (width < 180)
        found[wide[better]] = moved[better]
    return found


def centroids(geometry: Geometries) -> tuple[F64, F64]:
    """Longitude (-180 to 180) and latitude of the centroids, in degrees: float64 [N] each."""
    centre = shapely.centroid(unwrapped(geometry))
    lon = shapely.get_x(centre)
    # Only what lies beyond the edge: the arithmetic would cost others their last digits.
    return np.where(np.abs(lon) > 180, (lon + 180) % 360 - 180, lon), shapely.get_y(centre)


class Index:
    """Footprints [N], indexed to be asked for places."""

    def __init__(self, geometry: Geometries) -> None:
        own = unwrapped(geometry)
        over = np.flatnonzero(shapely.bounds(own)[:, 2] > 180) if len(own) else np.empty(0, dtype=np.int64)
        # What lies beyond 180 degrees is asked for at both edges.
        again = shapely.transform(own[over], lambda c: c - [360.0, 0.0]) if len(over) else own[:0]
        self._geometry = np.concatenate([own, again])
        self._row = np.concatenate([np.arange(len(own)), over])
        shapely.prepare(self._geometry)
        self._tree = shapely.STRtree(self._geometry)

    def holding(self, lon: F64, lat: F64) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Pairs (place, footprint): positions int64 [M] each, of every footprint that holds a place or has it on its edge."""
        place, at = self._tree.query(shapely.points(lon, lat))
        held = shapely.intersects_xy(self._geometry[at], lon[place], lat[place])
        pairs = np.unique(np.column_stack([place[held], self._row[at[held]]]), axis=0)
        return pairs[:, 0], pairs[:, 1]


def _width(geometry: Geometries) -> F64:
    bounds = shapely.bounds(geometry)
    return np.asarray(bounds[:, 2] - bounds[:, 0])
