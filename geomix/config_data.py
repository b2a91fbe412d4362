"""What a study reads: the synthetic Earth, series in users' files, and tasks, as its file describes them.

Part of the schema that `config.Study` is. Longitude comes first everywhere; distances carry their unit in the name.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

ModelName: TypeAlias = Literal["presto"]
Modality: TypeAlias = Literal["series"]
HeadName: TypeAlias = Literal["logistic", "ridge", "mlp", "random_forest", "knn"]
SplitName: TypeAlias = Literal["random", "block", "leave_region_out", "published"]


class Strict(BaseModel):
    """Base of every part of a study: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Earth(Strict):
    """The synthetic Earth, one a study: what its pools and its tasks are simulated from (design rule 10)."""

    seed: int = 0
    world: Literal["realistic", "null", "effect"] = "realistic"
    """realistic; null: pixels and labels independent of place; effect: `target` differs by `effect`."""
    target: str = "Africa"
    """world `effect` only: the continent whose crops look different."""
    effect: float = Field(default=1.0, ge=0)
    """world `effect` only: the declared size of that difference; 0 is a realistic world."""


class Correction(Strict):
    """A unit that differs for some rows: `channel` becomes value * factor + offset where `where` holds."""

    where: str
    """A DuckDB boolean over the table's columns."""
    channel: str
    factor: float = 1.0
    offset: float = 0.0
    why: str
    """The reason, kept in the store's description."""


class SeriesArrays(Strict):
    """Monthly series in an .npz or .npy file, row by row beside a table: float [rows, T, channels], NaN = missing."""

    uri: str
    array: str = "X"
    """Name of the array inside an .npz file."""
    channels: dict[str, int]
    """geomix band name (`tables.SERIES_BANDS`) -> index of the channel in the array."""
    factor: dict[str, float] = {}
    """Band -> factor that turns the stored number into the band's unit (reflectance, dB, K, m): B2: 0.0001."""
    corrections: tuple[Correction, ...] = ()
    start_month: str = "start_month"
    """Column with the month of the first step, 0 = January."""


class SeriesColumns(Strict):
    """Series spread over a table's columns: one entry a step."""

    class Step(Strict):
        """One time step: its calendar month (0 = January) and band -> column."""

        month: int = Field(ge=0, le=11)
        bands: dict[str, str]

    steps: tuple[Step, ...] = Field(min_length=1)
    factor: dict[str, float] = {}


class EarthTask(Strict):
    """Crop / non-crop at simulated places, balanced over continents."""

    kind: Literal["earth"]
    models: tuple[ModelName, ...] = Field(min_length=1)
    size: PositiveInt = 6000
    """Labelled places in all."""
    regions: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Continents of the places; without it, all six."""


class TableTask(Strict):
    """The user's own labelled table (Parquet, GeoParquet or CSV)."""

    kind: Literal["table"]
    models: tuple[ModelName, ...] = Field(min_length=1)
    uri: str
    target: Literal["classification", "regression"]
    label: str
    where: str | None = None
    lon: str | None = None
    lat: str | None = None
    region: str | None = None
    """Column of regions; without it, `sweep.region` looked up from the coordinates."""
    split: str | None = None
    """Column of the published split: train / val / test."""
    splits: tuple[SplitName, ...] | None = None
    """Splits for this task; without it, those of `sweep.splits` that its columns allow."""
    heads: tuple[HeadName, ...] | None = None
    shots: tuple[PositiveInt | Literal["all"], ...] | None = None
    location: bool = True
    """False: the location token is dropped for the whole task (some rows have no coordinates)."""
    series: SeriesArrays | SeriesColumns
    raw: tuple[str, ...] = ()
    """Columns of the raw-feature baseline; without it, the series' own values."""


Task = Annotated[EarthTask | TableTask, Field(discriminator="kind")]
