"""Makers of GeoTIFFs for tests, named by what is odd in them. Values tell where a pixel is, so that a shift shows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine
from rasterio.warp import transform

from geomix.raster import Band, ChipRequest, Scene

WEST, NORTH = 500_000.0, 5_000_000.0


def ground(rows: int, columns: int, bands: int = 1, base: int = 1000) -> npt.NDArray[np.uint16]:
    """[bands, rows, columns]: smooth, different in every band, nowhere equal to a neighbour."""
    r, c = np.arange(rows)[:, None], np.arange(columns)
    return np.stack([base + 100 * b + 7 * r + 3 * c for b in range(bands)]).astype(np.uint16)


def tiff(
    path: Path,
    values: npt.NDArray[Any],
    *,
    driver: str = "COG",
    crs: str | None = "EPSG:32633",
    west: float = WEST,
    north: float = NORTH,
    metres: float = 10.0,
    **options: Any,
) -> str:
    """Writes [bands, rows, columns] as a GeoTIFF; its path."""
    if driver == "COG":
        options.setdefault("blocksize", 128)
    if crs is not None:
        options |= {"crs": crs, "transform": Affine(metres, 0, west, 0, -metres, north)}
    count, height, width = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=driver, height=height, width=width, count=count, dtype=values.dtype, **options
        ) as dataset:
            dataset.write(values)
    return str(path)


def lonlat(x: float, y: float, crs: str = "EPSG:32633") -> tuple[float, float]:
    """Longitude and latitude of a point of a projection."""
    (lon,), (lat,) = transform(crs, "EPSG:4326", [x], [y])
    return lon, lat


def request(id: str, row: float, column: float, *bands: Band, metres: float = 10.0, **scene: Any) -> ChipRequest:
    """A chip centred `row` and `column` pixels from the corner (WEST, NORTH) of EPSG:32633."""
    lon, lat = lonlat(WEST + column * metres, NORTH - row * metres)
    return ChipRequest(id, lon, lat, Scene(bands, **scene))
