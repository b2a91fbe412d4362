"""Strata of a pool: the class of every place on the packaged maps and on the study's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geomix import atlas, config, store, tables
from geomix.errors import DataError, StudyError


def names(study: config.Study) -> list[str]:
    """Names of all strata of a study, in the order of columns of strata.parquet."""
    return [*atlas.STRATA, *study.strata]


def fingerprints(study: config.Study) -> dict[str, str]:
    """Stratum -> what its values come from, as a hash: part of the pool step's key."""
    found = {}
    for name in atlas.STRATA:
        try:
            found[name] = atlas.source(name).sha256
        except DataError:
            found[name] = "missing"  # explained by `build`, inside the step
    return found | {name: _fingerprint(own) for name, own in study.strata.items()}


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


def build(study: config.Study, frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, dict[str, str]]]:
    """strata.parquet (id and one column a stratum, null where a place has none) and each stratum's source.

    Classes are categorical columns: a small code a place. `frame`: the pool's id, lon, lat. Raises StudyError, DataError.
    """
    reserved = {*atlas.STRATA, *tables.POOL_SCHEMA.names, "geometry"}
    for name in study.strata:
        if name in reserved:
            raise StudyError(f"strata.{name}: the name is taken", remedy="give your stratum another name")
    known = atlas.of_study(study)
    columns = atlas.table(known, frame["lon"].to_numpy(), frame["lat"].to_numpy())
    # Nullable integers: a raster's numbers must not become floats where a place has none.
    found = columns.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    found.insert(0, "id", frame["id"].to_numpy())
    return found, {name: stratum.source().to_json() for name, stratum in known.items()}


def write(uri: str, strata: pd.DataFrame, sources: Mapping[str, Mapping[str, str]]) -> None:
    """Writes strata.parquet; the file's metadata `geomix.strata` says each stratum's name, version, SHA-256, licence.

    Classes are dictionary-encoded in the file. Readers get strings, as from any Parquet file, unless they ask for
    dictionaries (`read_dictionary` of pyarrow).
    """
    table = pa.table({str(name): _arrow(strata[name]) for name in strata})
    # Without Arrow's own schema: with it, every reader would get dictionaries.
    with (
        store.writing(uri) as path,
        pq.ParquetWriter(path, table.schema, compression="zstd", store_schema=False) as writer,
    ):
        writer.write_table(table)
        writer.add_key_value_metadata({"geomix.strata": json.dumps(sources, sort_keys=True)})


def _arrow(column: pd.Series[Any]) -> pa.Array:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return pa.array(column, pa.string() if column.name == "id" else None, from_pandas=True)
    # Said, not inferred: a stratum without any class would become a column of type null.
    codes = column.cat.codes.to_numpy()
    names = pa.array(column.cat.categories.to_numpy(dtype=object), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), names)


def counts(strata: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Rows of the pool in every class of every stratum; "none" counts the places that have no class.

    A stratum of numbers, such as a distance, has no classes: "known" counts its values.
    """
    found = {}
    for name in strata.columns.drop("id"):
        values, none = strata[name].value_counts(), int(strata[name].isna().sum())
        if pd.api.types.is_float_dtype(strata[name].dtype):
            found[name] = {"known": len(strata) - none, "none": none}
            continue
        texts = {str(value): int(count) for value, count in values.items() if count}
        found[name] = {value: texts[value] for value in sorted(texts)} | {"none": none}
    return found


def at_sea(strata: pd.DataFrame) -> int:
    """Places that lie at sea: outside every country, by the 1:50 m coast."""
    return int(strata["country"].isna().sum())
