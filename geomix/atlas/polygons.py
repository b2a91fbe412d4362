"""Points in polygons, exactly: the index behind countries and continents, and strata from a user's own file."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from geomix import ids, store
from geomix.atlas.sources import Source
from geomix.errors import DataError


@dataclass(frozen=True)
class Parts:
    """Polygon parts [P] with a spatial index, in one coordinate system."""

    polygon: npt.NDArray[np.object_]
    tree: shapely.STRtree

    @classmethod
    def of(cls, polygon: npt.NDArray[np.object_]) -> Parts:
        """The parts, prepared and indexed."""
        shapely.prepare(polygon)
        return cls(polygon, shapely.STRtree(polygon))

    def locate(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Index of the part that holds each point: int64 [N], -1 where none does. A shared border: the first part's."""
        # Boxes first (all points at once), then one prepared polygon after the other with all its candidates.
        points, parts = self.tree.query(shapely.points(x, y))
        order = np.argsort(parts, kind="stable")
        points, parts = points[order], parts[order]
        found = np.full(len(x), -1, dtype=np.int64)
        bounds = np.flatnonzero(np.diff(parts, prepend=-1, append=-1))
        for start, end in pairwise(bounds):
            part, candidates = int(parts[start]), points[start:end]
            candidates = candidates[found[candidates] < 0]
            inside = shapely.intersects_xy(self.polygon[part], x[candidates], y[candidates])
            found[candidates[inside]] = part
        return found


@dataclass(frozen=True)
class Polygons:
    """A stratum of a user's polygons: the class of each part, and the coordinate system they are drawn in."""

    parts: Parts
    value: npt.NDArray[np.object_]
    crs: str
    source: Source

    def at(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.object_]:
        """Class of each point, as text: object [N], None outside every polygon. Degrees, WGS84, longitude first.

        Points go to the polygons' coordinate system, not the reverse: edges stay as they were drawn.
        """
        import pyproj

        transform = pyproj.Transformer.from_crs("EPSG:4326", self.crs, always_xy=True)
        x, y = transform.transform(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
        known = np.isfinite(x) & np.isfinite(y)
        part = np.full(len(x), -1, dtype=np.int64)
        part[known] = self.parts.locate(x[known], y[known])
        return pick(self.value, part)


def pick(values: npt.NDArray[np.object_], part: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """`values[part]`, None where part is -1: object [N]."""
    picked = np.full(len(part), None, dtype=object)
    picked[part >= 0] = values[part[part >= 0]]
    return picked


def read_polygons(uri: str, column: str) -> Polygons:
    """The stratum that `column` names in the polygon file at `uri` (what GeoPandas reads, or GeoParquet). Raises DataError."""
    import geopandas

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = store.local_copy(uri, Path(folder))
            if uri.endswith((".parquet", ".geoparquet")):
                frame = geopandas.read_parquet(path)
            else:
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
    columns = [str(c) for c in frame.columns if c != "geometry"]
    if column not in columns:
        raise DataError(f"{uri}: no column {column!r}", wanted=f"one of its attributes: {', '.join(columns)}")
    if frame.crs is None:
        raise DataError(f"{uri}: it does not say its coordinate system", remedy="write it again with one (EPSG:4326)")
    frame = frame[frame[column].notna() & frame.geometry.notna()]
    geometry = np.array(frame.geometry.to_numpy(), dtype=object)
    kinds = set(shapely.get_type_id(geometry).tolist())
    if not kinds or not kinds <= {shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON}:
        raise DataError(f"{uri}: geometries of type {sorted(set(frame.geom_type))}", wanted="polygons")
    invalid = ~shapely.is_valid(geometry)
    geometry[invalid] = shapely.make_valid(geometry[invalid])
    polygon, row = shapely.get_parts(geometry, return_index=True)
    text = np.array([_text(v) for v in frame[column]], dtype=object)
    crs = frame.crs.to_wkt()
    digest = ids.sha256("polygons", crs, *(shapely.to_wkb(p) for p in polygon), *text[row])
    name = uri.rstrip("/").rsplit("/", 1)[-1]
    return Polygons(Parts.of(polygon), text[row], crs, Source(f"{name}, attribute {column}", "as given", digest, "as given"))


def _text(value: object) -> str:
    # A class numbered 1 reads as 1.0 where a row of the file has none.
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
