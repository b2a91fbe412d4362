"""A work folder from outside: states, leftovers, errors of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest

from geomix import errors, step, store, workdir
from geomix.step import Place


def finished(place: Place, name: str) -> step.Step:
    def work(folder: str) -> Mapping[str, Any]:
        store.write_bytes(store.join(folder, "data"), b"1")
        return {}

    return step.run("pool", place, work, schema=1, config={"name": name}, inputs={})


def killed(place: Place, name: str, pid: int) -> str:
    key = step.ids.step_key("pool", 1, {"name": name}, {})
    attempt = store.join(place.root, "pool", key, "attempt-0")
    store.write_json(store.join(attempt, "started.json"), {"host": os.uname().nodename, "pid": pid, "started": 0})
    return attempt


def test_states_count_done_failed_and_unfinished(place: Place) -> None:
    finished(place, "a")
    killed(place, "b", 2**22 + 1)

    def fail(folder: str) -> Mapping[str, Any]:
        raise errors.PoolError("no coordinates")

    with pytest.raises(errors.PoolError):
        step.run("pool", place, fail, schema=1, config={"name": "c"}, inputs={})
    (state,) = [s for s in workdir.states(place.root) if s.stage == "pool"]
    assert (state.done, state.failed, state.unfinished) == (1, 1, 1)
    error = workdir.first_error(place.root, place.run)
    assert isinstance(error, errors.PoolError)
    assert workdir.runs(place.root) == [place.run]


def test_leftovers_are_dead_attempts_and_half_written_files(place: Place) -> None:
    done = finished(place, "a")
    dead = killed(place, "b", 2**22 + 1)
    alive = killed(place, "c", os.getpid())
    half = store.join(place.root, "pool", ".writing-x")
    store.local_path(half).write_bytes(b"")
    found = workdir.leftovers(place.root)
    assert dead in found
    assert half in found
    assert alive not in found
    assert done.uri not in found
    for uri in found:
        store.delete(uri)
    assert store.exists(store.join(done.uri, "data"))
    assert finished(place, "a").skipped


def test_a_run_that_made_its_report_got_over_its_failures(place: Place) -> None:
    lost = {"stage": "shard", "key": "k", "state": "failed", "ended": 1.0, "error": errors.BusyError("locked").to_json()}
    store.write_json(store.join(place.root, "runs", place.run, "shard-k.json"), lost)
    assert isinstance(workdir.first_error(place.root, place.run), errors.BusyError)
    done = {"stage": "report", "key": "r", "state": "done", "ended": 2.0}
    store.write_json(store.join(place.root, "runs", place.run, "report-r.json"), done)
    assert workdir.first_error(place.root, place.run) is None


def test_what_a_living_run_uses_is_not_left_over(place: Place) -> None:
    spec = store.join(place.root, "runs", place.run, "launch", "x", "spec.json")
    half = store.join(place.root, "pool", ".writing-x")
    for uri in (spec, half):
        store.write_bytes(uri, b"")
    workdir.mark_running(place.root, place.run)
    assert workdir.leftovers(place.root) == []
    dead = {"host": os.uname().nodename, "pid": 2**22 + 1, "started": 0}
    store.write_json(store.join(place.root, "runs", place.run, workdir.PROCESS, "started.json"), dead)
    found = workdir.leftovers(place.root)
    assert half in found
    assert store.join(place.root, "runs", place.run, "launch") in found


def test_a_folder_that_cannot_be_written_is_wrong_input(place: Place) -> None:
    blocked = store.join(place.root, "file")
    store.write_bytes(blocked, b"")
    with pytest.raises(errors.InputError, match="cannot be written"):
        workdir.writable(store.join(blocked, "under"))
