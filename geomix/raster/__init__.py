"""raster: everything that reads georeferenced pixels (the only room that imports rasterio)."""

from geomix.raster.world import WorldMap, read_world

__all__ = ["WorldMap", "read_world"]
