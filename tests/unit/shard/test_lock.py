"""One writer at a time; a dead writer's lock is taken over, by one."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from geomix import store
from geomix.errors import BusyError
from geomix.shard import lock
from geomix.shard.lock import WriterLock


def leave(uri: str, **changes: Any) -> None:
    """Leaves a lock of this very process, but for `changes`."""
    with WriterLock(uri):
        content = store.read_json(store.join(uri, lock.NAME))
    store.write_json(store.join(uri, lock.NAME), {**content, **changes})


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_it_is_removed_afterwards_even_after_an_error(tmp_path: Path) -> None:
    uri = str(tmp_path)

    def fail() -> None:
        with WriterLock(uri):
            assert store.list_names(uri) == [lock.NAME]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.list_names(uri) == []


def test_a_living_writer_keeps_it(tmp_path: Path) -> None:
    uri = str(tmp_path)
    with WriterLock(uri) as first:
        with pytest.raises(BusyError, match=f"process {os.getpid()} on") as caught, WriterLock(uri):
            pass
        assert caught.value.exit_code == 75
        first.refresh()


def test_a_dead_process_of_this_host_is_replaced(tmp_path: Path) -> None:
    uri = str(tmp_path)
    leave(uri, pid=dead_pid())
    with WriterLock(uri) as mine:
        mine.refresh()
        assert store.read_json(store.join(uri, lock.NAME))["pid"] == os.getpid()
    assert store.list_names(uri) == []


def test_a_process_number_used_again_is_not_the_writer(tmp_path: Path) -> None:
    leave(str(tmp_path), process_started="1")
    with WriterLock(str(tmp_path)):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_zombie_is_dead(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = lock._process_started(process.pid)
    process.kill()
    while lock._process_started(process.pid):
        time.sleep(0.01)
    leave(str(tmp_path), pid=process.pid, process_started=started)
    with WriterLock(str(tmp_path)):
        pass
    process.wait()


def test_another_host_is_alive_until_it_is_silent_for_long(tmp_path: Path) -> None:
    leave(str(tmp_path), host="elsewhere", refreshed=time.time() - lock.STALE_SECONDS / 2)
    with pytest.raises(BusyError, match="on elsewhere"), WriterLock(str(tmp_path)):
        pass
    leave_stale = {"host": "elsewhere", "refreshed": time.time() - lock.STALE_SECONDS - 1}
    store.delete(store.join(str(tmp_path), lock.NAME))
    leave(str(tmp_path), **leave_stale)
    with WriterLock(str(tmp_path)):
        pass


def test_a_take_over_that_nobody_finishes_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = str(tmp_path)
    leave(uri, pid=dead_pid())
    monkeypatch.setattr(lock, "TAKE_OVER_SECONDS", 0.2)
    dead = store.read_json(store.join(uri, lock.NAME))
    marker = lock._marker(store.join(uri, lock.NAME), dead)
    assert store.create_exclusive(marker, b"killed")
    with pytest.raises(BusyError, match="did not finish") as caught, WriterLock(uri):
        pass
    assert marker in caught.value.remedy
    store.delete(marker)
    with WriterLock(uri):
        pass


def contend(uri: str, start: Any, results: Any) -> None:
    start.wait()
    try:
        with WriterLock(uri):
            results.put("in")
            time.sleep(0.5)
            results.put("out")
    except BusyError:
        results.put("busy")


def test_of_many_that_find_a_dead_writer_one_gets_in(tmp_path: Path) -> None:
    leave(str(tmp_path), pid=dead_pid())
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    crowd = [context.Process(target=contend, args=(str(tmp_path), start, results)) for _ in range(6)]
    for process in crowd:
        process.start()
    start.set()
    for process in crowd:
        process.join(30)
    words = [results.get(timeout=5) for _ in range(7)]
    assert sorted(words) == ["busy"] * 5 + ["in", "out"]
