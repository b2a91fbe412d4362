"""Strata of a pool: the class of every place on the packaged maps and on the study's own polygons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from geomix import atlas, config, tables
from geomix.errors import DataError, StudyError


def names(study: config.Study) -> list[str]:
    """Names of all strata of a study, in the order of columns of strata.parquet."""
    return [*atlas.STRATA, *study.strata]


def fingerprints(study: config.Study) -> dict[str, str]:
    """Stratum -> what its classes come from, as a hash: part of the pool step's key."""
    found = {}
    for name in atlas.STRATA:
        try:
            found[name] = atlas.source(name).sha256
        except DataError:
            found[name] = "missing"  # explained by `build`, inside the step
    for name, own in study.strata.items():
        # A shapefile keeps attributes and coordinate system in files of their own.
        stem = own.uri.removesuffix(".shp")
        parts = [own.uri] if stem == own.uri else [own.uri, f"{stem}.dbf", f"{stem}.prj"]
        found[name] = "+".join([*(tables.digest(uri) for uri in parts), own.column])
    return found


def build(study: config.Study, frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, dict[str, str]]]:
    """strata.parquet (id and one column a stratum, None where a place has none) and each stratum's source.

    `frame`: the pool's id, lon, lat. Raises StudyError, DataError.
    """
    reserved = {*atlas.STRATA, *tables.POOL_SCHEMA.names, "geometry"}
    for name in study.strata:
        if name in reserved:
            raise StudyError(f"strata.{name}: the name is taken", remedy="give your polygons another name")
    lon, lat = frame["lon"].to_numpy(), frame["lat"].to_numpy()
    columns: dict[str, Any] = {"id": frame["id"]}
    sources = {}
    for name, stratum in atlas.of_study(study).items():
        columns[name] = stratum.at(lon, lat)
        sources[name] = stratum.source().to_json()
    return pd.DataFrame(columns), sources


def write(uri: str, strata: pd.DataFrame, sources: Mapping[str, Mapping[str, str]]) -> None:
    """Writes strata.parquet; the file's metadata `geomix.strata` says each stratum's name, version, SHA-256, licence."""
    tables.write_parquet(uri, strata, _schema(strata), {"geomix.strata": json.dumps(sources, sort_keys=True)})


def counts(strata: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Rows of the pool in every class of every stratum; "none" counts the places that have no class."""
    found = {}
    for name in strata.columns.drop("id"):
        values = strata[name].value_counts()
        texts = {str(value): int(count) for value, count in values.items()}
        found[name] = {value: texts[value] for value in sorted(texts)} | {"none": int(strata[name].isna().sum())}
    return found


def _schema(strata: pd.DataFrame) -> Any:
    import pyarrow as pa

    # Said, not inferred: a column without any class would be written as a column of type null.
    types = {name: pa.int64() if name == "landcover" else pa.string() for name in strata.columns}
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])
