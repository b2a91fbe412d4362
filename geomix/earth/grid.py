"""The ground of images: 10 m pixels of UTM zones, numbered from each zone's origin, and windows of them.

Column c covers eastings 10 c to 10 (c + 1) m, row r northings -10 r down to -10 (r + 1) m: rows count southwards, as in an
image. Everything on the ground is a function of (zone, column, row), so that windows agree where they overlap. The ground
belongs to the zone: on the meridian between two zones each has its own, as if tiles of both were different days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj

from geomix.earth.keyed import F64, I64
from geomix.errors import DataError

PIXEL_M = 10
"""Ground distance of a pixel."""

UTM_LATITUDES = (-80.0, 84.0)
"""Where UTM is defined, degrees."""


@dataclass(frozen=True)
class Windows:
    """N windows of one size, each on one day. Arrays int64 [N]."""

    epsg: I64
    """WGS84 / UTM: 326zz north, 327zz south."""
    column: I64
    row: I64
    """The window's first (western) column and first (northern) row."""
    day: I64
    """Days since 1970-01-01."""
    height: int
    width: int

    def __len__(self) -> int:
        return len(self.epsg)

    def take(self, chosen: slice | npt.NDArray[np.int64]) -> Windows:
        """Those of the windows."""
        return Windows(self.epsg[chosen], self.column[chosen], self.row[chosen], self.day[chosen], self.height, self.width)

    def grown(self, pixels: int) -> Windows:
        """The windows with `pixels` more on every side."""
        more = 2 * pixels
        return Windows(self.epsg, self.column - pixels, self.row - pixels, self.day, self.height + more, self.width + more)

    def bounds(self) -> F64:
        """Left, bottom, right, top of each window: metres in its zone, [N, 4]."""
        left, top = self.column * float(PIXEL_M), self.row * -float(PIXEL_M)
        return np.stack([left, top - self.height * PIXEL_M, left + self.width * PIXEL_M, top], axis=1)


def zones(lon: F64, lat: F64) -> I64:
    """EPSG code of each place's UTM zone, int64 [N]; with the exceptions round Norway and Svalbard, as Sentinel-2's tiles.

    Degrees, WGS84, longitude -180 to 180. Raises DataError for places that are not on Earth, or where there is no UTM.
    """
    low, high = UTM_LATITUDES
    if not (np.isfinite(lon).all() and (np.abs(lon) <= 180).all() and ((lat >= low) & (lat <= high)).all()):
        raise DataError("coordinates without a UTM zone", wanted=f"degrees, WGS84, latitude {low:g} to {high:g}")
    zone = np.floor((lon + 180) / 6).astype(np.int64) % 60 + 1
    zone = np.where((lat >= 56) & (lat < 64) & (lon >= 3) & (lon < 12), 32, zone)
    svalbard = np.select([lon < 9, lon < 21, lon < 33], [31, 33, 35], 37)
    zone = np.where((lat >= 72) & (lon >= 0) & (lon < 42), svalbard, zone)
    return np.where(lat >= 0, 32600, 32700) + zone


def projected(epsg: I64, lon: F64, lat: F64) -> tuple[F64, F64]:
    """Easting and northing of places in the given zones: metres, each [N]."""
    return _by_zone(epsg, lon, lat, inverse=False)


def coordinates(epsg: I64, easting: F64, northing: F64) -> tuple[F64, F64]:
    """Longitude and latitude of points of the given zones: degrees, WGS84, each [N]; longitude -180 to 180."""
    lon, lat = _by_zone(epsg, easting, northing, inverse=True)
    return (lon + 180) % 360 - 180, lat


def _by_zone(epsg: I64, x: F64, y: F64, inverse: bool) -> tuple[F64, F64]:
    out_x, out_y = np.empty(len(epsg)), np.empty(len(epsg))
    for code in np.unique(epsg):
        rows = epsg == code
        out_x[rows], out_y[rows] = pyproj.Proj(int(code))(x[rows], y[rows], inverse=inverse)
    return out_x, out_y


def centred(lon: F64, lat: F64, day: I64, size: int) -> Windows:
    """Square windows of `size` pixels whose centre is nearest to each place, to half a pixel. Raises DataError."""
    epsg = zones(lon, lat)
    easting, northing = projected(epsg, lon, lat)
    # Rounded first: a place on a pixel's centre must not fall left or right by the last digit of a projection.
    west, north = (np.floor(np.round(v / PIXEL_M + half, 3) + 0.5) for v, half in ((easting, -size / 2), (northing, size / 2)))
    return Windows(epsg, west.astype(np.int64), -north.astype(np.int64), np.asarray(day, dtype=np.int64), size, size)
