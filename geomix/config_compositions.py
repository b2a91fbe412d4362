"""The compositions of a study: a strategy each, or made of others. Part of the schema of `config.Study`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations_with_replacement
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from geomix.config_data import ModelName, Strict
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

Percent = Annotated[int, Field(ge=0, le=100)]


class Mix(Drawn):
    """Shares of other compositions of this study, interleaved."""

    strategy: Literal["mix"]
    of: dict[str, PositiveFloat] = Field(min_length=2)

    @property
    def has_quotas(self) -> bool:
        """True: a part may run dry."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """The parts."""
        return tuple(self.of)


class Dose(Drawn):
    """Mixtures of two compositions, one a percentage of the second: 0 and 100 are the two themselves."""

    strategy: Literal["dose"]
    of: tuple[str, str]
    percent: tuple[Percent, ...] = Field(default=(0, 25, 50, 75, 100), min_length=1)

    @property
    def names(self) -> tuple[str, ...]:
        """The two."""
        return self.of

    @property
    def several(self) -> bool:
        """Always: labels end in the percentage."""
        return True

    def at(self, percent: int) -> str | Mix:
        """What a percentage is: the label of one of the two, or their mixture."""
        if percent in (0, 100):
            return self.of[percent // 100]
        return Mix(strategy="mix", of={self.of[0]: 100 - percent, self.of[1]: percent})

    @model_validator(mode="after")
    def _distinct(self) -> Dose:
        if self.of[0] == self.of[1] or len(set(self.percent)) != len(self.percent):
            raise ValueError("two different compositions and different percentages are needed")
        return self


class Simplex(Drawn):
    """A simplex-lattice design {q, m} over regions (Scheffe 1958): every mixture in steps of 1 / degree."""

    strategy: Literal["simplex"]
    by: str
    values: tuple[str, ...] = Field(min_length=2)
    degree: int = Field(default=2, ge=1, le=10)

    @property
    def reads(self) -> tuple[str, ...]:
        """The stratum of regions."""
        return (self.by,)

    @property
    def several(self) -> bool:
        """Always: one composition a point of the lattice."""
        return True

    @property
    def points(self) -> list[dict[str, int]]:
        """The lattice: value -> steps out of `degree`, values without any left out; in the order of `values`."""
        picks = combinations_with_replacement(self.values, self.degree)
        return [{value: pick.count(value) for value in self.values if value in pick} for pick in picks]

    @model_validator(mode="after")
    def _bounded(self) -> Simplex:
        if len(set(self.values)) != len(self.values):
            raise ValueError("`values:` names a region twice")
        count = math.comb(len(self.values) + self.degree - 1, self.degree)
        if count > 200:
            raise ValueError(f"the design has {count} compositions, more than 200: lower `degree:` or name fewer values")
        return self


class Placebo(Drawn):
    """Another composition with its labels shuffled over the rows: what its strategy gives where strata mean nothing."""

    strategy: Literal["placebo"]
    of: str

    @property
    def names(self) -> tuple[str, ...]:
        """The composition that is shuffled."""
        return (self.of,)


class NoPretraining(Strict):
    """Zero pretraining: a randomly initialised encoder."""

    strategy: Literal["none"]


class Weights(Strict):
    """A published checkpoint, judged beside the others."""

    strategy: Literal["weights"]
    uri: str
    model: ModelName


Composition = Annotated[
    Uniform
    | Stratified
    | Balanced
    | Where
    | Cities
    | OneHot
    | LeaveOneOut
    | Clustered
    | SpatiallyBalanced
    | ClusterBalanced
    | FarthestPoint
    | Entropy
    | Mix
    | Dose
    | Simplex
    | Placebo
    | Ids
    | NoPretraining
    | Weights,
    Field(discriminator="strategy"),
]


def parts(composition: Any, compositions: Mapping[str, Any]) -> dict[str, Any]:
    """Label -> composition of all that `composition` is made of, directly or through others, in order of label."""
    found: dict[str, Any] = {}
    waiting = list(getattr(composition, "names", ()))
    while waiting:
        label = waiting.pop()
        if label not in found:
            found[label] = compositions[label]
            waiting += getattr(found[label], "names", ())
    return dict(sorted(found.items()))


def check_names(compositions: Mapping[str, Any]) -> None:
    """Raises ValueError if a mix, dose or placebo names a composition that is absent or cannot be a part."""
    for name, composition in compositions.items():
        for part in getattr(composition, "names", ()):
            where = f"compositions.{name}.of: {part!r}"
            if part not in compositions:
                raise ValueError(f"{where} is not one of {', '.join(compositions)}")
            other = compositions[part]
            if (
                not isinstance(other, Drawn)
                or other.several
                or (isinstance(other, (Mix, Placebo)) and not isinstance(composition, Dose))
            ):
                raise ValueError(f"{where} cannot be mixed; name a composition that draws ids once")
            if isinstance(composition, Placebo) and not other.labels:
                raise ValueError(f"{where} reads no strata or features; a placebo of it would be the same draw")
