"""Strata from a user's own polygons: any file GeoPandas reads, in any coordinate system, checked before use."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from geomix import ids, store
from geomix.atlas.coded import Coded, Legend
from geomix.atlas.parts import Locator, Parts
from geomix.atlas.sources import Source
from geomix.errors import DataError


@dataclass(frozen=True)
class Polygons:
    """A stratum of a user's polygons: which part holds a place, the class of each part [P], and where they come from."""

    locator: Locator
    value: npt.NDArray[np.object_]
    source: Source

    @cached_property
    def _legend(self) -> Legend:
        return Legend.of(self.value)

    def find(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coded:
        """Class of each place; none outside every polygon. Degrees, WGS84, longitude first.

        Places go to the polygons' coordinate system, not the reverse: edges stay as they were drawn.
        """
        return self._legend.of_members(self.locator.locate(lon, lat))

    def at(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.object_]:
        """The same as text: object [N], None outside every polygon."""
        return self.find(lon, lat).values()


def read_polygons(uri: str, column: str) -> Polygons:
    """The stratum that `column` names in the polygon file at `uri` (what GeoPandas reads, or GeoParquet).

    Raises DataError: not there, not readable, no such column, no or the wrong coordinate system, no polygons.
    """
    frame = _frame(uri)
    columns = [str(c) for c in frame.columns if c != "geometry"]
    if column not in columns:
        raise DataError(f"{uri}: no column {column!r}", wanted=f"one of its attributes: {', '.join(columns)}")
    if frame.crs is None:
        raise DataError(f"{uri}: it does not say its coordinate system", remedy="write it again with one (EPSG:4326)")
    drawn = frame.geometry.to_numpy()
    frame = frame[frame[column].notna().to_numpy() & ~(shapely.is_missing(drawn) | shapely.is_empty(drawn))]
    if frame.empty:
        raise DataError(f"{uri}: no row has both a polygon and a value of {column!r}", wanted="at least one polygon")
    geometry = np.array(frame.geometry.to_numpy(), dtype=object)
    if not set(shapely.get_type_id(geometry).tolist()) <= {shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON}:
        raise DataError(f"{uri}: geometries of type {sorted(set(frame.geom_type))}", wanted="polygons")
    _check_place(uri, geometry, frame.crs)
    polygon, row = _parts(geometry)
    text = np.array([_text(v) for v in frame[column]], dtype=object)[row]
    crs = frame.crs.to_wkt()
    digest = ids.sha256("polygons", crs, *(shapely.to_wkb(p) for p in polygon), *text)
    if frame.crs.is_geographic:
        polygon, owner = _round_the_earth(polygon)
        text = text[owner]
    name = uri.rstrip("/").rsplit("/", 1)[-1]
    source = Source(f"{name}, attribute {column}", "as given", digest, "as given")
    return Polygons(Locator(Parts.of(polygon), crs), text, source)


def _frame(uri: str) -> Any:
    import geopandas

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = store.local_copy(uri, Path(folder))
            if uri.endswith((".parquet", ".geoparquet")):
                return geopandas.read_parquet(path)
            with warnings.catch_warnings():
                # GDAL tells about oddities of a file's layout (ring orders, a missing index) that do not matter here.
                warnings.simplefilter("ignore", RuntimeWarning)
                frame = geopandas.read_file(path)
        except FileNotFoundError:
            raise DataError(f"{uri}: no such file", remedy="check the path under `strata:` in the study file") from None
        except Exception as error:  # pyogrio, pyarrow and geopandas each have their own
            raise DataError(
                f"{uri}: not readable as polygons ({error})", wanted="GeoPackage, GeoJSON, shapefile or GeoParquet"
            ) from None
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise DataError(f"{uri}: a table without geometry", wanted="a file of polygons")
    return frame


def _parts(geometry: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    # Single polygons [P], and the row that each comes from. A polygon that crosses itself is mended.
    invalid = ~shapely.is_valid(geometry)
    geometry[invalid] = shapely.make_valid(geometry[invalid])
    # Mending may leave a collection of polygons and of lines without area.
    members, row = shapely.get_parts(geometry, return_index=True)
    polygon, member = shapely.get_parts(members, return_index=True)
    flat = shapely.get_type_id(polygon) == shapely.GeometryType.POLYGON
    return polygon[flat], row[member[flat]]


def _round_the_earth(polygon: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    # A part drawn beyond the dateline (170 to 190 degrees) also lies on its other side (-190 to -170): a copy follows it.
    west, _, east, _ = shapely.bounds(polygon).T
    found, owner = [polygon], [np.arange(len(polygon))]
    for beyond, turn in ((east > 180, -360.0), (west < -180, 360.0)):
        moved = np.flatnonzero(beyond)
        found.append(shapely.transform(polygon[moved], lambda points, turn=turn: points + np.array([turn, 0.0])))
        owner.append(moved)
    owners = np.concatenate(owner)
    order = np.argsort(owners, kind="stable")
    return np.concatenate(found)[order], owners[order]


def _check_place(uri: str, geometry: npt.NDArray[np.object_], crs: Any) -> None:
    # Raises DataError if the coordinates cannot be of the coordinate system that the file names.
    import pyproj

    bounds = shapely.total_bounds(geometry)
    west, south, east, north = bounds
    seen = f"{uri}: coordinates from ({west:,.6g}, {south:,.6g}) to ({east:,.6g}, {north:,.6g})"
    remedy = "give the file the coordinate system that its numbers are in (ogr2ogr -a_srs; set_crs in GeoPandas)"
    if not np.isfinite(bounds).all():
        raise DataError(seen, wanted="finite coordinates")
    in_degrees = max(abs(west), abs(east)) <= 360.001 and max(abs(south), abs(north)) <= 90.001
    if crs.is_geographic and abs(crs.axis_info[0].unit_conversion_factor - np.pi / 180) < 1e-9:
        if not in_degrees:
            swapped = max(abs(west), abs(east)) <= 90.001 and max(abs(south), abs(north)) <= 360.001
            hint = "exchange longitude and latitude: longitude comes first" if swapped else remedy
            raise DataError(f"{seen} are no degrees, but the file says {crs.name}", remedy=hint)
        return
    if not crs.is_projected:
        return
    if in_degrees:
        unit = crs.axis_info[0].unit_name
        raise DataError(f"{seen} look like degrees, but the file says {crs.name}, in {unit}", remedy=remedy)
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    point = shapely.point_on_surface(geometry)
    lon, lat = to_degrees.transform(shapely.get_x(point), shapely.get_y(point))
    if not (np.isfinite(lon) & np.isfinite(lat)).any():
        raise DataError(f"{seen} lie nowhere on the Earth in {crs.name}", remedy=remedy)


def _text(value: object) -> str:
    # A class numbered 1 reads as 1.0 where a row of the file has none.
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
