"""What is to be drawn from a pool: one draw a composition and draw seed, `each`, dose and simplex expanded."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

from pydantic import TypeAdapter

from geomix import config
from geomix.errors import CompositionError

Definition = dict[str, Any]

_COMPOSITION: TypeAdapter[config.Composition] = TypeAdapter(config.Composition)


class Columns(Protocol):
    """What a pool knows of its rows: the columns that compositions may name, and the classes that occur in each."""

    @property
    def names(self) -> Collection[str]:
        """Names of strata and of the columns of the user's table that the pool keeps."""

    def classes(self, name: str) -> list[str] | None:
        """Values of column `name` that occur, as text, by name, without nulls; None if it has numbers, not classes."""


def definitions(compositions: Mapping[str, config.Composition], columns: Columns) -> dict[str, Definition]:
    """Label -> definition (plain JSON) of every composition that draws ids, in the given order.

    An `each` becomes one `by`, `value` a class that the pool has, labelled `<name>_<class>`, classes in order of name; a
    dose one mixture a percentage, `<name>_025`, where 0 and 100 are the definitions of the two themselves; a simplex
    design one `stratified` with weights a point, `<name>_africa50_asia50`. Raises CompositionError.
    """
    found: dict[str, Definition] = {}
    for label, composition in compositions.items():
        if isinstance(composition, (config.NoPretraining, config.Weights)):
            continue
        for name, definition in _resolve(label, composition, compositions, columns):
            if name in found or (name != label and name in compositions):
                raise CompositionError(
                    f"two compositions are called {name!r}",
                    wanted="labels that differ",
                    remedy=f"rename {label!r} (it stands for several compositions) or the other one",
                )
            found[name] = definition
    return found


def slug(name: str) -> str:
    """`name` in lower-case letters, digits and single underscores: "Côte d'Ivoire" is cote_d_ivoire."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_") or "class"


def _resolve(
    label: str, composition: config.Composition, others: Mapping[str, config.Composition], columns: Columns
) -> list[tuple[str, Definition]]:
    definition = composition.model_dump(mode="json")
    if isinstance(composition, (config.OneHot, config.LeaveOneOut)):
        by = composition.by or composition.each or ""
        classes = _known(label, by, columns)
        if composition.value is not None:
            _values(label, by, [composition.value], classes)
        chosen = classes if composition.value is None else [composition.value]
        names = [label] if composition.value is not None else [f"{label}_{slug(value)}" for value in chosen]
        rest = {k: v for k, v in definition.items() if k not in ("each", "by", "value")}
        return [(name, {**rest, "by": by, "value": value}) for name, value in zip(names, chosen, strict=True)]
    if isinstance(composition, config.Dose):
        found = []
        for percent in composition.percent:
            part = composition.at(percent)
            one = (
                part.model_dump(mode="json")
                if isinstance(part, config.Mix)
                else _resolve(part, others[part], others, columns)[0][1]
            )
            found.append((f"{label}_{percent:03d}", one))
        return found
    if isinstance(composition, config.Simplex):
        _values(label, composition.by, composition.values, _known(label, composition.by, columns))
        return [_point(label, composition, point) for point in composition.points]
    if isinstance(composition, (config.Stratified, config.Balanced)):
        chosen = [*(composition.values or ()), *(getattr(composition, "weights", None) or ())]
        _values(label, composition.by, chosen, _known(label, composition.by, columns))
    if isinstance(composition, config.Entropy) and composition.by is not None:
        chosen = [value for value in (composition.value, composition.like) if value is not None]
        _values(label, composition.by, chosen, _known(label, composition.by, columns))
    return [(label, definition)]


def _point(label: str, design: config.Simplex, point: Mapping[str, int]) -> tuple[str, Definition]:
    name = "_".join([label, *(f"{slug(value)}{round(100 * steps / design.degree)}" for value, steps in point.items())])
    one = config.Stratified(strategy="stratified", by=design.by, allocation="weights", weights=dict(point))
    return name, one.model_dump(mode="json")


def _values(label: str, by: str, wanted: Iterable[str], classes: list[str]) -> None:
    for value in wanted:
        if value not in classes:
            near = difflib.get_close_matches(value, classes, n=3, cutoff=0.4) or classes[:12]
            raise CompositionError(
                f"composition {label!r}: no place of the pool has {by} {value!r}",
                wanted=f"a class that the pool has: {', '.join(near)}" + (" ..." if len(near) < len(classes) else ""),
                remedy=f"mend the value in {label!r}",
            )


def _known(label: str, stratum: str, columns: Columns) -> list[str]:
    known = list(columns.names)
    if stratum not in known:
        near = difflib.get_close_matches(stratum, known, n=1)
        raise CompositionError(
            f"composition {label!r}: unknown stratum {stratum!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            wanted=f"one of {', '.join(known)}",
            remedy="use one of these, keep a column of your table with `columns:`, or give polygons under `strata:`",
        )
    classes = columns.classes(stratum)
    if classes is None:
        raise CompositionError(
            f"composition {label!r}: {stratum} has numbers, not classes",
            remedy=f"draw by a condition: {{strategy: where, expr: '{stratum} < 100'}}",
        )
    if not classes:
        raise CompositionError(
            f"composition {label!r}: no place of the pool has a class of {stratum}",
            remedy="are longitude and latitude exchanged? is the pool at sea?",
        )
    return classes


def expand(compositions: Mapping[str, config.Composition], columns: Columns) -> dict[str, config.Composition]:
    """Label -> composition of all that `compositions` stand for and that draw ids (`definitions`, read as such)."""
    found = definitions(compositions, columns)
    return {label: _COMPOSITION.validate_python(definition) for label, definition in found.items()}
