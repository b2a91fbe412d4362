"""Kill everything, or press Ctrl-C, and give the same command again: the same final hash, nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from geomix import store
from tests.integration import studies
from tests.integration.conftest import Finished, Run, environment

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 180


def start(study: Path, workdir: Path) -> subprocess.Popen[bytes]:
    command = studies.command("run", str(study), "--workdir", str(workdir))
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


CHECKPOINT, RAY = "pretrain/*/checkpoints/*/complete", "runs/*/ray/address"


def wait_for(sign: str, process: subprocess.Popen[bytes], workdir: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not list(workdir.glob(sign)):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, f"no {sign} in time"
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, stack = [], [pid]
    while stack:
        for child in children.get(stack.pop(), []):
            found.append(child)
            stack.append(child)
    return found


def test_sigkill_of_everything_during_pretraining(tiny: Finished, tmp_path: Path, geomix: Run) -> None:
    process = start(tiny.study, tmp_path / "work")
    wait_for(CHECKPOINT, process, tmp_path / "work")
    for pid in [process.pid, *descendants(process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
    again = geomix("run", str(tiny.study), "--workdir", str(tmp_path / "work"))
    assert again.returncode == 0, again.stdout + again.stderr
    summary = store.read_json(str(tmp_path / "work" / "reports" / "tiny" / "summary.json"))
    assert summary["final_hash"] == tiny.summary["final_hash"]


def test_sigkill_of_the_command_alone_leaves_no_process_behind(tiny: Finished, tmp_path: Path) -> None:
    process = start(tiny.study, tmp_path / "work")
    wait_for(RAY, process, tmp_path / "work")  # steps, Ray and its workers
    family = descendants(process.pid)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 120  # Ray's agents are the last to notice
    while (alive := [pid for pid in family if _alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not alive


def test_ctrl_c_then_the_same_command(tiny: Finished, tmp_path: Path, geomix: Run) -> None:
    process = start(tiny.study, tmp_path / "work")
    wait_for(CHECKPOINT, process, tmp_path / "work")
    family = descendants(process.pid)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=90) == 130
    assert not [pid for pid in family if _alive(pid)]
    again = geomix("run", str(tiny.study), "--workdir", str(tmp_path / "work"))
    assert again.returncode == 0, again.stdout + again.stderr
    summary = store.read_json(str(tmp_path / "work" / "reports" / "tiny" / "summary.json"))
    assert summary["final_hash"] == tiny.summary["final_hash"]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
