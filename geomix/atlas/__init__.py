"""atlas: what packaged maps tell about a place: continent, country, climate, land cover, and the world's cities."""

from geomix.atlas.cities import cities
from geomix.atlas.cities import source as cities_source
from geomix.atlas.countries import land
from geomix.atlas.polygons import Polygons, read_polygons
from geomix.atlas.sources import Source
from geomix.atlas.strata import STRATA, Stratum, lookup, of_study, source

__all__ = [
    "STRATA",
    "Polygons",
    "Source",
    "Stratum",
    "cities",
    "cities_source",
    "land",
    "lookup",
    "of_study",
    "read_polygons",
    "source",
]
