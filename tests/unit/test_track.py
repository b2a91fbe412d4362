"""Tracking on a real SQLite store: runs are found again, children end, nothing happens where it is off."""

from __future__ import annotations

from pathlib import Path

import pytest

from geomix import store, track

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::FutureWarning"
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return str(tmp_path / "work")


def test_children_are_found_again_by_hash(root: str, tmp_path: Path) -> None:
    parent = track.parent(root, "p1", "study", {"budget": 5}, {"geomix.synthetic": "true"})
    assert parent.client is not None
    ids = []
    for _ in range(2):
        with track.child(root, "p1", kind="pretrain", name="uar", run_hash="c1", params={"lr": 0.1}) as run:
            run.metrics({"loss": 1.0, "bad": float("nan")}, step=3)
            run.dataset("pool", "ab" * 32, "file:///pool")
            ids.append(run.run_id)
    assert ids[0] == ids[1]
    found = parent.client.get_run(ids[0])
    assert found.data.params == {"lr": "0.1"}
    assert found.data.metrics == {"loss": 1.0}
    assert found.data.tags["mlflow.parentRunId"] == parent.run_id
    assert found.info.status == "FINISHED"
    assert track.parent(root, "p1", "study", {}, {}).run_id == parent.run_id
    assert track.find_parent(root, "p1").run_id == parent.run_id


def test_a_known_parent_is_told_without_mlflow(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not track.is_logged(root, "p1")
    track.parent(root, "p1", "study", {}, {})
    monkeypatch.setattr(track, "_client", lambda _: pytest.fail("asked MLflow"))
    assert track.is_logged(root, "p1")
    assert not track.is_logged(root, "p2")
    with monkeypatch.context() as other:
        other.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        assert not track.is_logged(root, "p1")
    (tmp_path / "work" / "mlflow.db").unlink()
    assert not track.is_logged(root, "p1")
    monkeypatch.setenv("GEOMIX_TRACKING", "off")
    assert track.is_logged(root, "p1")


def test_a_study_that_stopped_early_says_so_and_goes_on(root: str) -> None:
    track.abandon(root, "p1", "KILLED")  # never begun: nothing to end
    parent = track.parent(root, "p1", "study", {}, {})
    assert parent.client is not None
    track.abandon(root, "p1", "KILLED")
    assert parent.client.get_run(parent.run_id).info.status == "KILLED"
    with pytest.raises(SystemExit), track.child(root, "p1", kind="sweep", name="s", run_hash="c9") as run:
        raise SystemExit(143)
    assert parent.client.get_run(run.run_id).info.status == "KILLED"
    track.end(track.find_parent(root, "p1"))
    assert parent.client.get_run(parent.run_id).info.status == "FINISHED"


def test_artifacts_lie_beside_the_database_whoever_comes_first(root: str, tmp_path: Path) -> None:
    with track.child(root, "p1", kind="sweep", name="s", run_hash="c1") as run:
        run.table("t.json", {"a": [1]})
        assert run.client is not None
        assert run.client.get_run(run.run_id).info.artifact_uri.startswith(f"file://{tmp_path}/work/mlartifacts")


def test_a_failed_child_says_so(root: str) -> None:
    parent = track.parent(root, "p1", "study", {}, {})
    assert parent.client is not None
    with pytest.raises(ZeroDivisionError), track.child(root, "p1", kind="sweep", name="s", run_hash="c2") as run:
        raise ZeroDivisionError
    assert parent.client.get_run(run.run_id).info.status == "FAILED"


def test_encoder_artifacts_have_a_signature(root: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "encoder")
    for name in ("model.safetensors", "config.json"):
        store.write_bytes(store.join(folder, name), b"{}")
    track.parent(root, "p1", "study", {}, {})
    with track.child(root, "p1", kind="pretrain", name="e", run_hash="c3") as run:
        run.encoder(folder, [("x_BTC", "float32", (-1, 12, 16))], embed_dim=8)
        assert run.client is not None
        assert {a.path for a in run.client.list_artifacts(run.run_id, "encoder")} == {
            "encoder/model.safetensors",
            "encoder/config.json",
            "encoder/signature.json",
        }


def test_tracking_can_be_off(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOMIX_TRACKING", "off")
    run = track.parent(root, "p1", "study", {"a": 1}, {})
    run.metrics({"loss": 1.0})
    with track.child(root, "p1", kind="sweep", name="s", run_hash="c") as child:
        child.dataset("d", "1", "u")
    assert not Path(root).exists()
