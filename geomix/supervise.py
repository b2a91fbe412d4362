"""Runs a study through KFP in a child process and watches it: progress, the first error, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from geomix import step, store, track, workdir
from geomix.errors import GeomixError
from geomix.launch import ray_local

Show = Callable[[Sequence[Mapping[str, Any]]], None]

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 20.0


def run(study: str, root: str, run_name: str, cpus: int, show: Show) -> None:
    """Runs the pipeline to its end. `show` gets the run's records again and again. Raises the first error of a step.

    On Ctrl-C every process is ended; finished steps stay and the same command goes on from them.
    """
    folder = store.local_path(store.join(root, "runs", run_name))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    workdir.mark_running(root, run_name)
    with ray_local.OnDemand(folder / "ray", cpus) as ray, log.open("wb") as output:
        environment = os.environ | {
            **ray.environment,
            "GEOMIX_RUN": run_name,
            "MLFLOW_TRACKING_URI": track.tracking_uri(root) or "",
            # Components find the same interpreter's packages, and Python does not hold their output back.
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        }
        command = [sys.executable, "-m", "geomix.launch.kfp", "--study", study, "--root", root]
        command += ["--pipeline-root", store.join(root, "runs", run_name, "kfp")]
        # A session of its own: Ctrl-C reaches this process alone, which then ends the whole group in order.
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        try:
            status = _watch(child, root, run_name, show, ray)
        finally:
            _end(child)
    if status != 0:  # a step that failed and was tried again with success is no failure
        error = workdir.first_error(root, run_name)
        raise error or GeomixError(f"the pipeline ended with status {status}", remedy=f"read {log}")


def _watch(child: subprocess.Popen[bytes], root: str, run_name: str, show: Show, ray: ray_local.OnDemand) -> int:
    while True:
        ray.serve()
        status = child.poll()
        records = step.records(root, run_name)
        show(records)
        if status is not None:
            return status
        if any(r["state"] == "failed" and r["error"]["exit_code"] == 2 for r in records):
            return 2  # wrong input: nothing that still runs can mend it
        time.sleep(POLL_SECONDS)


def _end(child: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.05)
