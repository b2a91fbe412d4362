"""raster: everything that reads georeferenced pixels (the only room that imports rasterio)."""

from geomix.raster.chips import Band, Chip, ChipRequest, ClassMask, Recipe, Refusal, Scene, Shares
from geomix.raster.reader import ChipReader, reading_order
from geomix.raster.values import Raster, open_raster
from geomix.raster.world import WorldMap, read_world

__all__ = [
    "Band",
    "Chip",
    "ChipReader",
    "ChipRequest",
    "ClassMask",
    "Raster",
    "Recipe",
    "Refusal",
    "Scene",
    "Shares",
    "WorldMap",
    "open_raster",
    "read_world",
    "reading_order",
]
