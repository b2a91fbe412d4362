"""The compositions of a study: one model a strategy, as the study file describes it. Part of the schema of `config.Study`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from geomix.config_data import ModelName, Strict


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
