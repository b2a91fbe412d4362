"""Strata of a pool's blocks: which there are, the value of every place, and how many places each class has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geomix import atlas, config, tables
from geomix.errors import StudyError

Strata = Mapping[str, atlas.Stratum]


def refuse_taken(names: Mapping[str, Any]) -> None:
    """Raises StudyError if a stratum of the user's has the name of a packaged one or of a column of every pool."""
    reserved = {*atlas.STRATA, *tables.POOL_SCHEMA.names, "geometry"}
    for name in names:
        if name in reserved:
            raise StudyError(f"strata.{name}: the name is taken", remedy="give your polygons another name")


def of_own(own: Mapping[str, config.OwnStratum]) -> Strata:
    """The packaged strata, then the user's `own`, by name. Files are read when asked. Raises StudyError."""
    refuse_taken(own)
    return {**atlas.STRATA, **atlas.of_strata(own)}


def at(strata: Strata, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> pa.Table:
    """One column a stratum, a row a place: dictionary-encoded text or numbers, null where a place has none."""
    return atlas.table(strata, lon, lat)


class Counts:
    """Rows in every class of every stratum; "none" counts the places without one.

    A stratum of numbers with a fraction, such as a distance, has no classes: "known" counts its values.
    """

    def __init__(self) -> None:
        self._found: dict[str, dict[str, int]] = {}

    def update(self, classes: pa.Table) -> None:
        """Adds a block of strata."""
        for name in classes.column_names:
            column, found = classes[name], self._found.setdefault(name, {"none": 0})
            found["none"] += column.null_count
            if pa.types.is_floating(column.type):
                found["known"] = found.get("known", 0) + len(column) - column.null_count
                continue
            for pair in pc.value_counts(column.drop_null()).to_pylist():
                value = str(pair["values"])
                found[value] = found.get(value, 0) + int(pair["counts"])

    def to_json(self) -> dict[str, dict[str, int]]:
        """Stratum -> class -> rows, classes in order of name, "none" last."""
        return {
            name: {value: found[value] for value in sorted(found) if value != "none"} | {"none": found["none"]}
            for name, found in self._found.items()
        }
