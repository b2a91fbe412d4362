"""A step: one keyed unit of work. Runs once, is skipped afterwards, and leaves `complete` or `error.json`.

    {root}/{stage}/{key}/attempt-0/...     what an attempt wrote
    {root}/{stage}/{key}/complete          created last, only if absent: names the winning attempt and its outputs
    {root}/{stage}/{key}/error.json        why the last attempt failed
    {root}/runs/{run}/{stage}-{key}.json   what this run did: done, skipped or failed (status, exit codes, cost)

`complete` is created exclusively, so that a stale attempt cannot publish over a newer one (design section 4).
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from geomix import ids, store
from geomix.errors import GeomixError, InputError, from_json

Work = Callable[[str], Mapping[str, Any]]

_BEGUN = "unfinished.json"


@dataclass(frozen=True)
class Place:
    """Where steps are kept (`root`, a URI) and which run asks for them (`run`)."""

    root: str
    run: str


def place(root: str, run: str) -> Place:
    """The place that a component is told; GEOMIX_RUN names the run instead where the launcher knows it (`geomix run`)."""
    return Place(root, os.environ.get("GEOMIX_RUN", run))


@dataclass(frozen=True)
class Step:
    """A finished step: the folder of its winning attempt, its outputs (small JSON) and whether it was skipped."""

    stage: str
    key: str
    uri: str
    outputs: Mapping[str, Any]
    skipped: bool


def run(
    stage: str,
    place: Place,
    work: Work,
    *,
    schema: int,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
    label: str = "",
) -> Step:
    """Does `work(folder)` once for its key and returns the step.

    `work` gets the URI of its attempt's folder and returns small JSON outputs. `config` and `inputs` are what decides the
    output: see `ids.step_key`. `label` is for people. Raises what `work` raises, after writing `error.json`.
    """
    key = ids.step_key(stage, schema, config, inputs)
    folder = store.join(place.root, stage, key)
    started = time.time()
    done = find(place.root, stage, key)
    if done is not None:
        _record(place, stage, key, label, "skipped", started)
        return done
    _fail_at_once(folder, place)
    attempt = _claim_attempt(folder)
    try:
        outputs = dict(work(store.join(folder, attempt)))
    except BaseException as error:
        _record_failure(place, stage, key, label, folder, attempt, error, started)
        raise
    store.delete(store.join(folder, "error.json"))
    content = {"attempt": attempt, "outputs": outputs, "stage": stage, "schema": schema, "config": config, "inputs": inputs}
    store.create_exclusive(store.join(folder, "complete"), store.json_bytes(content))
    winner = find(place.root, stage, key)
    assert winner is not None  # just created, by this attempt or by another
    _record(place, stage, key, label, "done", started)
    return Step(stage, key, winner.uri, winner.outputs, skipped=False)


def find(root: str, stage: str, key: str) -> Step | None:
    """The finished step, or None."""
    folder = store.join(root, stage, key)
    try:
        content = store.read_json(store.join(folder, "complete"))
    except FileNotFoundError:
        return None
    return Step(stage, key, store.join(folder, str(content["attempt"])), content["outputs"], skipped=True)


def named(
    stage: str,
    folder: str,
    work: Work,
    *,
    schema: int,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
    force: bool = False,
) -> Step:
    """Does `work(folder)` once in a folder that the user has named, where `run` would name it by its key.

    `complete` is written last. A folder in which an interrupted command began the same work is gone on with; one that holds
    other files, or other work, is an InputError, unless `force` says to replace such work. A replacement that fails before
    it has written anything leaves what was there, and one that succeeds leaves nothing of it.
    """
    key = ids.step_key(stage, schema, config, inputs)
    mark, begun = store.join(folder, "complete"), store.join(folder, _BEGUN)
    names = [name for name in store.list_names(folder) if not name.startswith(".writing-")]
    old = next((name for name in ("complete", _BEGUN) if name in names), None)
    known = store.read_json(store.join(folder, old)) if old is not None else {}
    there = known.get("key") if isinstance(known, Mapping) else None
    if old == "complete" and there == key:
        return Step(stage, key, folder, known["outputs"], skipped=True)
    if names and old is None:
        raise InputError(f"{folder} holds {', '.join(names[:5])}", wanted="an empty folder", remedy="name another with --out")
    if old is not None and there != key and not force:
        what = "holds the files of another" if old == "complete" else "holds what an interrupted command left of another"
        raise InputError(
            f"{folder} {what} {stage}",
            wanted="an empty folder, or one that the same command wrote",
            remedy="name another folder with --out, or replace what is there with --force",
        )
    before = store.listing(folder)
    store.write_json(begun, {"key": key, "stage": stage})
    store.delete(mark)
    try:
        outputs = dict(work(folder))
    except BaseException:
        # Nothing was written: as it was before. Else it stays known as unfinished.
        ours = {"complete", _BEGUN}
        if _without(store.listing(folder), ours) == _without(before, ours):
            if old == "complete":
                store.write_json(mark, known)
            store.delete(begun)
        raise
    written = store.listing(folder)
    for name in before:
        if name not in (_BEGUN, "complete") and written.get(name) == before[name]:
            store.delete(store.join(folder, name))  # of the work that this one replaces
    finished = {"key": key, "outputs": outputs, "stage": stage, "schema": schema, "config": config, "inputs": inputs}
    store.write_json(mark, finished)
    store.delete(begun)
    return Step(stage, key, folder, outputs, skipped=False)


def _without(listing: Mapping[str, str], names: set[str]) -> dict[str, str]:
    return {name: told for name, told in listing.items() if name not in names}


def records(root: str, run: str) -> list[dict[str, Any]]:
    """What the run did so far: one record a step (stage, key, label, state, seconds, error), in order of ending."""
    folder = store.join(root, "runs", run)
    found = [store.read_json(store.join(folder, name)) for name in store.list_names(folder) if name.endswith(".json")]
    return sorted(found, key=lambda record: float(record["ended"]))


def main(work: Callable[[], Any], stage: str = "", here: Place | None = None) -> Any:
    """The result of `work()`; an explained error is printed in one message and ends the process with its exit code.

    Entry of every KFP component: the traceback of wrong input helps nobody. An error of `stage` from outside a step (before
    its key is known) is recorded in the run of `here`: whoever watches the run learns from its records why it failed.
    """
    die_with_parent()
    end_on_sigterm()
    try:
        return without_nulls(work())
    except GeomixError as error:
        print(f"error: {error.message}", file=sys.stderr, flush=True)
        if here is not None and not _recorded(here, error):
            _record(here, stage, ids.sha256(error.seen)[:24], stage, "failed", time.time(), error.to_json())
        sys.exit(error.exit_code)


def without_nulls(value: Any) -> Any:
    """Plain JSON without the keys whose value is null: kfp.local (2.17) has no null in a loop's items."""
    if isinstance(value, Mapping):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def die_with_parent() -> None:
    """Asks the kernel for a SIGTERM when the parent ends (Linux; elsewhere nothing happens).

    A killed `geomix run` must not leave steps behind that write beside those of the next run.
    """
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def end_on_sigterm() -> None:
    """Makes SIGTERM end this process as `sys.exit` does, so that child processes and MLflow runs are ended in order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _fail_at_once(folder: str, place: Place) -> None:
    # KFP retries a lost pod once; a permanent error of the same run would only fail again, later.
    try:
        content = store.read_json(store.join(folder, "error.json"))
    except FileNotFoundError:
        return
    if content.get("run") == place.run and int(content.get("exit_code", 1)) == 2:
        raise from_json(content)


def _claim_attempt(folder: str) -> str:
    number = sum(1 for name in store.list_names(folder) if name.startswith("attempt-"))
    mark = store.json_bytes({"host": os.uname().nodename, "pid": os.getpid(), "started": time.time()})
    while not store.create_exclusive(store.join(folder, f"attempt-{number}", "started.json"), mark):
        number += 1
    return f"attempt-{number}"


def _record_failure(
    place: Place, stage: str, key: str, label: str, folder: str, attempt: str, error: BaseException, started: float
) -> None:
    if isinstance(error, GeomixError):
        content = error.to_json()
    elif isinstance(error, Exception):
        content = {
            "class": type(error).__name__,
            "seen": f"{type(error).__name__}: {error}",
            "wanted": "",
            "remedy": "this is a bug in geomix: please report it with the traceback in error.json",
            "exit_code": 1,
            "traceback": traceback.format_exc(),
        }
    else:
        return  # Ctrl-C, SIGTERM: not a failure of the step
    content |= {"run": place.run, "stage": stage, "key": key, "attempt": attempt}
    store.write_json(store.join(folder, "error.json"), content)
    # What the attempt wrote is of no use to anybody, except checkpoints, which live beside the attempts.
    store.delete(store.join(folder, attempt))
    _record(place, stage, key, label, "failed", started, content)


def _recorded(place: Place, error: GeomixError) -> bool:
    return any(r["state"] == "failed" and r["error"]["seen"] == error.seen for r in records(place.root, place.run))


def _record(
    place: Place, stage: str, key: str, label: str, state: str, started: float, error: Mapping[str, Any] | None = None
) -> None:
    now = time.time()
    record = {"stage": stage, "key": key, "label": label, "state": state, "ended": now, "seconds": round(now - started, 3)}
    if error is not None:
        record["error"] = dict(error)
    uri = store.join(place.root, "runs", place.run, f"{stage}-{key}.json")
    if state == "skipped" and store.exists(uri):
        return  # done earlier in this very run
    store.write_json(uri, record)
