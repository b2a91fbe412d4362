"""Which polygon part holds a place, exactly: one by one for few places, through an index of cells for many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely

from geomix.atlas import cells

if TYPE_CHECKING:
    import pyproj

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]

INDEX_FROM = 250_000
"""Places from which an index of cells is built. It takes one to three seconds, as long as testing a million places one by
one, and a pool asks several strata of one map. Answers are the same either way."""

BLOCK = 1 << 17
"""Places at once: what a block needs stays in the cache, and ten million places need no more memory than one block."""


def blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices that cover n rows; one, of no rows, if there are none."""
    return (slice(start, min(start + size, n)) for start in range(0, max(n, 1), size))


def wrapped(lon: F64) -> F64:
    """Longitudes from -180 to 180, both included: 190 is -170."""
    beyond = np.abs(lon) > 180
    return np.where(beyond, (lon + 180.0) % 360.0 - 180.0, lon) if beyond.any() else lon


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

    def locate(self, x: F64, y: F64) -> npt.NDArray[np.int64]:
        """Index of the part that holds each point: int64 [N], -1 where none does. The first part's, where several do."""
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
class Locator:
    """Parts on the Earth: the part that holds a place, given by longitude and latitude.

    `crs`: the coordinate system that the parts are drawn in, as WKT; None: degrees, WGS84, longitude first.
    """

    parts: Parts
    crs: str | None = None

    def locate(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> I32:
        """Index of the part that holds each place: int32 [N], -1 where none does. Degrees, WGS84, longitude first.

        A place on a shared border, or in parts that overlap, belongs to the first of them. Longitudes wrap; a place on the
        dateline belongs to the first part that holds it as 180 or as -180. No part holds a place without coordinates.
        """
        x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        found = np.empty(len(x), dtype=np.int32)
        indexed = "index" in self.__dict__ or (len(x) >= INDEX_FROM and self.can_be_indexed)
        for block in blocks(len(x)):
            found[block] = self._block(x[block], y[block], indexed)
        return found

    def _block(self, x: F64, y: F64, indexed: bool) -> I32:
        known = (np.abs(x) < np.inf) & (np.abs(y) <= 90)
        if not known.all():
            found = np.full(len(x), -1, dtype=np.int32)
            found[known] = self._block(x[known], y[known], indexed)
            return found
        x = wrapped(x)
        if not indexed:
            return self._exact(x, y)
        found = self.index.codes(x, y)
        rest = np.flatnonzero(found == cells.EXACT)
        found[rest] = self._exact(x[rest], y[rest])
        return found

    @cached_property
    def index(self) -> cells.Cells:
        """The index of cells, built when it is first used and kept."""
        return cells.build(self.parts.polygon, self._drawing, self._exact)

    @cached_property
    def can_be_indexed(self) -> bool:
        """False for a projection that tears the Earth in many places: every point is then tested exactly."""
        return self._crs is None or self._crs.is_geographic or _method(self._crs) in cells.CONTINUOUS

    def _exact(self, x: F64, y: F64) -> I32:
        found = self._tested(x, y)
        edge = np.flatnonzero(np.abs(x) == 180)
        if len(edge):
            other = self._tested(-x[edge], y[edge])
            one = found[edge]
            found[edge] = np.where((one < 0) | ((other >= 0) & (other < one)), other, one)
        return found

    def _tested(self, x: F64, y: F64) -> I32:
        if self._drawing.forward is None:
            return self.parts.locate(x, y).astype(np.int32)
        # Points go to the polygons' coordinate system, not the reverse: edges stay as they were drawn.
        px, py = self._drawing.forward(x, y)
        found = np.full(len(x), -1, dtype=np.int32)
        known = np.isfinite(px) & np.isfinite(py)
        found[known] = self.parts.locate(px[known], py[known])
        return found

    @cached_property
    def _crs(self) -> pyproj.CRS | None:
        if self.crs is None:
            return None
        import pyproj  # only where polygons are not in degrees

        crs = pyproj.CRS.from_user_input(self.crs)
        return None if crs.equals(pyproj.CRS("EPSG:4326"), ignore_axis_order=True) else crs

    @cached_property
    def _drawing(self) -> cells.Drawing:
        crs = self._crs
        if crs is None:
            return cells.Drawing()
        import pyproj

        to_map = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
        operation = crs.coordinate_operation if crs.is_projected else None
        origin = sum(p.value for p in operation.params if p.name.startswith("Longitude of")) if operation else 0.0
        meridian = crs.prime_meridian.longitude if crs.prime_meridian else 0.0
        unit = crs.axis_info[0].unit_conversion_factor * (1.0 if crs.is_projected else 6_371_000.0)
        return cells.Drawing(
            forward=lambda x, y: to_map.transform(x, y),
            inverse=lambda x, y: to_map.transform(x, y, direction="INVERSE"),
            tear=origin + meridian + 180.0,
            metres=unit,
        )


def _method(crs: pyproj.CRS) -> str:
    return str(crs.coordinate_operation.method_name) if crs.coordinate_operation else ""
