"""Countries, continents and UN regions: in which Natural Earth polygon a point lies, exactly; no class at sea."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import shapely

from geomix.atlas import continents
from geomix.atlas.coded import Coded, Legend
from geomix.atlas.parts import Locator, Parts, wrapped
from geomix.atlas.sources import Source, file_sha256

_FILE = Path(__file__).with_name("natural_earth_countries.parquet")


@dataclass(frozen=True)
class Land:
    """Polygons of all land. Arrays [P], one entry a polygon part; EPSG:4326, longitude first."""

    country: npt.NDArray[np.object_]
    iso_a3: npt.NDArray[np.object_]
    continent: npt.NDArray[np.object_]
    """Before Russia and Turkey are divided (`continents.straddling`)."""
    un_region: npt.NDArray[np.object_]
    un_subregion: npt.NDArray[np.object_]
    locator: Locator

    @property
    def polygon(self) -> npt.NDArray[np.object_]:
        """shapely Polygons [P]."""
        return self.locator.parts.polygon


@lru_cache(maxsize=1)
def land() -> Land:
    """All land as polygon parts, with a spatial index. Read once a process."""
    table = pq.read_table(_FILE)
    parts, row = shapely.get_parts(shapely.from_wkb(table["geometry"].to_numpy()), return_index=True)
    names = ("name", "iso_a3", "continent", "un_region", "un_subregion")
    name, iso, continent, region, subregion = (table[c].to_numpy(zero_copy_only=False).astype(object)[row] for c in names)
    locator = Locator(Parts.of(shapely.transform(parts, _to_the_pole)))
    return Land(name, iso, continent, region, subregion, locator)


def _to_the_pole(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # The polygon of Antarctica ends a hair above the pole.
    return np.column_stack([points[:, 0], np.where(points[:, 1] < -89.99, -90.0, points[:, 1])])


def locate(lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Index into `land()` of the polygon that holds each point: int32 [N], -1 at sea. Degrees, WGS84.

    Exact: no snapping to a near coast, so that the 1:50 m generalisation leaves some coastal places at sea. A point on a
    shared border belongs to the polygon that comes first.
    """
    return land().locator.locate(lon, lat)


@lru_cache(maxsize=8)
def _legend(column: Literal["country", "continent", "un_region", "un_subregion"]) -> Legend:
    return Legend.of(getattr(land(), column))


def country(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coded:
    """Country (Natural Earth's ADMIN, in English) of each point; none at sea."""
    return _legend("country").of_members(locate(lon, lat))


def un_region(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coded:
    """Region of the UN's M49 list of each point (Africa, Americas, Antarctica, Asia, Europe, Oceania); none at sea."""
    return _legend("un_region").of_members(locate(lon, lat))


def un_subregion(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coded:
    """Subregion of the UN's M49 list of each point, as "Western Africa"; none at sea."""
    return _legend("un_subregion").of_members(locate(lon, lat))


def continent(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coded:
    """Continent (`continents.CONTINENTS`) of each point; none at sea. The rules are in `continents`."""
    part = locate(lon, lat)
    found = _legend("continent").of_members(part)
    names = land().country
    divided = np.append(np.isin(names.astype(str), continents.DIVIDED), False)
    some = np.flatnonzero(divided[part])
    x, y = wrapped(np.asarray(lon, dtype=np.float64)[some]), np.asarray(lat, dtype=np.float64)[some]
    values = continents.straddling(names[part[some]], land().continent[part[some]], x, y)
    found.code[some] = np.searchsorted(found.names, values.astype(str))
    return found


def source() -> Source:
    """Where the polygons come from."""
    return Source("Natural Earth 1:50 m Admin 0 countries", "5.1", file_sha256(_FILE), "public domain")
