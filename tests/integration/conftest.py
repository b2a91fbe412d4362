"""Whole studies, run as a user runs them: `geomix run` in a process of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from geomix import store
from tests.integration import studies

Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a run that shares nothing with this session's Ray or MLflow."""
    variables = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
    return {**variables, "COLUMNS": "200", **(extra or {})}


@pytest.fixture(scope="session")
def geomix() -> Run:
    """Runs `geomix` with the arguments given and returns the finished process (text output)."""

    def run(*arguments: str, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(studies.command(*arguments), capture_output=True, text=True, check=False, env=environment(extra))

    return run


@dataclass(frozen=True)
class Finished:
    """A study that ran to its end."""

    study: Path
    workdir: Path
    output: str

    @property
    def summary(self) -> dict[str, object]:
        """The study's summary.json."""
        return dict(store.read_json(str(self.workdir / "reports" / "tiny" / "summary.json")))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, geomix: Run) -> Finished:
    """The tiny study, run once a session, undisturbed."""
    folder = tmp_path_factory.mktemp("tiny")
    path = studies.study(folder / "tiny.yaml")
    done = geomix("run", str(path), "--workdir", str(folder / "work"))
    assert done.returncode == 0, done.stdout + done.stderr
    return Finished(path, folder / "work", done.stdout + done.stderr)
