"""The study: the one strict model of a study file. Its fields are the schema, its docstrings the reference.

`study_file.load` reads YAML into `Study`. Nothing here looks at data: what needs data is checked by the stage
that has it. Longitude comes first everywhere; distances carry their unit in the name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator

ModelName: TypeAlias = Literal["presto"]
Modality: TypeAlias = Literal["series"]
HeadName: TypeAlias = Literal["logistic", "ridge", "mlp", "random_forest", "knn"]
SplitName: TypeAlias = Literal["random", "block", "leave_region_out", "published"]
Scale: TypeAlias = Literal["tiny", "debug", "small", "medium", "large", "paper"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=60)]


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


class EarthPool(Strict):
    """A pool of simulated series at real places."""

    kind: Literal["earth"]
    modality: Modality = "series"
    size: PositiveInt
    """Rows of the pool."""
    bias: float = Field(default=1.0, ge=0)
    """Row-density bias: rows follow area * (1 + bias * w), w rising towards cities; 0 is equal area."""


class TablePool(Strict):
    """A pool in the user's own table (Parquet, GeoParquet or CSV) with series beside it."""

    kind: Literal["table"]
    modality: Modality = "series"
    uri: str
    lon: str = "lon"
    lat: str = "lat"
    id: str | None = None
    """Column with unique ids; without it, ids are the hash of place, time and values."""
    place: str | None = None
    """Column that groups visits of one place; without it, coordinates rounded to 1e-5 degrees."""
    time: str | None = None
    where: str | None = None
    """A DuckDB boolean over the table's columns; rows that do not satisfy it are left out."""
    columns: tuple[str, ...] = ()
    """Further columns kept for `where` strategies."""
    arrays: SeriesArrays


Pool = Annotated[EarthPool | TablePool, Field(discriminator="kind")]


class Uniform(Strict):
    """Uniform over the pool's rows, or over land area (`weight: area`)."""

    strategy: Literal["uniform"]
    weight: Literal["rows", "area"] = "rows"


class Stratified(Strict):
    """Equal counts from every value of a stratum."""

    strategy: Literal["stratified"]
    by: str


class Where(Strict):
    """Uniform among the rows that satisfy a DuckDB boolean over pool and strata columns."""

    strategy: Literal["where"]
    expr: str


class Cities(Strict):
    """Around the largest cities: a Gaussian of `sigma_km`, then the nearest unused pool row."""

    strategy: Literal["cities"]
    top: PositiveInt = 10000
    sigma_km: PositiveFloat = 50.0


class OneHot(Strict):
    """One region only: `value` of stratum `by`; `each: stratum` expands to one composition a value."""

    strategy: Literal["onehot"]
    each: str | None = None
    by: str | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> OneHot:
        if (self.each is None) == (self.by is None) or (self.by is None) != (self.value is None):
            raise ValueError("write either `each: STRATUM`, or `by: STRATUM` with `value: VALUE`")
        return self


class Mix(Strict):
    """Shares of other compositions of this study, interleaved."""

    strategy: Literal["mix"]
    of: dict[str, PositiveFloat] = Field(min_length=2)


class NoPretraining(Strict):
    """Zero pretraining: a randomly initialised encoder."""

    strategy: Literal["none"]


class Weights(Strict):
    """A published checkpoint, judged beside the others."""

    strategy: Literal["weights"]
    uri: str
    model: ModelName


Composition = Annotated[
    Uniform | Stratified | Where | Cities | OneHot | Mix | NoPretraining | Weights, Field(discriminator="strategy")
]


class ModelUse(Strict):
    """A model of the study and the pool it is pretrained from."""

    pool: str


class Seeds(Strict):
    """Replication, fully crossed: composition draws, training seeds, and the number of label draws."""

    draw: tuple[int, ...] = (0,)
    train: tuple[int, ...] = (0,)
    label: PositiveInt = 10

    @field_validator("draw", "train")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or len(set(value)) != len(value) or min(value) < 0:
            raise ValueError("a list of different integers, each 0 or more, is needed")
        return value


class EarthTask(Strict):
    """Crop / non-crop at simulated places, balanced over the continents."""

    kind: Literal["earth"]
    models: tuple[ModelName, ...] = Field(min_length=1)
    size: PositiveInt = 6000
    """Labelled places in all."""


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


class Sweep(Strict):
    """How every encoder is judged."""

    heads: tuple[HeadName, ...] = ("logistic",)
    shots: tuple[PositiveInt | Literal["all"], ...] = (100,)
    splits: tuple[SplitName, ...] = ("random", "block")
    region: str = "continent"
    block_km: PositiveFloat = 200.0
    """Side of the equal-area cells of split `block`."""


