"""raster: everything that reads georeferenced pixels (the only room that imports rasterio)."""

from geomix.raster.values import Raster, open_raster
from geomix.raster.world import WorldMap, read_world

__all__ = ["Raster", "WorldMap", "open_raster", "read_world"]
