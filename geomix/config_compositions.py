"""The compositions of a study: one model a strategy, as the study file describes it. Part of the schema of `config.Study`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from geomix.config_data import ModelName, Strict

MEASURED = "spectral_entropy"
"""Beginning of the names of columns that are measured on pixels."""

Percent = Annotated[int, Field(ge=0, le=100)]


class Drawn(Strict):
    """A composition that draws ids from a pool."""

    labels: ClassVar[bool] = False
    """Whether it depends on strata or features of rows, so that a placebo of it says something."""
    later: ClassVar[tuple[str, ...]] = ()
    """Fields younger than the strategy: left out of its JSON at their default, so that older studies keep their keys."""

    @model_serializer(mode="wrap")
    def _without_later(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        at_default = (name for name in self.later if getattr(self, name) == type(self).model_fields[name].default)
        for name in at_default:
            found.pop(name, None)
        return found

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the pool that it reads beside id and coordinates."""
        return ()

    @property
    def names(self) -> tuple[str, ...]:
        """Labels of the compositions of the same study that it is made of."""
        return ()

    @property
    def several(self) -> bool:
        """Whether it stands for several compositions, each with a label of its own."""
        return False

    @property
    def needs_pixels(self) -> bool:
        """Whether it reads a column that is measured on pixels."""
        return any(name.startswith(MEASURED) for name in self.reads)


class Uniform(Drawn):
    """Uniform over the pool's rows, or over land area (`weight: area`)."""

    strategy: Literal["uniform"]
    weight: Literal["rows", "area"] = "rows"


class Stratified(Drawn):
    """Counts from every value of a stratum: equal, proportional to its rows or to their square root, or in given weights."""

    labels: ClassVar[bool] = True
    later: ClassVar[tuple[str, ...]] = ("allocation", "weights", "values")

    strategy: Literal["stratified"]
    by: str
    allocation: Literal["equal", "proportional", "sqrt", "weights"] = "equal"
    weights: dict[str, PositiveFloat] | None = None
    """allocation `weights` only: value -> share; values that are not named are left out."""
    values: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Only these values."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The stratum."""
        return (self.by,)

    @model_validator(mode="after")
    def _fits(self) -> Stratified:
        if (self.allocation == "weights") != (self.weights is not None) or self.weights == {}:
            raise ValueError("`allocation: weights` and `weights: {VALUE: share}` go together")
        if self.weights is not None and self.values is not None:
            raise ValueError("`weights:` names the values already: leave out `values:`")
        return self


class Balanced(Drawn):
    """Equal counts from every region; continents without Antarctica, unless `values` says otherwise."""

    labels: ClassVar[bool] = True

    strategy: Literal["balanced"]
    by: str = "continent"
    values: tuple[str, ...] | None = Field(default=None, min_length=1)

    @property
    def reads(self) -> tuple[str, ...]:
        """The stratum of regions."""
        return (self.by,)


class Where(Drawn):
    """Uniform among the rows that satisfy a DuckDB boolean over pool and strata columns."""

    labels: ClassVar[bool] = True

    strategy: Literal["where"]
    expr: str

    @property
    def needs_pixels(self) -> bool:
        """Whether the expression names a measured column."""
        return MEASURED in self.expr.casefold()


class Cities(Drawn):
    """Around the largest cities: a Gaussian of `sigma_km`, then the nearest unused pool row."""

    later: ClassVar[tuple[str, ...]] = ("uri",)

    strategy: Literal["cities"]
    top: PositiveInt = 10000
    sigma_km: PositiveFloat = 50.0
    uri: str | None = None
    """A list of one's own: columns lon (or lng), lat and population, and name if there is one."""


