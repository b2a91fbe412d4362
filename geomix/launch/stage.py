"""Runs a stage in a process (or job) of its own. Nothing but two URIs crosses: the spec and the result."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geomix import ids, store
from geomix.errors import GeomixError, InputError, from_json
from geomix.step import Place, die_with_parent, end_on_sigterm

TEMPORARY = 75


@dataclass(frozen=True)
class Resources:
    """What a stage asks for; a backend takes what it understands."""

    cpus: int = 1
    gpus: int = 0
    workers: int = 0
    """Ray Train workers; 0: the process itself trains."""


Backend = Callable[[Sequence[str], Resources], int]


def local(argv: Sequence[str], resources: Resources) -> int:
    """Exit status of `argv` as a subprocess of this interpreter's environment; its output goes to ours."""
    environment = os.environ | {"GEOMIX_TRAIN_WORKERS": str(resources.workers)}
    process = subprocess.Popen([sys.executable, *argv[1:]], env=environment)
    try:
        return process.wait()
    except BaseException:
        # The step must not outlive whoever asked for it: two writers of one attempt would be the price.
        process.terminate()
        process.wait()
        raise


BACKENDS: Mapping[str, Backend] = {"local": local}


def run(argv: Sequence[str], resources: Resources, backend: str = "local") -> int:
    """Exit status of `argv` (`python -m geomix.STAGE --spec URI --out URI`) on the backend. Raises InputError."""
    if backend not in BACKENDS:
        raise InputError(f"launch backend {backend!r}", wanted=f"one of {', '.join(BACKENDS)}", remedy="set GEOMIX_BACKEND")
    return BACKENDS[backend](argv, resources)


def run_stage(stage: str, place: Place, content: Mapping[str, Any], resources: Resources | None = None) -> Any:
    """The result of `python -m geomix.{stage}` on `content`; its error, as itself, if it failed.

    The backend comes from GEOMIX_BACKEND (default `local`).
    """
    spec = {"root": place.root, "run": place.run, **content}
    folder = store.join(place.root, "runs", place.run, "launch", f"{stage}-{ids.sha256(ids.canonical_json(spec))[:24]}")
    spec_uri, out_uri = store.join(folder, "spec.json"), store.join(folder, "out.json")
    store.write_json(spec_uri, spec)
    store.delete(out_uri)
    argv = ["python", "-m", f"geomix.{stage}", "--spec", spec_uri, "--out", out_uri]
    status = run(argv, resources or Resources(workers=train_workers()), os.environ.get("GEOMIX_BACKEND", "local"))
    try:
        out = store.read_json(out_uri)
    except FileNotFoundError:
        out = {}
    if status == 0 and "result" in out:
        return out["result"]
    if "error" in out:
        raise from_json(out["error"])
    error = GeomixError(
        f"{stage}: the process ended with status {status} and left no result",
        remedy="see its log above; run the same command again",
    )
    error.exit_code = TEMPORARY if status < 0 or status == 137 else 1
    raise error


def train_workers() -> int:
    """Ray Train workers of a pretraining: GEOMIX_TRAIN_WORKERS, by default 0 (the step's process trains by itself).

    Raises InputError.
    """
    text = os.environ.get("GEOMIX_TRAIN_WORKERS", "0")
    if not text.isdecimal():
        raise InputError(f"GEOMIX_TRAIN_WORKERS={text!r}", wanted="a whole number, 0 or more")
    return int(text)


def stage_main(stage: str, work: Callable[[Mapping[str, Any], Place], Any], argv: Sequence[str] | None = None) -> None:
    """Body of `python -m geomix.{stage}`: reads --spec, does the work, writes --out; the exit code follows the error."""
    import argparse

    parser = argparse.ArgumentParser(prog=f"python -m geomix.{stage}", description=f"Runs one {stage} step.")
    parser.add_argument("--spec", required=True, help="URI of a JSON file: root, run and what the stage takes")
    parser.add_argument("--out", required=True, help="URI of the JSON file to write: result or error")
    arguments = parser.parse_args(argv)
    die_with_parent()
    end_on_sigterm()
    try:
        spec = store.read_json(arguments.spec)
        result = work(spec, Place(str(spec["root"]), str(spec["run"])))
    except GeomixError as error:
        store.write_json(arguments.out, {"error": error.to_json()})
        print(f"error: {error.message}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    store.write_json(arguments.out, {"result": result})
