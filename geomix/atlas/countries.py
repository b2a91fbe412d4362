"""Countries and continents: in which Natural Earth polygon a point lies, exactly; None at sea."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import shapely

from geomix.atlas import continents
from geomix.atlas.polygons import Parts, pick
from geomix.atlas.sources import Source, file_sha256

_FILE = Path(__file__).with_name("natural_earth_countries.parquet")


@dataclass(frozen=True)
class Land:
    """Polygons of all land. Arrays [P], one entry a polygon part; EPSG:4326, longitude first."""

    country: npt.NDArray[np.object_]
    iso_a3: npt.NDArray[np.object_]
    continent: npt.NDArray[np.object_]
    """Before Russia and Turkey are divided (`continents.straddling`)."""
    parts: Parts

    @property
    def polygon(self) -> npt.NDArray[np.object_]:
        """shapely Polygons [P]."""
        return self.parts.polygon


@lru_cache(maxsize=1)
def land() -> Land:
    """All land as polygon parts, with a spatial index. Read once a process."""
    table = pq.read_table(_FILE, columns=["iso_a3", "name", "continent", "geometry"])
    parts, row = shapely.get_parts(shapely.from_wkb(table["geometry"].to_numpy()), return_index=True)
    iso, name, continent = (table[c].to_numpy(zero_copy_only=False).astype(object) for c in ("iso_a3", "name", "continent"))
    return Land(name[row], iso[row], continent[row], Parts.of(parts))


def locate(lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Index into `land()` of the polygon that holds each point: int64 [N], -1 at sea. Degrees, WGS84.

    Exact: no snapping to a near coast, so that the 1:50 m generalisation leaves some coastal places at sea. A point on a
    shared border belongs to the polygon that comes first.
    """
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    x = np.where((x > 180) | (x < -180), (x + 180.0) % 360.0 - 180.0, x)
    # The polygon of Antarctica ends a hair above the pole.
    y = np.where((y < -89.99) & (y >= -90), -89.99, y)
    return land().parts.locate(x, y)


def country(lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """Country (Natural Earth's ADMIN, in English) of each point: object [N], None at sea."""
    return pick(land().country, locate(lon, lat))


def continent(lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """Continent (`continents.CONTINENTS`) of each point: object [N], None at sea. The rules are in `continents`."""
    part = locate(lon, lat)
    return continents.straddling(pick(land().country, part), pick(land().continent, part), lon, lat)


def source() -> Source:
    """Where the polygons come from."""
    return Source("Natural Earth 1:50 m Admin 0 countries", "5.1", file_sha256(_FILE), "public domain")
