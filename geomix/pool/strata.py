"""Strata of a pool: which there are, what decides their values, and how many places each class has."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from geomix import atlas, config, tables
from geomix.errors import DataError, PoolError, StudyError

Strata = Mapping[str, atlas.Stratum]


def known(own: Mapping[str, config.OwnStratum]) -> Strata:
    """The packaged strata, then the user's `own`, in the order of columns of strata.parquet. Files are read when asked.

    Raises StudyError if one of `own` has the name of a packaged stratum or of a column of every pool.
    """
    reserved = {*atlas.STRATA, *tables.POOL_SCHEMA.names, "geometry"}
    for name in own:
        if name in reserved:
            raise StudyError(f"strata.{name}: the name is taken", remedy="give your stratum another name")
    return {**atlas.STRATA, **atlas.of_strata(own)}


def fingerprints(own: Mapping[str, config.OwnStratum]) -> dict[str, str]:
    """Stratum -> what its values come from, as a hash: part of the pool step's key."""
    found = {}
    for name in atlas.STRATA:
        try:
            found[name] = atlas.source(name).sha256
        except DataError:
            found[name] = "missing"  # explained inside the step
    return found | {name: _fingerprint(one) for name, one in own.items()}


def _fingerprint(own: config.OwnStratum) -> str:
    if isinstance(own, config.Polygons):
        # A shapefile keeps attributes and coordinate system in files of their own.
        stem = own.uri.removesuffix(".shp")
        parts = [own.uri] if stem == own.uri else [own.uri, f"{stem}.dbf", f"{stem}.prj"]
        return "+".join([*(tables.digest(uri) for uri in parts), own.column])
    if isinstance(own, config.Raster):
        # GDAL keeps beside a raster what its format cannot say, such as the coordinate system.
        read = own.model_dump_json(exclude={"uri"})
        return "+".join([*(tables.digest(uri) for uri in (own.uri, f"{own.uri}.aux.xml")), read])
    try:
        return next(iter(atlas.of_strata({"own": own}).values())).source().sha256
    except DataError:
        return "missing"


class Counts:
    """Rows in every class of every stratum; "none" counts the places without one.

    A stratum of numbers with a fraction, such as a distance, has no classes: "known" counts its values.
    """

    def __init__(self) -> None:
        self._found: dict[str, dict[str, int]] = {}

    def update(self, classes: pa.Table) -> None:
        """Adds a block of strata. Raises PoolError for a class that is called none."""
        for name in classes.column_names:
            column, found = classes[name], self._found.setdefault(name, {"none": 0})
            found["none"] += column.null_count
            if pa.types.is_floating(column.type):
                found["known"] = found.get("known", 0) + len(column) - column.null_count
                continue
            for pair in pc.value_counts(column.drop_null()).to_pylist():
                value = str(pair["values"])
                if value == "none":
                    raise PoolError(
                        f"stratum {name}: a class is called 'none', which stands for the places without a class",
                        remedy="rename the class, or leave its cells or polygons without a value",
                    )
                found[value] = found.get(value, 0) + int(pair["counts"])

    def to_json(self) -> dict[str, dict[str, int]]:
        """Stratum -> class -> rows, classes in order of name, "none" last."""
        return {
            name: {value: found[value] for value in sorted(found) if value != "none"} | {"none": found["none"]}
            for name, found in self._found.items()
        }
