"""One YAML file in, a report out: through kfp.local, one local Ray and MLflow on SQLite."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from geomix import tables
from tests.integration.conftest import Finished, Run

pytestmark = pytest.mark.slow


def test_leaves_report_summary_and_scores(tiny: Finished) -> None:
    folder = tiny.workdir / "reports" / "tiny"
    page = (folder / "report.html").read_text()
    assert "synthetic" in page.lower()
    rows = tables.read(str(folder / "results.parquet"), tables.RESULT_SCHEMA.names)
    assert set(rows["composition"]) >= {"uar", "forest"}
    assert not rows.duplicated(tables.ROW_IDENTITY).any()
    assert rows["value"].between(0, 1).all()
    summary = tiny.summary
    assert set(summary["compositions"]) >= {"uar", "forest"}  # type: ignore[arg-type]
    assert summary["synthetic"] is True
    for name in ("report.html", "summary.json", "mlflow ui", "geomix status"):
        assert name in tiny.output


def test_without_a_terminal_every_event_is_a_json_line(tiny: Finished) -> None:
    events = [json.loads(line) for line in tiny.output.splitlines() if line.startswith("{")]
    assert {event["stage"] for event in events} == {"plan", "pool", "sample", "shard", "pretrain", "sweep", "report"}
    assert {event["state"] for event in events} == {"done"}


def test_the_same_command_again_skips_everything(tiny: Finished, geomix: Run) -> None:
    before = tiny.summary
    again = geomix("run", str(tiny.study), "--workdir", str(tiny.workdir))
    assert again.returncode == 0, again.stderr
    events = [json.loads(line) for line in again.stdout.splitlines() if line.startswith("{")]
    assert {event["state"] for event in events} == {"skipped"}
    assert tiny.summary == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::FutureWarning")
def test_mlflow_holds_the_study(tiny: Finished) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tiny.workdir}/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "geomix"]
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    kinds = pd.Series([r.data.tags["geomix.kind"] for r in runs]).value_counts()
    (parent,) = [r for r in runs if r.data.tags["geomix.kind"] == "study"]
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert kinds["pretrain"] == 4  # two compositions x two training seeds
    assert kinds["sweep"] == 3  # two manifests and the raw features
    assert len(children) == len(runs) - 1
    assert {r.info.status for r in runs} == {"FINISHED"}
    assert parent.data.tags["geomix.synthetic"] == "true"
    one = next(r for r in runs if r.data.tags["geomix.kind"] == "pretrain")
    assert len(client.get_metric_history(one.info.run_id, "loss")) > 1
    names = {d.dataset.name for d in one.inputs.dataset_inputs}
    assert len(names) >= 2  # the pool and the manifest
    assert {a.path for a in client.list_artifacts(one.info.run_id, "encoder")} >= {
        "encoder/model.safetensors",
        "encoder/signature.json",
    }
    assert any(a.path.startswith("report") for a in client.list_artifacts(parent.info.run_id))


def test_status_and_clean(tiny: Finished, geomix: Run) -> None:
    shown = geomix("status", "--workdir", str(tiny.workdir))
    assert shown.returncode == 0
    counts = {line.split("│")[1].strip(): line.split("│")[2:5] for line in shown.stderr.splitlines() if line.count("│") == 5}
    assert [cell.strip() for cell in counts["pretrain"]] == ["4", "0", "0"]  # done, failed, unfinished
    assert [cell.strip() for cell in counts["sweep"]] == ["3", "0", "0"]
    before = tiny.summary
    cleaned = geomix("clean", "--workdir", str(tiny.workdir))
    assert cleaned.returncode == 0, cleaned.stderr
    listed = geomix("clean", "--dry-run", "--workdir", str(tiny.workdir))
    assert "0 to remove" in listed.stderr
    assert tiny.summary == before
    path = geomix("report", str(tiny.study), "--workdir", str(tiny.workdir))
    assert path.returncode == 0, path.stderr
    assert tables.store.exists(path.stdout.strip().splitlines()[-1] + "/report.html")
