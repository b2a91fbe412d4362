"""The geometry column of GeoParquet files: its name, and that its coordinates are longitude and latitude."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow.parquet as pq

from geomix.errors import PoolError

_LONGITUDE_LATITUDE = ("OGC:CRS84", "EPSG:4326")


def primary(files: Iterable[str], uri: str) -> str | None:
    """The primary geometry column of the files' table, as the first GeoParquet file says; None if none is one.

    `files`: local paths; `uri`: the table, for messages. Raises PoolError if the metadata are torn or name no such column.
    """
    for path in files:
        geo = _metadata(path, uri)
        if geo is not None:
            name = geo.get("primary_column")
            if not isinstance(name, str) or name not in geo["columns"]:
                raise PoolError(
                    f"{uri}: its GeoParquet metadata name no primary geometry column",
                    wanted="`primary_column`, one of `columns`",
                    remedy="write it again, say with geopandas, or add columns of longitude and latitude",
                )
            return name
    return None


def refuse_projected(files: Iterable[str], column: str, uri: str) -> None:
    """Raises PoolError if any of the files says that the coordinates of `column` are not longitude and latitude (WGS84).

    A column without a coordinate system of its own has OGC:CRS84, as GeoParquet defines; null is an unknown one.
    """
    for path in files:
        described = (_metadata(path, uri) or {"columns": {}})["columns"].get(column, {})
        system = _named(described["crs"]) if "crs" in described else _LONGITUDE_LATITUDE[0]
        if system not in _LONGITUDE_LATITUDE:
            raise PoolError(
                f"{uri}: the coordinate system of its geometry {column!r} is {system}",
                wanted=f"longitude and latitude, WGS84 ({' or '.join(_LONGITUDE_LATITUDE)})",
                remedy="write it again in degrees, with geopandas: "
                + (".set_crs(...) with the right system, then " if system == "unknown" else "")
                + ".to_crs(4326)",
            )


def _named(crs: Any) -> str:
    """Authority and code of a PROJJSON coordinate system, or else its name."""
    if not isinstance(crs, dict):
        return "unknown"
    code = crs.get("id") or {}
    return f"{code['authority']}:{code['code']}" if {"authority", "code"} <= code.keys() else str(crs.get("name", "unknown"))


def _metadata(path: str, uri: str) -> dict[str, Any] | None:
    """The file's GeoParquet metadata, with `columns`; None if it is no GeoParquet file."""
    if not path.endswith((".parquet", ".geoparquet")):
        return None
    text = (pq.read_metadata(path).metadata or {}).get(b"geo")
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("columns"), dict):
        raise PoolError(f"{uri}: its GeoParquet metadata cannot be read", remedy="write it again, say with geopandas")
    return found
