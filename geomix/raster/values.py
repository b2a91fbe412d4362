"""Values of a user's raster at places: the cell that holds a place, in the raster's own coordinate system."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from geomix.errors import DataError

F64 = npt.NDArray[np.float64]

_WINDOW = 1024
"""Cells a side that are read at once, at least: memory stays bounded for a raster of any size."""


@dataclass(frozen=True)
class Raster:
    """One band of a raster file: where it lies and what its cells are; cells are read when asked."""

    path: Path
    name: str
    band: int
    transform: Affine
    crs: str
    width: int
    height: int
    block: tuple[int, int]
    integer: bool
    """True: values are int64; False: float64."""

    def at(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> np.ma.MaskedArray[Any, Any]:
        """Value, as stored, of the cell that holds each place: int64 or float64 [N]; masked outside and where there is no data.

        `lon`, `lat`: float [N], degrees, WGS84. Places go to the raster's coordinate system. A cell holds its western and
        northern edge (its first column and row); the raster holds its outer edges; longitudes wrap. Raises DataError if the
        file cannot be read to the end.
        """
        x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        row, column = self._cell(x, y)
        inside = np.flatnonzero(row >= 0)
        values = np.zeros(len(x), dtype=np.int64 if self.integer else np.float64)
        absent = np.ones(len(x), dtype=bool)
        high, wide = (-(-_WINDOW // b) * b for b in self.block)
        window = (row[inside] // high) * (-(-self.width // wide)) + column[inside] // wide
        inside = inside[np.argsort(window, kind="stable")]
        try:
            with rasterio.open(self.path) as image:
                for some in np.split(inside, np.flatnonzero(np.diff(np.sort(window))) + 1) if len(inside) else ():
                    top, left = int(row[some[0]] // high * high), int(column[some[0]] // wide * wide)
                    size = (min(wide, self.width - left), min(high, self.height - top))
                    read = image.read(self.band, window=Window(left, top, *size), masked=True)
                    cells = row[some] - top, column[some] - left
                    values[some] = np.nan_to_num(read.data[cells]) if not self.integer else read.data[cells]
                    absent[some] = np.ma.getmaskarray(read)[cells] | ~np.isfinite(read.data[cells])
        except RasterioError as error:
            raise DataError(
                f"{self.name}: its cells cannot be read ({error})", remedy="is the file complete? write or copy it again"
            ) from None
        return np.ma.MaskedArray(values, absent)

    def _cell(self, lon: F64, lat: F64) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        # Row and column of each place, both -1 outside.
        import pyproj

        crs = pyproj.CRS.from_wkt(self.crs)
        project = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
        row, column = (np.full(len(lon), -1, dtype=np.int64) for _ in range(2))
        lon = np.where(np.abs(lon) > 180, (lon + 180.0) % 360.0 - 180.0, lon)
        x, y = (np.asarray(v) for v in project.transform(lon, lat))
        # A map in degrees may run from 0 to 360.
        to_cell = ~self.transform
        for turn in (0.0, 360.0, -360.0) if crs.is_geographic else (0.0,):
            with np.errstate(invalid="ignore"):
                across = to_cell.a * (x + turn) + to_cell.b * y + to_cell.c
                down = to_cell.d * (x + turn) + to_cell.e * y + to_cell.f
                held = (across >= 0) & (across <= self.width) & (down >= 0) & (down <= self.height) & (row < 0)
            row[held] = np.minimum(down[held].astype(np.int64), self.height - 1)
            column[held] = np.minimum(across[held].astype(np.int64), self.width - 1)
        return row, column


def open_raster(path: Path, band: int, name: str) -> Raster:
    """The raster in the file at `path` (any format GDAL reads), band counted from 1. `name` is what errors call it.

    Raises DataError: not readable, no such band, no coordinate system, no georeference, values that are not numbers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # said below, with the remedy
            with rasterio.open(path) as image:
                if band > image.count:
                    raise DataError(f"{name}: no band {band}", wanted=f"a band from 1 to {image.count}")
                if image.crs is None or image.transform.is_identity:
                    raise DataError(
                        f"{name}: it does not say its coordinate system or where it lies",
                        remedy="write it again with both (gdal_translate -a_srs EPSG:4326 -a_ullr west north east south)",
                    )
                kind = np.dtype(image.dtypes[band - 1]).kind
                if kind not in "iuf":
                    raise DataError(f"{name}: cells of type {image.dtypes[band - 1]}", wanted="integers or floats")
                block = image.block_shapes[band - 1]
                crs = image.crs.to_wkt()
                return Raster(path, name, band, image.transform, crs, image.width, image.height, block, kind != "f")
    except RasterioError as error:
        raise DataError(f"{name}: not a readable raster ({error})", remedy="is the file complete? copy it again") from None
