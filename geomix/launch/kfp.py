"""The pipeline through KFP: compiled to YAML, or run here by kfp.local (subprocesses, no containers)."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

from geomix import store
from geomix.step import die_with_parent


def compile_pipeline(target: str) -> None:
    """Writes the compiled pipeline (KFP v2 YAML), the same for every study, to the URI `target`."""
    from kfp import compiler

    from geomix_pipelines.study import study_pipeline

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "geomix.yaml"
        compiler.Compiler().compile(study_pipeline, str(path))
        store.write_bytes(target, path.read_bytes())


def run_local(study: str, root: str, pipeline_root: str) -> None:
    """Runs the pipeline on this machine. Raises RuntimeError if a step failed (the reason is in its error.json)."""
    from kfp import local

    from geomix_pipelines.study import study_pipeline

    # "Use the DockerRunner" and "resources are ignored": true, and meant.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"kfp\.local")
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=pipeline_root)
    study_pipeline(study=study, root=root)


PATIENCE_SECONDS = 10.0


def _end_group(*_: object) -> None:
    """Ends every process of this group: in order at first, for good in the end.

    Steps are grandchildren, behind a shell: the kernel tells them nothing when `geomix run` is killed.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(os.getpid(), signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _others() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(os.getpid(), signal.SIGKILL)


def _others() -> bool:
    # Fields of stat after the name in brackets: state, parent, group.
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(group) == os.getpid() and state != "Z" and stat.parent.name != str(os.getpid()):
            return True
    return False


def main() -> None:
    """`python -m geomix.launch.kfp --study URI --root URI --pipeline-root DIR`: what `geomix run` starts and watches."""
    parser = argparse.ArgumentParser(prog="python -m geomix.launch.kfp", description="Runs the pipeline of a study here.")
    parser.add_argument("--study", required=True, help="URI of the study file")
    parser.add_argument("--root", required=True, help="URI under which every step is kept")
    parser.add_argument("--pipeline-root", required=True, help="folder for KFP's own files")
    arguments = parser.parse_args()
    die_with_parent()
    if os.getpgrp() == os.getpid():
        signal.signal(signal.SIGTERM, _end_group)
    try:
        run_local(arguments.study, arguments.root, arguments.pipeline_root)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
