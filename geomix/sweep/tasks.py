"""Downstream tasks: labelled samples with coordinates, regions, inputs and, where there is one, a published split.

Letters in names: N samples, T time steps, C channels, F raw features, 2 = (longitude, latitude).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix import config, ids, series, tables
from geomix.errors import StudyError, TaskError
from geomix.ids import U64

if TYPE_CHECKING:
    from geomix.atlas import Stratum

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]
Kind = Literal["classification", "regression"]

MOST_CLASSES = 100
"""More different labels than this look like a number, not a class."""

ROLES: Mapping[str, int] = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
"""Words of a published split (any case) -> role: 0 train, 1 validation, 2 test."""


@dataclass(frozen=True)
class TaskData:
    """A task's samples, in the order of the user's table (or of the synthetic Earth's rows)."""

    name: str
    kind: Kind
    ids: tuple[str, ...]
    """Unique: task name and row number. Keys of splits and label draws."""
    lonlat_N2: F64
    """Degrees, WGS84, longitude first; NaN where a sample has no coordinates."""
    series: series.Series
    label_N: F64
    """Class number (position in `classes`), or the value of a regression."""
    classes: tuple[str, ...]
    """Names of the classes, sorted; empty for a regression. Of two classes the second is the positive one."""
    region_N: Objects
    """str or None."""
    published_N: I64 | None
    """Role in the published split: 0 train, 1 validation, 2 test."""
    raw_NF: F32
    """Raw features of the baseline, NaN where missing."""
    location: bool
    """False: encoders drop the location token for the whole task."""

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def id64_N(self) -> U64:
        """What permanent random numbers are made from: `ids.id64` of every sample."""
        return ids.id64(self.ids)

    def without_inputs(self) -> TaskData:
        """The task without series and raw features: what judging needs, and little to send to a worker."""
        nothing = series.Series(np.empty((0, 0, 0), np.float32), np.empty((0, 0), np.int64), np.empty((0, 0), np.int64))
        return replace(self, series=nothing, raw_NF=np.empty((0, 0), np.float32))

    @property
    def located_N(self) -> npt.NDArray[np.bool_]:
        """True where a sample has coordinates."""
        return np.asarray(np.isfinite(self.lonlat_N2).all(axis=1))

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions, sorted; empty if no sample has one."""
        return tuple(sorted({str(r) for r in self.region_N if r is not None}))


def load(name: str, study: config.Study) -> TaskData:
    """The task `name` of `study`. Raises DataError, TaskError."""
    task = study.tasks[name]
    if isinstance(task, config.EarthTask):
        return _from_earth(name, task, study)
    return _from_table(name, task, study)


def fingerprint(name: str, study: config.Study) -> dict[str, Any]:
    """What decides the task's samples, as plain JSON: its configuration without paths, and hashes of its files.

    Heads, shots and splits are left out: they name cells, they do not change the samples. Raises DataError.
    """
    task = study.tasks[name]
    content = task.model_dump(mode="json", exclude={"models", "heads", "shots", "splits"})
    stratum = _looked_up(task, study)
    if stratum:
        content["region"] = {"stratum": stratum, "sha256": _stratum(stratum, study).source().sha256}
    if isinstance(task, config.EarthTask):
        from geomix import earth

        return {"name": name, "task": content, "earth": study.earth.model_dump(mode="json"), "version": earth.VERSION}
    content.pop("uri")
    files = [task.uri]
    if isinstance(task.series, config.SeriesArrays):
        content["series"].pop("uri")
        files.append(task.series.uri)
    return {"name": name, "task": content, "files": [tables.digest(uri) for uri in files]}


def _looked_up(task: config.Task, study: config.Study) -> str | None:
    # The stratum whose map gives this task's regions; None where a column does, or nothing can.
    if isinstance(task, config.TableTask) and (task.region is not None or task.lon is None or task.lat is None):
        return None
    return study.sweep.region


def _stratum(name: str, study: config.Study) -> Stratum:
    from geomix import atlas

    known = atlas.of_study(study)
    if name not in known:
        raise StudyError(f"sweep.region: unknown stratum {name!r}", wanted=f"one of {', '.join(known)}")
    return known[name]


def _regions_of(stratum: str | None, study: config.Study, lonlat_N2: F64) -> Objects:
    regions = np.full(len(lonlat_N2), None, dtype=object)
    known = np.isfinite(lonlat_N2).all(axis=1)
    if stratum is not None and known.any():
        regions[known] = [_text(r) for r in _stratum(stratum, study).at(lonlat_N2[known, 0], lonlat_N2[known, 1])]
    return regions


def _text(value: object) -> str | None:
    return None if value is None or value is pd.NaT or value != value else str(value)


def _from_earth(name: str, task: config.EarthTask, study: config.Study) -> TaskData:
    from geomix import earth

    rows = earth.task_rows(task, study.earth, name)
    sample_ids = tuple(f"{name}:{row}" for row in rows["row"])
    lon, lat = (rows[c].to_numpy(dtype=np.float64) for c in ("lon", "lat"))
    simulated, label = earth.simulate(lon, lat, list(sample_ids), study.earth)
    lonlat = np.stack([lon, lat], axis=1)
    classes, codes = _classes(np.asarray(label), f"task {name}")
    regions = _regions_of(study.sweep.region, study, lonlat)
    raw = _raw_from_series(simulated)
    return TaskData(name, "classification", sample_ids, lonlat, simulated, codes, classes, regions, None, raw, True)


def _from_table(name: str, task: config.TableTask, study: config.Study) -> TaskData:
    where = f"task {name}: {task.uri}"
    frame = tables.read(task.uri)
    named = [c for c in (task.label, task.lon, task.lat, task.region, task.split, *task.raw) if c is not None]
    tables.need(frame, named, where)
    rows = np.flatnonzero(tables.select(frame, task.where, where)).astype(np.int64)
    if not len(rows):
        raise TaskError(f"{where}: no row satisfies `{task.where}`", remedy="mend `where:`")
    kept = frame.iloc[rows]
    classes, label = _labels(kept[task.label], task, where)
    lonlat = _coordinates(kept, task, where)
    if task.region is not None:
        regions = np.array([_text(v) for v in kept[task.region]], dtype=object)
    else:
        regions = _regions_of(_looked_up(task, study), study, lonlat)
    inputs = series.read(task.series, frame, rows, task.uri)
    raw = _numbers(kept, task.raw, where) if task.raw else _raw_from_series(inputs)
    published = None if task.split is None else _published(kept[task.split], task.split, where)
    sample_ids = tuple(f"{name}:{row}" for row in rows)
    return TaskData(name, task.target, sample_ids, lonlat, inputs, label, classes, regions, published, raw, task.location)


def _numbers(kept: pd.DataFrame, columns: Sequence[str], where: str) -> F32:
    try:
        return kept[list(columns)].to_numpy(dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise TaskError(f"{where}: raw features {', '.join(columns)}: {error}", wanted="columns of numbers") from None


def _labels(column: pd.Series[Any], task: config.TableTask, where: str) -> tuple[tuple[str, ...], F64]:
    missing = int(column.isna().sum())
    if missing:
        raise TaskError(
            f"{where}: {missing} of {len(column)} labels in column {task.label!r} are missing",
            remedy=f"leave those rows out with `where: {task.label} IS NOT NULL`",
        )
    if task.target == "classification":
        return _classes(column.to_numpy(), f"{where}: column {task.label!r}")
    try:
        values = column.to_numpy(dtype=np.float64)
    except (ValueError, TypeError):
        raise TaskError(
            f"{where}: column {task.label!r} holds text", wanted="numbers", remedy="write `target: classification`?"
        ) from None
    if not np.isfinite(values).all():
        raise TaskError(f"{where}: column {task.label!r} holds values that are not finite", remedy="leave them out by `where:`")
    if (values == values[0]).all():
        raise TaskError(f"{where}: every label in column {task.label!r} is {values[0]:g}", wanted="labels that differ")
    return (), values


def _classes(values: npt.NDArray[Any], where: str) -> tuple[tuple[str, ...], F64]:
    # Numbers sort as numbers, text as text; a bool is 0 or 1.
    if values.dtype == bool:
        values = values.astype(np.int64)
    if np.issubdtype(values.dtype, np.floating):
        if not (np.isfinite(values) & (values == np.round(values))).all():
            raise TaskError(f"{where}: labels are fractions", wanted="classes", remedy="write `target: regression`?")
        values = values.astype(np.int64)
    if values.dtype == object:
        values = np.array([str(v) for v in values])
    found, codes = np.unique(values, return_inverse=True)
    if len(found) < 2:
        raise TaskError(f"{where}: every label is {found[0]!s}", wanted="at least two classes")
    if len(found) > MOST_CLASSES:
        raise TaskError(
            f"{where}: {len(found)} different labels", wanted=f"at most {MOST_CLASSES} classes", remedy="is it a regression?"
        )
    return tuple(str(c) for c in found), codes.astype(np.float64)


def _coordinates(kept: pd.DataFrame, task: config.TableTask, where: str) -> F64:
    lonlat = np.full((len(kept), 2), np.nan)
    if (task.lon is None) != (task.lat is None):
        raise StudyError(f"{where}: one of `lon` and `lat` is named", wanted="both or neither")
    if task.lon is not None and task.lat is not None:
        lonlat = tables.lonlat(kept, task.lon, task.lat, where)
    lacking = int((~np.isfinite(lonlat).all(axis=1)).sum())
    if task.location and lacking:
        raise TaskError(
            f"{where}: {lacking} of {len(lonlat)} rows have no coordinates, and the encoder would use them",
            wanted="coordinates in every row, or none used",
            remedy="write `location: false` (the token is then dropped for the whole task), or name `lon:` and `lat:`",
        )
    return lonlat


def _published(column: pd.Series[Any], name: str, where: str) -> I64:
    words = [str(v).strip().lower() for v in column]
    unknown = sorted({str(v) for v, word in zip(column, words, strict=True) if word not in ROLES})
    if unknown:
        raise TaskError(
            f"{where}: column {name!r} holds {', '.join(map(repr, unknown[:5]))}",
            wanted=f"one of {', '.join(ROLES)} in every row",
            remedy="leave other rows out by `where:`",
        )
    roles = np.array([ROLES[word] for word in words], dtype=np.int64)
    for role, word in ((0, "train"), (2, "test")):
        if not (roles == role).any():
            raise TaskError(f"{where}: no row of the published split {name!r} is {word!r}")
    return roles


def _raw_from_series(inputs: series.Series) -> F32:
    # Every step and channel is a feature; one that no sample has tells nothing.
    flat = inputs.x_NTC.reshape(len(inputs), -1)
    return np.ascontiguousarray(flat[:, np.isfinite(flat).any(axis=0)], dtype=np.float32)


def allowed_splits(name: str, study: config.Study) -> tuple[config.SplitName, ...]:
    """Splits of a task: its own, where it names them, else those of `sweep.splits` that its columns allow.

    Raises StudyError if it names one that its columns cannot give, or if none is left.
    """
    task = study.tasks[name]
    _, _, wanted = study.judged(name)
    own = isinstance(task, config.TableTask) and task.splits is not None
    chosen: list[config.SplitName] = []
    for split in wanted:
        lacking = _lacking(task, split)
        if lacking and own:
            raise StudyError(f"tasks.{name}.splits: {split} needs {lacking}", remedy="name the columns, or leave the split out")
        if not lacking:
            chosen.append(split)
    if not chosen:
        raise StudyError(
            f"tasks.{name}: none of the splits {', '.join(wanted)} fits its columns",
            remedy=f"write `splits: [random]` under tasks.{name}",
        )
    return tuple(chosen)


def _lacking(task: config.Task, split: config.SplitName) -> str:
    if isinstance(task, config.EarthTask):
        return "a published split, which the synthetic Earth has not" if split == "published" else ""
    located = task.lon is not None and task.lat is not None
    if split == "published" and task.split is None:
        return "`split:`, the column of the published split"
    if split == "block" and not located:
        return "`lon:` and `lat:`"
    if split == "leave_region_out" and task.region is None and not located:
        return "`region:`, or `lon:` and `lat:` to look it up"
    return ""


def check_heads(name: str, heads: Sequence[config.HeadName], kind: Kind) -> None:
    """Raises StudyError if a head does not fit the kind of task."""
    wrong = "logistic" if kind == "regression" else "ridge"
    if wrong in heads:
        right = "ridge" if kind == "regression" else "logistic"
        raise StudyError(
            f"tasks.{name}: head {wrong} cannot judge a {kind}",
            remedy=f"write `heads: [{right}, ...]` under tasks.{name}",
        )
