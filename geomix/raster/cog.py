"""Cloud-Optimised GeoTIFFs written whole to any URI."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from geomix import store

BLOCK = 256
"""Pixels along a tile's side."""


def write_cog(
    uri: str,
    x_BHW: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    *,
    epsg: int,
    west: float,
    north: float,
    pixel: float,
    bands: Sequence[str],
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: int | None = None,
) -> None:
    """Writes [bands, rows, columns] as a tiled, losslessly compressed GeoTIFF with overviews; row 0 is north.

    `west`, `north`: the corner of the first pixel, `pixel`: its side, in units of the CRS (metres in UTM). `bands`: a name
    for each band, kept as its description. value = number * `scale` + `offset`. The file is made in memory, and is at `uri`
    whole or not at all. Raises DataError, UnavailableError.
    """
    count, height, width = x_BHW.shape
    profile = {"driver": "COG", "dtype": x_BHW.dtype.name, "count": count, "height": height, "width": width}
    # Bytes are classes: a mean of two classes is a third.
    coarser = "nearest" if x_BHW.dtype == np.uint8 else "average"
    layout = {"blocksize": BLOCK, "compress": "DEFLATE", "predictor": 2, "level": 6, "overview_resampling": coarser}
    placed = {"crs": f"EPSG:{epsg}", "transform": Affine(pixel, 0, west, 0, -pixel, north), "nodata": nodata}
    # In memory first: the COG driver reads back what it has written, and tells of a full disk by an error of its own.
    with rasterio.Env(GDAL_NUM_THREADS="1"), MemoryFile() as memory:
        with memory.open(**profile, **layout, **placed) as file:
            file.scales, file.offsets = (scale,) * count, (offset,) * count
            file.descriptions = tuple(bands)
            file.write(x_BHW)
        store.write_bytes(uri, memory.read())
