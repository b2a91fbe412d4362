"""The pools of a study: the kinds of table of places that can be sampled, as the study file describes them.

Part of the schema that `config.Study` is. Coordinates are degrees, WGS84, longitude first; distances carry their unit.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from geomix.config_data import Modality, SeriesArrays, Strict

TableFormat: TypeAlias = Literal["plain", "s2_100k", "ssl4eo_s12", "major_tom", "bigearthnet", "fmow_sentinel"]


class EarthPool(Strict):
    """A pool of simulated series at real places."""

    kind: Literal["earth"]
    modality: Modality = "series"
    size: PositiveInt
    """Rows of the pool."""
    bias: float = Field(default=1.0, ge=0)
    """Row-density bias: rows follow area * (1 + bias * w), w rising towards cities; 0 is equal area."""

    @property
    def pixels(self) -> Modality | None:
        """What a model can be pretrained on here."""
        return self.modality


class GridPool(Strict):
    """Places on an equal-distance grid: rows and columns `spacing_km` apart, so that every cell has nearly the same area.

    Places, not scenes: `geomix pool resolve` finds a scene for each.
    """

    kind: Literal["grid"]
    spacing_km: PositiveFloat = Field(ge=0.1, le=2000)
    """Distance between rows, and between the columns of a row, as nearly as whole numbers of cells allow."""
    land: bool = True
    """Only cells whose centre lies on land (Natural Earth 1:50 m countries); False: the seas too."""
    lat_min: float = Field(default=-90, ge=-90, le=90)
    lat_max: float = Field(default=90, ge=-90, le=90)
    """Cells whose centre lies outside these latitudes (degrees) are left out; their neighbours keep their ids."""

    @model_validator(mode="after")
    def _band(self) -> GridPool:
        if self.lat_min >= self.lat_max:
            raise ValueError("lat_min must be smaller than lat_max")
        return self

    @property
    def pixels(self) -> Modality | None:
        """None: places only."""
        return None


class TablePool(Strict):
    """A pool in the user's own table: Parquet, GeoParquet or CSV, one file or a folder of Parquet parts, `file:` or `s3:`.

    With `arrays` (series beside it) a model can be pretrained on it; without, its rows are places, or scenes named by `href`.
    """

    kind: Literal["table"]
    modality: Modality = "series"
    """What `arrays` holds."""
    format: TableFormat = "plain"
    """The layout of a published catalogue, which then names all columns itself; plain: those named below."""
    uri: str
    lon: str = "lon"
    lat: str = "lat"
    """Without columns of these names, a GeoParquet file's geometry gives the coordinates (the centroid of a footprint)."""
    id: str | None = None
    """Column with unique ids; without it, ids are the hash of place, time and values."""
    place: str | None = None
    """Column that groups visits of one place; without it, coordinates rounded to 1e-5 degrees."""
    time: str | None = None
    href: str | None = None
    """Column with the URI of each row's raster (only without `arrays`)."""
    cloud: str | None = None
    nodata: str | None = None
    """Columns with shares, 0 to 1 (only without `arrays`)."""
    where: str | None = None
    """A DuckDB boolean over the table's columns; rows that do not satisfy it are left out."""
    columns: tuple[str, ...] = ()
    """Further columns kept for `where` strategies."""
    sea: bool = False
    """Its places may lie at sea: the check for exchanged coordinates is left out."""
    arrays: SeriesArrays | None = None

    @model_validator(mode="after")
    def _fits(self) -> TablePool:
        given = self.model_fields_set
        named = {"lon", "lat", "id", "place", "time", "href", "cloud", "nodata"} & given
        if self.format != "plain" and named:
            raise ValueError(f"format {self.format} names its own columns: leave out {', '.join(sorted(named))}")
        if self.arrays is not None:
            if self.format != "plain":
                raise ValueError("arrays: only with format plain")
            if found := {name for name in ("href", "cloud", "nodata") if getattr(self, name) is not None}:
                raise ValueError(f"{', '.join(sorted(found))}: only without arrays, whose rows are the pixels themselves")
        return self

    @property
    def pixels(self) -> Modality | None:
        """What a model can be pretrained on here: None without arrays."""
        return None if self.arrays is None else self.modality


class StacPool(Strict):
    """Scenes of a STAC ItemCollection (GeoJSON) or a stac-geoparquet file: a row an item, at its footprint's centroid.

    Time is `datetime`, or else `start_datetime`.
    """

    kind: Literal["stac"]
    uri: str
    """A local path, `file:`, `s3:`, `http:` or `https:`; pages are followed by their `next` links."""
    asset: str | None = None
    """Key of the asset whose href is the row's; without it, the item's own address (its `self` link)."""
    cloud: str = "eo:cloud_cover"
    nodata: str = "s2:nodata_pixel_percentage"
    """Item properties in percent; an item without them has none."""

    @property
    def pixels(self) -> Modality | None:
        """None: scenes that no reader opens yet."""
        return None


Pool = Annotated[EarthPool | GridPool | TablePool | StacPool, Field(discriminator="kind")]
