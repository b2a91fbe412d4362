"""A work folder seen from outside: which steps are there, which run did what, and what can be removed."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geomix import step, store
from geomix.errors import GeomixError, InputError, from_json

PROCESS = "process"
"""Folder of a run that says which process watches over it."""

STAGES = ("plan", "pool", "sample", "shard", "pretrain", "sweep", "report")


@dataclass(frozen=True)
class StageState:
    """Counts of one stage's steps."""

    stage: str
    done: int
    failed: int
    unfinished: int


def writable(root: str) -> None:
    """Raises InputError unless files can be written under `root`."""
    probe = store.join(root, f".probe-{os.getpid()}")
    try:
        store.write_bytes(probe, b"")
        store.delete(probe)
    except (OSError, GeomixError) as error:
        reason = error.seen if isinstance(error, GeomixError) else error.strerror or str(error)
        raise InputError(
            f"{root}: cannot be written ({reason})",
            wanted="a folder in which files can be made",
            remedy="choose another --workdir, or change the folder's owner",
        ) from None


def states(root: str) -> list[StageState]:
    """What is under `root`, stage by stage."""
    found = []
    for stage in STAGES:
        done = failed = unfinished = 0
        for key in store.list_names(store.join(root, stage)):
            names = store.list_names(store.join(root, stage, key))
            done += "complete" in names
            failed += "complete" not in names and "error.json" in names
            unfinished += "complete" not in names and "error.json" not in names
        found.append(StageState(stage, done, failed, unfinished))
    return found


def runs(root: str) -> list[str]:
    """Names of the runs under `root`, oldest first."""
    return [name for name in store.list_names(store.join(root, "runs")) if not name.startswith(".")]


def first_error(root: str, run: str) -> GeomixError | None:
    """The first failure that the run recorded, as the error it was; None if there is none, or if a retry got over it."""
    found = step.records(root, run)
    if any(record["stage"] == "report" and record["state"] != "failed" for record in found):
        return None
    for record in found:
        if record["state"] == "failed":
            return from_json(record["error"])
    return None


def mark_running(root: str, run: str) -> None:
    """Says that this process watches over the run: while it lives, `leftovers` spares what the run's steps are writing."""
    mark = {"host": os.uname().nodename, "pid": os.getpid(), "started": time.time()}
    store.write_json(store.join(root, "runs", run, PROCESS, "started.json"), mark)


def new_run() -> str:
    """A name for a run that starts now; names sort by time."""
    return time.strftime("run-%Y%m%d-%H%M%S", time.gmtime()) + f"-{os.getpid()}"


def leftovers(root: str) -> list[str]:
    """URIs that nothing needs: attempts that did not win and are not running, half-written files, KFP's own files."""
    found: list[str] = []
    for stage in STAGES:
        for key in store.list_names(store.join(root, stage)):
            found += _of_step(store.join(root, stage, key))
    under_way = [run for run in runs(root) if _running(store.join(root, "runs", run, PROCESS))]
    for run in set(runs(root)) - set(under_way):
        folders = (store.join(root, "runs", run, name) for name in ("kfp", "launch", "ray", PROCESS))
        found += [folder for folder in folders if store.exists(folder)]
    if store.is_local(root) and not under_way:
        found += [str(path) for path in Path(store.local_path(root)).rglob(".writing-*")]
    return sorted(found)


def _of_step(folder: str) -> list[str]:
    names = store.list_names(folder)
    winner = store.read_json(store.join(folder, "complete"))["attempt"] if "complete" in names else None
    attempts = [n for n in names if n.startswith("attempt-") and n != winner and not _running(store.join(folder, n))]
    spent = [n for n in names if winner and n in ("checkpoints", "cells", "features")]
    return [store.join(folder, name) for name in [*attempts, *spent]]


def _running(attempt: str) -> bool:
    try:
        mark: dict[str, Any] = store.read_json(store.join(attempt, "started.json"))
    except FileNotFoundError:
        return False
    if mark.get("host") != os.uname().nodename:
        # Another machine's process cannot be asked: a day is longer than any attempt without a sign of life.
        return time.time() - float(mark.get("started", 0)) < 86400
    try:
        os.kill(int(mark["pid"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
