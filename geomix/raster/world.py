"""World maps: a class for every cell of a regular longitude-latitude grid over the whole Earth."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from geomix.errors import DataError

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class WorldMap:
    """A whole-Earth map: uint8 classes [rows, columns], EPSG:4326, first row at 90 N, first column at 180 W."""

    cells: U8

    def at(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> U8:
        """Class of the cell that each point lies in: uint8 [N].

        `lon`, `lat`: float [N], degrees, WGS84. A cell holds its western and northern edge. Longitudes wrap (180 is -180,
        190 is -170); the poles belong to the first and the last row. Raises DataError for a coordinate that is not finite
        or a latitude beyond the poles.
        """
        x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        if not (np.isfinite(x).all() and np.isfinite(y).all() and (np.abs(y) <= 90).all()):
            raise DataError(
                "a map was asked about a place with no coordinates, or with a latitude beyond 90 degrees",
                wanted="finite degrees, WGS84, latitude -90 to 90",
                remedy="leave out rows without coordinates; are longitude and latitude exchanged?",
            )
        rows, columns = self.cells.shape
        row = np.clip(np.floor((90.0 - y) * (rows / 180.0)).astype(np.int64), 0, rows - 1)
        # The modulo closes the dateline: column `columns` is column 0.
        column = np.floor((x + 180.0) * (columns / 360.0)).astype(np.int64) % columns
        return np.asarray(self.cells[row, column])


def read_world(path: Path) -> WorldMap:
    """The world map in the image at `path` (any format GDAL reads, one band of bytes, 2:1). Raises DataError.

    A GeoTIFF must say that it spans the Earth from (180 W, 90 N); an image without georeference is taken to.
    """
    try:
        with warnings.catch_warnings():
            # A PNG has no georeference, and needs none here: that is no news to anybody.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as image:
                transform, width, height = image.transform, image.width, image.height
                if image.count < 1 or image.dtypes[0] != "uint8" or width != 2 * height:
                    raise DataError(f"{path.name}: {width} x {height} {image.dtypes}", wanted="a uint8 world map, 2:1")
                spans = (transform.c, transform.f, transform.a * width, transform.e * height)
                if not transform.is_identity and not np.allclose(spans, (-180, 90, 360, -180), atol=1e-6):
                    raise DataError(f"{path.name}: it does not span the whole Earth ({transform})")
                return WorldMap(image.read(1))
    except RasterioIOError as error:
        raise DataError(
            f"{path.name}: not a readable image ({error})", remedy="install the package it came with again"
        ) from None
