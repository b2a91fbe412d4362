"""The rows of a study: every sweep's results joined with composition and draw seed, and the study's final hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from geomix import ids, store, tables
from geomix.errors import DataError

DIGITS = 6
"""Significant digits of a value in the final hash: far above the noise of summation order, far below any real difference."""

_HASHED = [name for name in tables.RESULT_SCHEMA.names if name not in ("study", "run_id")]


@dataclass(frozen=True)
class Label:
    """One entry of labels.json: the composition (and draw) that a manifest hash stands for."""

    composition: str
    draw_seed: int | None
    """None for arms that draw nothing: zero pretraining, published weights, raw features."""
    pool: str | None
    model: str
    manifest_hash: str
    manifest: str | None
    """URI of the folder with the realised manifest."""


def read_labels(uri: str) -> list[Label]:
    """The labels of a study, in the order of labels.json. Raises DataError."""
    try:
        content = store.read_json(uri)
    except FileNotFoundError:
        raise DataError(f"{uri}: no such file", wanted="the labels.json that `shard` writes") from None
    return [_label(entry, uri) for entry in content]


def _label(entry: Mapping[str, Any], uri: str) -> Label:
    try:
        seed = entry["draw_seed"]
        return Label(
            str(entry["composition"]),
            None if seed is None else int(seed),  # KFP turns 0 into 0.0
            entry["pool"],
            str(entry["model"]),
            str(entry["manifest_hash"]),
            entry["manifest"] and store.join(uri.rsplit("/", 1)[0], entry["manifest"]),
        )
    except KeyError as error:
        raise DataError(f"{uri}: an entry lacks {error}", wanted="composition, draw_seed, pool, model, manifest_hash") from None


def read(folders: Sequence[str], labels: Sequence[Label], study: str) -> pd.DataFrame:
    """All rows of a study (tables.RESULT_SCHEMA), sorted; a manifest that serves several labels gives rows to each.

    `folders`: what `sweep` returned. Raises DataError for rows of a manifest without a label, for a score that is not a
    number, and where two rows are the same measurement with different values.
    """
    frames = [tables.read(store.join(folder, "results.parquet"), tables.RESULT_SCHEMA.names) for folder in folders]
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=tables.RESULT_SCHEMA.names)
    if not len(frame):
        raise DataError(
            "no scores at all", wanted="rows in results.parquet of at least one sweep", remedy="run the study again"
        )
    frame = join(frame, labels, study)
    empty = frame["value"].isna()
    if empty.any():
        raise DataError(f"{int(empty.sum())} rows have no value, first: {_name(frame[empty].iloc[0])}", wanted="a number a row")
    return _distinct(frame)


def join(frame: pd.DataFrame, labels: Sequence[Label], study: str) -> pd.DataFrame:
    """`frame` with study, composition and draw_seed filled from (manifest_hash, model); one copy a label."""
    serving = pd.DataFrame(
        [(x.manifest_hash, x.model, x.composition, x.draw_seed) for x in labels],
        columns=["manifest_hash", "model", "composition", "draw_seed"],
    ).drop_duplicates()
    serving["draw_seed"] = serving["draw_seed"].astype("Int64")
    bare = frame.drop(columns=["composition", "draw_seed"])
    joined = bare.merge(serving, on=["manifest_hash", "model"], how="left")
    strange = joined["composition"].isna()
    if strange.any():
        raise DataError(
            f"{int(strange.sum())} rows belong to no composition of this study, first: {_name(joined[strange].iloc[0])}",
            wanted="rows of the manifests in labels.json",
            remedy="give `report` the sweeps of the same study",
        )
    joined["study"] = study
    return joined[list(tables.RESULT_SCHEMA.names)]


def _distinct(frame: pd.DataFrame) -> pd.DataFrame:
    identity = tables.ROW_IDENTITY
    spread = frame.groupby(identity, dropna=False)["value"].agg(["min", "max"])
    differ = spread[spread["min"] != spread["max"]]
    if len(differ):
        low, high = differ.iloc[0]
        name = dict(zip(identity, differ.index[0], strict=True))
        raise DataError(
            f"{len(differ)} scores were measured twice with different results, first: {_name(name)}: {low:g} and {high:g}",
            wanted="one value a measurement",
            remedy="remove the step folders of one of the two sweeps and run the study again",
        )
    return frame.drop_duplicates(identity).sort_values(identity, kind="stable", na_position="first").reset_index(drop=True)


def _name(row: Mapping[str, Any] | pd.Series) -> str:
    names = ("composition", "manifest_hash", "model", "train_seed", "task", "split", "test_region", "head", "shots", "metric")
    return ", ".join(f"{name} {row[name]}" for name in names if not pd.isna(row[name]))


def final_hash(frame: pd.DataFrame) -> str:
    """The final hash of a study: hex SHA-256 of its rows, sorted, without the study's name and run ids (times are in no row).

    A row is its other columns in the order of tables.RESULT_SCHEMA, as text: null is empty, a value has DIGITS significant
    digits.
    """
    lines = sorted("\x1f".join(_text(value) for value in row) for row in frame[_HASHED].astype(object).itertuples(index=False))
    return ids.sha256("results", *lines)


def _text(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)
