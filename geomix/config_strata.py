"""Strata of one's own: polygons, rasters, distance to a city and latitude bands, as a study file describes them.

Part of the schema that `config.Study` is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, PositiveInt, Tag, field_validator

from geomix.config_data import Strict


class Polygons(Strict):
    """A stratum from the user's own polygons (any file GeoPandas reads, or GeoParquet): biomes, basins, ecoregions."""

    kind: Literal["polygons"] = "polygons"
    uri: str
    column: str
    """Attribute that names the class; a place outside every polygon has none."""


class Raster(Strict):
    """A stratum from the user's own raster (any format GDAL reads): the cell that holds a place gives its value.

    Integers are classes if `classes` names them, else an integer column; floats are a numeric column.
    """

    kind: Literal["raster"]
    uri: str
    band: PositiveInt = 1
    classes: dict[int, str] = Field(default_factory=dict)
    """Value -> name; a place with a value that is neither here nor missing is an error."""
    missing: tuple[float, ...] = ()
    """Values that say nothing, beside the raster's own no-data value."""


class CityDistance(Strict):
    """Kilometres along a great circle to the nearest city: a numeric column."""

    kind: Literal["city_distance"]
    min_population: int = Field(ge=15_000)
    """Inhabitants a city must have; the list begins at 15,000."""


class LatitudeBand(Strict):
    """Bands of latitude of the same width, with the equator as a border."""

    kind: Literal["latitude_band"]
    degrees: PositiveInt

    @field_validator("degrees")
    @classmethod
    def _divides(cls, value: int) -> int:
        if 90 % value:
            raise ValueError("a divisor of 90 is needed, so that the equator and the poles are borders")
        return value


def _kind(value: Any) -> Any:
    # A stratum without `kind` is polygons.
    return value.get("kind", "polygons") if isinstance(value, dict) else getattr(value, "kind", "polygons")


OwnStratum: TypeAlias = Annotated[
    Annotated[Polygons, Tag("polygons")]
    | Annotated[Raster, Tag("raster")]
    | Annotated[CityDistance, Tag("city_distance")]
    | Annotated[LatitudeBand, Tag("latitude_band")],
    Discriminator(_kind),
]
