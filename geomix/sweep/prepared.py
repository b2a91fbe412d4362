"""A task made ready to be judged: its rules, its samples and folds, and the checks that must not wait for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from geomix import config, manifest
from geomix.errors import StudyError, TaskError
from geomix.sweep import heads, shots, splits, tasks
from geomix.sweep.shots import Shots


@dataclass(frozen=True)
class Rules:
    """How a task is judged; known from the study and its files' hashes, without loading a sample."""

    heads: tuple[config.HeadName, ...]
    shots: tuple[Shots, ...]
    splits: tuple[config.SplitName, ...]
    repeats: int
    """Label draws of a number of shots."""
    scale: config.Scale
    protocol: Mapping[str, Any]
    """What decides a score besides encoder, split, shots and head: the task's fingerprint and the rules of `sweep`."""

    def label_seeds(self, wanted: Shots) -> range:
        """Label draws. `all` has one alone; a head with chance of its own is not repeated on it, as fifty trees of thousands
        of rows scatter far less than draws and training seeds do."""
        return range(1 if wanted == "all" else self.repeats)

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the scores of the task, for the key of the step."""
        grids = {f"{head}/{n}": heads.grid(head, n, self.scale) for head in self.heads for n in self.shots}
        return {**self.protocol, "splits": self.splits, "grids": grids, "label": self.repeats}


@dataclass(frozen=True)
class Prepared:
    """What every encoder meets on one task."""

    rules: Rules
    data: tasks.TaskData
    folds: Mapping[config.SplitName, tuple[splits.Fold, ...]]
    notes: Mapping[str, Any]
    """What was left out and why, for notes.json."""

    def without_inputs(self) -> Prepared:
        """The same without series and raw features."""
        return replace(self, data=self.data.without_inputs())


def rules(name: str, study: config.Study, model: str) -> Rules:
    """How task `name` judges `model`. `raw` (raw features) has the random forest alone. Raises StudyError, DataError."""
    named, wanted, _ = study.judged(name)
    task = study.tasks[name]
    tasks.check_heads(name, named, task.target if isinstance(task, config.TableTask) else "classification")
    allowed = tasks.allowed_splits(name, study)
    primary = study.report.primary
    if primary.task == name and primary.split not in allowed:
        raise StudyError(
            f"report.primary.split: task {name} cannot be split by {primary.split}", wanted=f"one of {', '.join(allowed)}"
        )
    protocol = {
        "task": tasks.fingerprint(name, study),
        "region": study.sweep.region,
        "block_km": study.sweep.block_km,
        "rules": {"splits": splits.VERSION, "shots": shots.VERSION, "heads": heads.VERSION},
    }
    chosen: tuple[config.HeadName, ...] = ("random_forest",) if model == manifest.RAW else named
    return Rules(chosen, wanted, allowed, study.seeds.label, study.scale, protocol)


def prepare(name: str, study: config.Study, own: Rules) -> Prepared:
    """Task `name` of `study` with its samples and folds. Raises DataError, TaskError."""
    data = tasks.load(name, study)
    folds, small = {}, []
    for split in own.splits:
        kept, left_out = shots.judged(data, splits.make(data, split, study.sweep.block_km))
        small += [{"split": split, **note} for note in left_out]
        if not kept:
            raise TaskError(
                f"task {name}, split {split}: no region is large enough to judge",
                wanted=f"{shots.LEAST_TEST} test samples of each class in at least one region",
                remedy="label more samples, use coarser regions, or leave the split out",
            )
        shots.check(data, split, kept, own.shots)
        folds[split] = kept
    notes = {
        "rows": len(data),
        "rows_without_coordinates": int((~data.located_N).sum()),
        "rows_without_region": sum(r is None for r in data.region_N) if data.regions else 0,
        "regions_too_small": small,
    }
    return Prepared(own, data, folds, notes)


def names(study: config.Study, model: str) -> list[str]:
    """Tasks on which `model` is judged, sorted; every task for raw features."""
    return sorted(name for name, task in study.tasks.items() if model == manifest.RAW or model in task.models)


def preflight(study: config.Study) -> None:
    """Raises what the sweeps of `study` would raise about its tasks, before anything is trained: Study-, Data-, TaskError."""
    for name in sorted(study.tasks):
        prepare(name, study, rules(name, study, study.tasks[name].models[0]))
