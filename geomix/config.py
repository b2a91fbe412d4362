"""The study: the one strict model of a study file. Its fields are the schema, its docstrings the reference.

`study_file.load` reads YAML into `Study`. Nothing here looks at data: what needs data is checked by the stage
that has it. Longitude comes first everywhere; distances carry their unit in the name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from geomix import ids
from geomix.config_compositions import (
    Composition,
    Dose,
    Mix,
    NoPretraining,
    Placebo,
    Simplex,
    Weights,
    check_names,
    parts,
)
from geomix.config_data import (
    Correction,
    Earth,
    EarthTask,
    HeadName,
    Modality,
    ModelName,
    SeriesArrays,
    SeriesColumns,
    SplitName,
    Strict,
    TableTask,
    Task,
)
from geomix.config_pools import EarthPool, GridPool, Pool, StacPool, TableFormat, TablePool
from geomix.config_strata import CityDistance, LatitudeBand, OwnStratum, Polygons, Raster
from geomix.config_strategies import (
    Balanced,
    Cities,
    ClusterBalanced,
    Clustered,
    Drawn,
    Entropy,
    FarthestPoint,
    Ids,
    LeaveOneOut,
    OneHot,
    SpatiallyBalanced,
    Stratified,
    Uniform,
    Where,
)

__all__ = [
    "Balanced",
    "Cities",
    "CityDistance",
    "ClusterBalanced",
    "Clustered",
    "Composition",
    "Correction",
    "Dose",
    "Drawn",
    "Earth",
    "EarthPool",
    "EarthTask",
    "Entropy",
    "Exclude",
    "FarthestPoint",
    "GridPool",
    "HeadName",
    "Ids",
    "LatitudeBand",
    "LeaveOneOut",
    "Mix",
    "Modality",
    "ModelName",
    "ModelUse",
    "Name",
    "NoPretraining",
    "OneHot",
    "OwnStratum",
    "Placebo",
    "Polygons",
    "Pool",
    "Primary",
    "Raster",
    "Report",
    "Scale",
    "Seeds",
    "SeriesArrays",
    "SeriesColumns",
    "Simplex",
    "SpatiallyBalanced",
    "SplitName",
    "StacPool",
    "Stratified",
    "Strict",
    "Study",
    "Sweep",
    "TableFormat",
    "TablePool",
    "TableTask",
    "Task",
    "Uniform",
    "Weights",
    "Where",
    "check_names",
    "parts",
]

Scale: TypeAlias = Literal["tiny", "debug", "small", "medium", "large", "paper"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=60)]


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


class Exclude(Strict):
    """Exclusion zones: pool rows nearer to a task's place than this are removed before drawing."""

    near_tasks_km: float = Field(default=0.0, ge=0)


class Study(Strict):
    """A whole study, as its YAML file says it."""

    name: Name
    scale: Scale
    earth: Earth = Earth()
    pools: dict[Name, Pool] = Field(min_length=1)
    strata: dict[Name, OwnStratum] = Field(default_factory=dict)
    """Strata of one's own beside those of the packaged maps (`atlas.STRATA`)."""
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
            if self.pools[use.pool].pixels != "series":
                raise ValueError(
                    f"models.{model}.pool: {use.pool!r} ({self.pools[use.pool].kind}) has places, not "
                    f"pixels; {model} needs series: give a table `arrays:`, or use a pool of kind earth"
                )
        for name, task in self.tasks.items():
            for model in task.models:
                _known(f"tasks.{name}.models", model, self.models)
        for name, composition in self.compositions.items():
            if isinstance(composition, Weights):
                _known(f"compositions.{name}.model", composition.model, self.models)
        check_names(self.compositions)
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

    @property
    def identity(self) -> str:
        """Hex digest of all that the study runs; its report section may change and it stays the same study."""
        return ids.sha256(ids.canonical_json({k: v for k, v in self.to_json().items() if k != "report"}))[:24]

    def to_json(self) -> dict[str, Any]:
        """The study as plain JSON values, defaults written out."""
        return self.model_dump(mode="json")


def _known(where: str, name: object, known: Any) -> None:
    if name not in known:
        raise ValueError(f"{where}: {name!r} is not one of {', '.join(str(k) for k in known)}")
