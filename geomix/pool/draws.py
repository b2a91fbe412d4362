"""What is to be drawn from a pool: one draw a composition and draw seed, `each` expanded, unknown strata refused."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection
from typing import Any

import pandas as pd

from geomix import config
from geomix.errors import CompositionError
from geomix.pool.rows import text

Definition = dict[str, Any]


def definitions(study: config.Study, strata: pd.DataFrame) -> dict[str, Definition]:
    """Label -> definition (plain JSON) of every composition that draws ids, in the study's order.

    A one-hot `each` becomes one `by`, `value` a class that the pool has, labelled `<name>_<class>`, classes in order of
    name. `strata`: a column a stratum, and the columns of the user's table that the pool keeps. Raises CompositionError.
    """
    found: dict[str, Definition] = {}
    for label, composition in study.compositions.items():
        if isinstance(composition, (config.NoPretraining, config.Weights)):
            continue
        for name, definition in _resolve(label, composition, strata):
            if name in found or (name != label and name in study.compositions):
                raise CompositionError(
                    f"two compositions are called {name!r}",
                    wanted="labels that differ",
                    remedy=f"rename {label!r} (its `each` makes one composition a class) or the other one",
                )
            found[name] = definition
    return found


def slug(name: str) -> str:
    """`name` in lower-case letters, digits and single underscores: "Côte d'Ivoire" is cote_d_ivoire."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_") or "class"


def _resolve(label: str, composition: config.Composition, strata: pd.DataFrame) -> list[tuple[str, Definition]]:
    definition = composition.model_dump(mode="json")
    if isinstance(composition, config.Stratified):
        _known(label, composition.by, strata)
    if isinstance(composition, config.OneHot):
        by = composition.by or composition.each or ""
        classes = _known(label, by, strata)
        if composition.value is not None and composition.value not in classes:
            near = difflib.get_close_matches(composition.value, classes, n=3, cutoff=0.4) or classes[:12]
            raise CompositionError(
                f"composition {label!r}: no place of the pool has {by} {composition.value!r}",
                wanted=f"a class that the pool has: {', '.join(near)}" + (" ..." if len(near) < len(classes) else ""),
                remedy=f"mend `value:` of {label!r}",
            )
        chosen = classes if composition.value is None else [composition.value]
        names = [label] if composition.value is not None else [f"{label}_{slug(value)}" for value in chosen]
        one = [{"strategy": "onehot", "by": by, "value": value} for value in chosen]
        return list(zip(names, one, strict=True))
    return [(label, definition)]


def _known(label: str, stratum: str, strata: pd.DataFrame) -> list[str]:
    known: Collection[str] = [str(name) for name in strata.columns]
    if stratum not in known:
        near = difflib.get_close_matches(stratum, known, n=1)
        raise CompositionError(
            f"composition {label!r}: unknown stratum {stratum!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            wanted=f"one of {', '.join(known)}",
            remedy="use one of these, keep a column of your table with `columns:`, or give polygons under `strata:`",
        )
    values = strata[stratum].dropna()
    if pd.api.types.is_float_dtype(values.dtype) and bool((values % 1 != 0).any()):
        raise CompositionError(
            f"composition {label!r}: {stratum} has numbers, not classes",
            remedy=f"draw by a condition: {{strategy: where, expr: '{stratum} < 100'}}",
        )
    classes = sorted({text(value) for value in values.unique()})
    if not classes:
        raise CompositionError(
            f"composition {label!r}: no place of the pool has a class of {stratum}",
            remedy="are longitude and latitude exchanged? is the pool at sea?",
        )
    return classes
