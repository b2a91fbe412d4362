"""The command line: help with an example on every command, messages without tracebacks, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import geomix
from geomix import errors
from geomix.cli import app
from tests.integration import studies

COMMANDS = ["plan", "run", "status", "report", "clean", "compile", "pool", "sample", "shard", "pretrain", "sweep"]


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(runner: CliRunner, command: str) -> None:
    shown = runner.invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: geomix {command}" in " ".join(shown.output.split())


def test_no_command_shows_the_help_and_version_is_printed(runner: CliRunner) -> None:
    assert "pretrain" in runner.invoke(app, []).output
    assert runner.invoke(app, ["--version"]).output.strip() == geomix.__version__


def test_plan_prints_the_grid_and_starts_nothing(runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = runner.invoke(app, ["plan", str(studies.study(tmp_path / "s.yaml"))])
    assert shown.exit_code == 0, shown.output
    assert "presto" in shown.output
    assert [p.name for p in tmp_path.iterdir()] == ["s.yaml"]


@pytest.mark.parametrize("command", ["plan", "run", "pool", "report"])
def test_a_wrong_study_is_one_message_and_exit_code_2(runner: CliRunner, tmp_path: Path, command: str) -> None:
    shown = runner.invoke(app, [command, str(studies.study(tmp_path / "s.yaml", scale="huge"))])
    assert shown.exit_code == 2
    assert "line 2, scale: 'huge' is not one of 'tiny'" in " ".join(shown.output.split())
    assert "Traceback" not in shown.output


def test_status_and_clean_of_an_empty_folder(runner: CliRunner, tmp_path: Path) -> None:
    assert "no run" in runner.invoke(app, ["status", "--workdir", str(tmp_path / "w")]).output
    assert "0 removed" in runner.invoke(app, ["clean", "--workdir", str(tmp_path / "w")]).output


@pytest.mark.parametrize(
    ("cls", "code"),
    [
        (errors.StudyError, 2),
        (errors.DataError, 2),
        (errors.UnavailableError, 75),
        (errors.BusyError, 75),
        (errors.TrainingError, 1),
    ],
)
def test_exit_codes_follow_from_the_class(cls: type[errors.GeomixError], code: int) -> None:
    error = errors.from_json(cls("seen", wanted="wanted", remedy="remedy").to_json())
    assert type(error) is cls
    assert error.exit_code == code
    assert error.message == "seen\n  wanted: wanted\n  to mend it: remedy"
