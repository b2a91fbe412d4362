"""Wrong input: one clear message with the line or value and the remedy, exit code 2, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.integration import studies
from tests.integration.conftest import Run

pytestmark = pytest.mark.slow


def refused(geomix: Run, study: Path, workdir: Path) -> str:
    """The message of a run that must end with exit code 2; checks that nothing half-written stays."""
    done = geomix("run", str(study), "--workdir", str(workdir))
    text = done.stdout + done.stderr
    assert done.returncode == 2, text
    assert "Traceback" not in text
    assert done.stderr.count("error:") == 1, text
    if workdir.is_dir():
        assert not list(workdir.rglob(".writing-*"))
        complete = {p.parent for p in workdir.rglob("complete")}
        for attempt in workdir.glob("*/*/attempt-*"):
            assert attempt.parent in complete, f"{attempt} was left behind"
    return text


def test_an_unknown_key_names_its_line(geomix: Run, tmp_path: Path) -> None:
    text = refused(geomix, studies.study(tmp_path / "s.yaml", budgett=3), tmp_path / "w")
    assert "did you mean 'budget'?" in text
    assert "line" in text


def test_a_repeated_key_names_both_lines(geomix: Run, tmp_path: Path) -> None:
    path = studies.study(tmp_path / "s.yaml")
    path.write_text(path.read_text() + "budget: 7\n")
    text = refused(geomix, path, tmp_path / "w")
    assert "'budget' is repeated" in text


def test_a_missing_study_and_a_missing_table(geomix: Run, tmp_path: Path) -> None:
    assert "no such study file" in refused(geomix, tmp_path / "absent.yaml", tmp_path / "w")
    pool = {
        "kind": "table",
        "uri": str(tmp_path / "absent.csv"),
        "arrays": {"uri": str(tmp_path / "x.npz"), "channels": {"B2": 0}},
    }
    text = refused(geomix, studies.study(tmp_path / "s.yaml", pools={"series": pool}), tmp_path / "w")
    assert "absent.csv: no such file" in text


def test_published_weights_that_are_not_there(geomix: Run, tmp_path: Path) -> None:
    arms = {
        "uar": {"strategy": "uniform"},
        "published": {"strategy": "weights", "uri": str(tmp_path / "absent.safetensors"), "model": "presto"},
    }
    text = refused(geomix, studies.study(tmp_path / "s.yaml", compositions=arms), tmp_path / "w")
    assert "no checkpoint at" in text
    assert "absent.safetensors" in text


def test_a_composition_that_cannot_be_filled(geomix: Run, tmp_path: Path) -> None:
    path = studies.study(
        tmp_path / "s.yaml", compositions={"dry": {"strategy": "onehot", "by": "continent", "value": "Oceania"}}, budget=2500
    )
    text = refused(geomix, path, tmp_path / "w")
    assert "dry" in text
    assert "2,500" in text or "2500" in text


def test_a_work_folder_that_cannot_be_written(geomix: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = refused(geomix, studies.study(tmp_path / "s.yaml"), tmp_path / "file" / "w")
    assert "cannot be written" in text


def test_a_pool_without_coordinates(geomix: Run, tmp_path: Path) -> None:
    table, arrays = tmp_path / "pool.csv", tmp_path / "x.npz"
    pd.DataFrame({"longitude": [1.0, 2.0], "start_month": [0, 0]}).to_csv(table)
    np.savez(arrays, X=np.zeros((2, 12, 1), np.float32))
    pool = {"kind": "table", "uri": str(table), "arrays": {"uri": str(arrays), "channels": {"B2": 0}}}
    text = refused(geomix, studies.study(tmp_path / "s.yaml", pools={"series": pool}), tmp_path / "w")
    assert "no column 'lon', 'lat'" in text
    assert "longitude" in text


def test_more_shots_than_a_region_has(geomix: Run, tmp_path: Path) -> None:
    path = studies.study(tmp_path / "s.yaml", sweep__shots=[5000], report__primary__shots=5000)
    text = refused(geomix, path, tmp_path / "w")
    assert "5000 shots" in text
    assert "ask for fewer" in text
    assert not (tmp_path / "w" / "pretrain").exists()  # refused before anything was trained
