"""Launching a stage: two URIs cross, errors arrive as themselves, exit codes are kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from geomix import errors, launch, store
from geomix.launch import stage
from geomix.step import Place


def test_local_returns_the_exit_status() -> None:
    assert launch.run(["python", "-c", "raise SystemExit(7)"], launch.Resources()) == 7


def test_an_unknown_backend_is_named() -> None:
    with pytest.raises(errors.InputError, match="launch backend 'slurm'"):
        launch.run(["python"], launch.Resources(), "slurm")


def backend_that(status: int, out: object | None) -> stage.Backend:
    def backend(argv: object, resources: launch.Resources) -> int:
        arguments = list(argv)  # type: ignore[call-overload]
        spec = store.read_json(arguments[arguments.index("--spec") + 1])
        assert spec["item"] == {"a": 1}
        if out is not None:
            store.write_json(arguments[arguments.index("--out") + 1], out)
        return status

    return backend


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, place: Place) -> object:
    def call(status: int, out: object | None) -> object:
        monkeypatch.setattr(stage, "BACKENDS", {"local": backend_that(status, out)})
        return stage.run_stage("pretrain", place, {"item": {"a": 1}})

    return call


def test_result_comes_back(run) -> None:  # type: ignore[no-untyped-def]
    assert run(0, {"result": [1, 2]}) == [1, 2]


def test_an_error_comes_back_as_itself(run) -> None:  # type: ignore[no-untyped-def]
    error = errors.DataError("no such part", remedy="write it again")
    with pytest.raises(errors.DataError, match="no such part") as caught:
        run(2, {"error": error.to_json()})
    assert (caught.value.exit_code, caught.value.remedy) == (2, "write it again")


def test_a_killed_process_may_be_retried(run) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(errors.GeomixError, match="status -9") as caught:
        run(-9, None)
    assert caught.value.exit_code == 75


def test_a_result_of_an_earlier_attempt_is_not_taken(run) -> None:  # type: ignore[no-untyped-def]
    run(0, {"result": "old"})
    with pytest.raises(errors.GeomixError, match="left no result"):
        run(0, None)


def test_main_writes_result_or_error(
    tmp_path: Path, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("die_with_parent", "end_on_sigterm"):  # they are for processes of their own
        monkeypatch.setattr(stage, name, lambda: None)
    spec, out = str(tmp_path / "spec.json"), str(tmp_path / "out.json")
    store.write_json(spec, {"root": place.root, "run": "r", "value": 3})
    arguments = ["--spec", spec, "--out", out]
    stage.stage_main("pretrain", lambda content, where: content["value"] + 1, arguments)
    assert store.read_json(out) == {"result": 4}

    def refuse(content: object, where: Place) -> None:
        raise errors.TaskError("too few labels", wanted="100")

    with pytest.raises(SystemExit) as ended:
        stage.stage_main("sweep", refuse, arguments)
    assert ended.value.code == 2
    assert store.read_json(out)["error"]["class"] == "TaskError"
    assert "Traceback" not in capsys.readouterr().err


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the kernel's parent-death signal is Linux's")
    import subprocess
    import time

    mark = tmp_path / "pid"
    child = (
        "import os, time, pathlib; from geomix import step; step.die_with_parent();"
        f"pathlib.Path({str(mark)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
    )
    deadline = time.monotonic() + 30
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    pid = int(mark.read_text())
    parent.kill()
    parent.wait()
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