class Primary(Strict):
    """The one endpoint that decides (everything else is exploratory)."""

    task: str
    split: SplitName
    head: HeadName
    metric: Literal["f1", "auc", "accuracy", "balanced_accuracy", "rmse", "r2"]
    shots: PositiveInt | Literal["all"]
    aggregate: Literal["region_mean"] = "region_mean"
    alpha: float = Field(default=0.05, gt=0, lt=0.5)


class Report(Strict):
    """What the report answers."""

    primary: Primary


class Polygons(Strict):
    """A stratum from the user's own polygons (any file GeoPandas reads, or GeoParquet): biomes, basins, ecoregions."""

    uri: str
    column: str
    """Attribute that names the class; a place outside every polygon has none."""


class Exclude(Strict):
    """Exclusion zones: pool rows nearer to a task's place than this are removed before drawing."""

    near_tasks_km: float = Field(default=0.0, ge=0)


class Study(Strict):
    """A whole study, as its YAML file says it."""

    name: Name
    scale: Scale
    earth: Earth = Earth()
    pools: dict[Name, Pool] = Field(min_length=1)
    strata: dict[Name, Polygons] = {}
    """Strata of one's own beside continent, country, climate, climate_zone and landcover."""
    exclude: Exclude = Exclude()
    budget: PositiveInt
    """Samples a composition."""
    reserves: float = Field(default=0.25, ge=0)
    """Reserves drawn beyond the budget, as a share of it: they replace samples that `shard` refuses."""
    hold: Literal["steps"] = "steps"
    quota: Literal["exact", "water_fill"] = "exact"
    compositions: dict[Name, Composition] = Field(min_length=1)
    models: dict[ModelName, ModelUse] = Field(min_length=1)
    seeds: Seeds = Seeds()
    tasks: dict[Name, Task] = Field(min_length=1)
    sweep: Sweep = Sweep()
    report: Report

    @model_validator(mode="after")
    def _references(self) -> Study:
        if all(isinstance(c, (NoPretraining, Weights)) for c in self.compositions.values()):
            raise ValueError("compositions: none of them draws samples; name one that does, such as {strategy: uniform}")
        for model, use in self.models.items():
            _known(f"models.{model}.pool", use.pool, self.pools)
        for name, task in self.tasks.items():
            for model in task.models:
                _known(f"tasks.{name}.models", model, self.models)
        for name, composition in self.compositions.items():
            if isinstance(composition, Weights):
                _known(f"compositions.{name}.model", composition.model, self.models)
            if isinstance(composition, Mix):
                for part in composition.of:
                    _known(f"compositions.{name}.of", part, self.compositions)
                    if isinstance(self.compositions[part], (Mix, NoPretraining, Weights)) or (
                        isinstance(self.compositions[part], OneHot) and self.compositions[part].each  # type: ignore[union-attr]
                    ):
                        raise ValueError(
                            f"compositions.{name}.of: {part!r} cannot be mixed; name a composition that draws ids once"
                        )
        primary = self.report.primary
        _known("report.primary.task", primary.task, self.tasks)
        chosen = self.tasks[primary.task]
        heads, shots, splits = self.judged(primary.task)
        _known("report.primary.head", primary.head, heads)
        _known("report.primary.split", primary.split, splits)
        _known("report.primary.shots", primary.shots, shots)
        regression = isinstance(chosen, TableTask) and chosen.target == "regression"
        if regression != (primary.metric in ("rmse", "r2")):
            raise ValueError(
                f"report.primary.metric: {primary.metric} does not fit task {primary.task!r}; "
                + (
                    "a regression has rmse and r2"
                    if regression
                    else "a classification has f1, auc, accuracy, balanced_accuracy"
                )
            )
        return self

    def judged(self, task: str) -> tuple[tuple[HeadName, ...], tuple[int | Literal["all"], ...], tuple[SplitName, ...]]:
        """Heads, shots and splits of a task: its own where it names them, else those of `sweep`."""
        chosen = self.tasks[task]
        if isinstance(chosen, EarthTask):
            return self.sweep.heads, self.sweep.shots, self.sweep.splits
        return chosen.heads or self.sweep.heads, chosen.shots or self.sweep.shots, chosen.splits or self.sweep.splits

    @property
    def synthetic(self) -> bool:
        """True if any pool or task is the synthetic Earth: every number is then labelled synthetic."""
        return any(p.kind == "earth" for p in self.pools.values()) or any(t.kind == "earth" for t in self.tasks.values())

    def to_json(self) -> dict[str, Any]:
        """The study as plain JSON values, defaults written out."""
        return self.model_dump(mode="json")


def _known(where: str, name: object, known: Any) -> None:
    if name not in known:
        raise ValueError(f"{where}: {name!r} is not one of {', '.join(str(k) for k in known)}")
