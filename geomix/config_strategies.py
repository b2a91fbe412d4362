"""The strategies of a study: how samples are drawn from a pool, one model each. Part of the schema of `config.Study`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SerializerFunctionWrapHandler, model_serializer, model_validator

from geomix.config_data import Strict

MEASURED = "spectral_entropy"
"""Beginning of the names of columns that are measured on pixels."""


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
    def has_quotas(self) -> bool:
        """Whether its draw depends on `quota:`."""
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
    def has_quotas(self) -> bool:
        """True: a class may run dry."""
        return True

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
    def has_quotas(self) -> bool:
        """True: a class may run dry."""
        return True

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

    @property
    def has_quotas(self) -> bool:
        """Only in equal counts."""
        return self.allocation == "equal"


class Clustered(Drawn):
    """Discs of `radius_km` about `clusters` pool rows, in equal counts."""

    strategy: Literal["clustered"]
    clusters: PositiveInt
    radius_km: PositiveFloat
    weight: Literal["rows", "area"] = "rows"
    """What the centres are uniform over: rows or land area."""

    @property
    def has_quotas(self) -> bool:
        """True: a class may run dry."""
        return True


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

    @property
    def has_quotas(self) -> bool:
        """True: a class may run dry."""
        return True


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
    def has_quotas(self) -> bool:
        """A bin may run dry; the highest do not."""
        return self.mode != "top"

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


class Ids(Drawn):
    """The user's own list of ids, in its order."""

    strategy: Literal["ids"]
    uri: str
    column: str = "id"
