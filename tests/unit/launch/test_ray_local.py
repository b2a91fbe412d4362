"""Ray on demand: nobody asks, nothing starts; whoever asks waits for the one Ray of the run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from geomix import errors
from geomix.launch import ray_local


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened to the Ray of the supervising process: here a stand-in, since only the asking is tested."""
    happened: list[str] = []

    @contextmanager
    def stand_in(cpus: int) -> Iterator[str]:
        happened.append(f"started {cpus}")
        yield "127.0.0.1:6379"
        happened.append("ended")

    # `started` is what a step enters; the supervising end finds the stand-in under the same name.
    monkeypatch.setattr(ray_local, "started", stand_in)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return happened


def test_nobody_asks_and_nothing_starts(tmp_path: Path, sessions: list[str]) -> None:
    with ray_local.OnDemand(tmp_path / "ray", 2) as ray:
        ray.serve()
    assert sessions == []


def test_two_who_ask_share_one_ray_that_ends_with_the_run(tmp_path: Path, sessions: list[str]) -> None:
    found: list[str] = []
    with ray_local.OnDemand(tmp_path / "ray", 2) as ray:
        assert ray.environment[ray_local.FOLDER] == str(tmp_path / "ray")
        askers = [threading.Thread(target=lambda: found.append(ray_local._ask(tmp_path / "ray"))) for _ in range(2)]
        for asker in askers:
            asker.start()
        deadline = time.monotonic() + 30
        while len(found) < 2 and time.monotonic() < deadline:
            ray.serve()
            time.sleep(0.01)
        for asker in askers:
            asker.join()
        assert sessions == ["started 2"]
    assert found == ["127.0.0.1:6379"] * 2
    assert sessions == ["started 2", "ended"]


def test_who_is_never_answered_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_local, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setenv(ray_local.FOLDER, str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(errors.GeomixError, match="no Ray within"), ray_local.started(1):
        pass
    assert (tmp_path / "wanted").exists()


def test_a_given_ray_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray.example:6379")
    assert ray_local.OnDemand(tmp_path, 2).environment == {}
    monkeypatch.setenv(ray_local.FOLDER, str(tmp_path))
    with ray_local.started(1) as address:
        assert address == "ray.example:6379"
    assert os.environ["RAY_ADDRESS"] == "ray.example:6379"
