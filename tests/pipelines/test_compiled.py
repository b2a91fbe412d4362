"""The compiled pipeline is kept, so that a change of the DAG shows as a diff."""

from __future__ import annotations

from pathlib import Path

import yaml

from geomix import study_file
from geomix.launch import kfp

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


def test_the_kept_yaml_is_what_compiles(tmp_path: Path) -> None:
    kfp.compile_pipeline(str(tmp_path / "geomix.yaml"))
    kept = (PIPELINES / "compiled" / "geomix.yaml").read_text()
    assert (tmp_path / "geomix.yaml").read_text() == kept, "run `make compiled` and look at the diff"


def test_every_step_retries_once_and_is_never_cached_by_kfp() -> None:
    spec = yaml.safe_load((PIPELINES / "compiled" / "geomix.yaml").read_text())
    dags = [spec["root"]["dag"], *(c["dag"] for c in spec["components"].values() if "dag" in c)]
    steps = {n: t for dag in dags for n, t in dag["tasks"].items() if not n.startswith("for-loop")}
    assert set(steps) == {"plan", "pool", "sample", "shard", "pretrain", "sweep", "report"}
    for name, task in steps.items():
        assert not task["cachingOptions"].get("enableCache", False), name
        assert task["retryPolicy"]["maxRetryCount"] == 1, name


def test_the_shipped_studies_are_valid(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("GEOMIX_DATA", "/data")
    monkeypatch.setenv("GEOMIX_WEIGHTS", "/weights")
    studies = sorted((PIPELINES / "studies").glob("*.yaml"))
    assert {p.stem for p in studies} >= {"debug", "real_crops"}
    for path in studies:
        assert study_file.load(str(path)).name == path.stem
