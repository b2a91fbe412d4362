"""atlas: what maps tell about a place: country, continent, UN region, climate, land cover, cities, and the user's own maps."""

from geomix.atlas.cities import cities
from geomix.atlas.cities import source as cities_source
from geomix.atlas.coded import Coded
from geomix.atlas.countries import land
from geomix.atlas.own import of_strata, of_study
from geomix.atlas.polygons import Polygons, read_polygons
from geomix.atlas.sources import Source
from geomix.atlas.strata import STRATA, Stratum, lookup, source, table

__all__ = [
    "STRATA",
    "Coded",
    "Polygons",
    "Source",
    "Stratum",
    "cities",
    "cities_source",
    "land",
    "lookup",
    "of_strata",
    "of_study",
    "read_polygons",
    "source",
    "table",
]