class _Region(Drawn):
    """Base of compositions about one value of a stratum; `each` stands for one composition a value."""

    labels: ClassVar[bool] = True

    each: str | None = None
    by: str | None = None
    value: str | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """The stratum."""
        return (self.by or self.each or "",)

    @property
    def several(self) -> bool:
        """True for `each`."""
        return self.each is not None

    @model_validator(mode="after")
    def _one_way(self) -> _Region:
        if (self.each is None) == (self.by is None) or (self.by is None) != (self.value is None):
            raise ValueError("write either `each: STRATUM`, or `by: STRATUM` with `value: VALUE`")
        return self


class OneHot(_Region):
    """One region only: `value` of stratum `by`; `each: stratum` expands to one composition a value."""

    strategy: Literal["onehot"]


class LeaveOneOut(_Region):
    """Everything but one region, uniform over rows or in equal counts over the others; rows without a value are left out."""

    strategy: Literal["leave_one_out"]
    allocation: Literal["rows", "equal"] = "rows"


class Clustered(Drawn):
    """Discs of `radius_km` about `clusters` pool rows, in equal counts."""

    strategy: Literal["clustered"]
    clusters: PositiveInt
    radius_km: PositiveFloat
    weight: Literal["rows", "area"] = "rows"
    """What the centres are uniform over: rows or land area."""


class SpatiallyBalanced(Drawn):
    """Blue noise on the sphere: every sample as far from the earlier ones as the land allows."""

    strategy: Literal["spatially_balanced"]


class _Features(Drawn):
    labels: ClassVar[bool] = True

    columns: tuple[str, ...] = Field(min_length=1, max_length=64)

    @property
    def reads(self) -> tuple[str, ...]:
        """The feature columns."""
        return self.columns

    @model_validator(mode="after")
    def _distinct(self) -> _Features:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("`columns:` names a column twice")
        return self


class ClusterBalanced(_Features):
    """Equal counts from `clusters` k-means clusters of feature columns."""

    strategy: Literal["cluster_balanced"]
    clusters: int = Field(ge=2, le=4096)


class FarthestPoint(_Features):
    """Each sample the one farthest from all earlier ones in feature columns."""

    strategy: Literal["farthest_point"]
    candidates: PositiveInt | None = None
    """Only the first so many rows in the order of drawing: time grows with rows times samples."""


class Entropy(Drawn):
    """By spectral entropy: the highest, in equal counts over its quantiles, or matched to another region's."""

    labels: ClassVar[bool] = True

    strategy: Literal["entropy"]
    mode: Literal["top", "stratified", "matched"]
    column: str = "spectral_entropy_pooled"
    bins: int = Field(default=10, ge=1, le=1000)
    by: str | None = None
    value: str | None = None
    """Only rows of this value of stratum `by`."""
    like: str | None = None
    """mode `matched` only: the value of `by` whose distribution is taken over."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The measured column and the stratum."""
        return (self.column,) if self.by is None else (self.column, self.by)

    @model_validator(mode="after")
    def _fits(self) -> Entropy:
        if (self.by is None) != (self.value is None):
            raise ValueError("`by: STRATUM` and `value: VALUE` go together")
        if (self.mode == "matched") != (self.like is not None) or (self.mode == "matched" and self.by is None):
            raise ValueError("`mode: matched` needs `by:`, `value:` and `like:`; the other modes have no `like:`")
        return self


class Mix(Drawn):
    """Shares of other compositions of this study, interleaved."""

    strategy: Literal["mix"]
    of: dict[str, PositiveFloat] = Field(min_length=2)

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
        if len(self.points) > 200:
            raise ValueError(
                f"the design has {len(self.points)} compositions, more than 200: lower `degree:` or name fewer values"
            )
        return self


class Placebo(Drawn):
    """Another composition with its labels shuffled over the rows: what its strategy gives where strata mean nothing."""

    strategy: Literal["placebo"]
    of: str

    @property
    def names(self) -> tuple[str, ...]:
        """The composition that is shuffled."""
        return (self.of,)


class Ids(Drawn):
    """The user's own list of ids, in its order."""

    strategy: Literal["ids"]
    uri: str
    column: str = "id"


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
            if part == name:
                raise ValueError(f"{where} is this composition itself")
