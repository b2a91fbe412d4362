"""Tracking in MLflow: one parent run a study, one child a pretraining, one child a sweep. The only module that imports it.

Runs are found again by the tag `run_hash`, so that a repeated step continues its run instead of making a second one.
The tracking address is `MLFLOW_TRACKING_URI`; without it, a SQLite file beside a local root; `GEOMIX_TRACKING=off`
turns tracking off. Everything goes through MlflowClient: the fluent API opens runs by itself and keeps global state.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomix import ids, store

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "geomix"
_VALUE_LIMIT = 500  # characters of a parameter value, below MLflow's 6000 so that tables stay readable


def tracking_uri(root: str) -> str | None:
    """Where runs are tracked: an MLflow URI, or None if tracking is off or there is no place for it."""
    if os.environ.get("GEOMIX_TRACKING", "on") == "off":
        return None
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return os.environ["MLFLOW_TRACKING_URI"]
    return f"sqlite:///{store.local_path(root).absolute()}/mlflow.db" if store.is_local(root) else None


def _client(root: str) -> MlflowClient | None:
    uri = tracking_uri(root)
    if uri is None:
        return None
    # MLflow imports in 2.5 s: only where something is tracked.
    import logging

    import mlflow

    for noisy in ("alembic", "mlflow.store.db.utils", "mlflow.utils.autologging_utils"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    if uri.startswith("sqlite:///"):
        store.retrying(uri, lambda: Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True))
    return mlflow.MlflowClient(tracking_uri=uri)


@dataclass(frozen=True)
class Run:
    """An open MLflow run; every method does nothing where tracking is off."""

    client: MlflowClient | None
    run_id: str

    def params(self, values: Mapping[str, Any]) -> None:
        """Logs parameters; a value already logged stays (a run found again)."""
        if self.client is None:
            return
        from mlflow.entities import Param

        known = self.client.get_run(self.run_id).data.params
        new = [Param(k, str(v)[:_VALUE_LIMIT]) for k, v in values.items() if k not in known]
        for start in range(0, len(new), 100):
            self.client.log_batch(self.run_id, params=new[start : start + 100])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Logs metrics of one step; values that are not finite are left out."""
        self.history([(step, values)])

    def history(self, points: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Logs metrics of many steps in few requests."""
        if self.client is None:
            return
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [
            Metric(k, float(v), now, step) for step, values in points for k, v in values.items() if math.isfinite(float(v))
        ]
        for start in range(0, len(metrics), 1000):
            self.client.log_batch(self.run_id, metrics=metrics[start : start + 1000])

    def tags(self, values: Mapping[str, str]) -> None:
        """Sets tags."""
        if self.client is not None:
            for key, value in values.items():
                self.client.set_tag(self.run_id, key, value)

    def file(self, uri: str, folder: str = "") -> None:
        """Logs the file at `uri` as an artifact under `folder`."""
        if self.client is None:
            return
        with tempfile.TemporaryDirectory() as scratch:
            path = store.local_copy(uri, Path(scratch))
            self.client.log_artifact(self.run_id, str(path), folder or None)

    def table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Logs a table as a JSON artifact that the MLflow UI shows."""
        if self.client is not None:
            rows = list(zip(*columns.values(), strict=True))
            self.client.log_dict(self.run_id, {"columns": list(columns), "data": [list(row) for row in rows]}, name)

    def dataset(self, name: str, digest: str, source_uri: str, context: str = "pretraining") -> None:
        """Logs a data set by name, hash and address; its bytes stay where they are."""
        if self.client is None:
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        # MLflow keeps 36 characters of a digest.
        data = Dataset(name=name, digest=digest[:36], source_type="uri", source=store.json_bytes({"uri": source_uri}).decode())
        self.client.log_inputs(self.run_id, datasets=[DatasetInput(data, [InputTag("mlflow.data.context", context)])])

    def encoder(self, folder_uri: str, inputs: Sequence[tuple[str, str, Sequence[int]]], embed_dim: int) -> None:
        """Logs the encoder (model.safetensors, config.json) with its signature.

        `inputs`: (name, NumPy dtype, shape) of every input tensor, -1 for the batch; the output is float32 [-1, embed_dim].
        """
        if self.client is None:
            return
        import numpy as np
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        signature = ModelSignature(
            inputs=Schema([TensorSpec(np.dtype(dtype), tuple(shape), name) for name, dtype, shape in inputs]),
            outputs=Schema([TensorSpec(np.dtype("float32"), (-1, embed_dim), "embedding_BD")]),
        )
        self.client.log_dict(self.run_id, signature.to_dict(), "encoder/signature.json")
        for name in ("model.safetensors", "config.json"):
            self.file(store.join(folder_uri, name), "encoder")


def parent(root: str, parent_hash: str, study: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> Run:
    """The study's run, found by `parent_hash` or created; MLFLOW_RUN_ID names another one (set by a KFP backend)."""
    client = _client(root)
    if client is None:
        return Run(None, "")
    run = Run(client, os.environ.get("MLFLOW_RUN_ID") or _find_or_create(root, client, parent_hash, study, {}))
    run.params(params)
    run.tags({"geomix.kind": "study", "geomix.study": study, **tags})
    set_logged(root, parent_hash)
    return run


def is_logged(root: str, name: str) -> bool:
    """Whether `name` (a study's run, its report) was logged at the present address, or tracking is off.

    Told by a small file, without importing MLflow (2.5 s).
    """
    uri = tracking_uri(root)
    if uri is None:
        return True
    lost = uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists()
    return not lost and store.exists(_mark(root, name))


def set_logged(root: str, name: str) -> None:
    """Remembers that `name` was logged at the present address."""
    if tracking_uri(root) is not None:
        store.write_bytes(_mark(root, name), b"")


def _mark(root: str, name: str) -> str:
    address = ids.sha256(str(tracking_uri(root)), os.environ.get("MLFLOW_RUN_ID", ""))
    return store.join(root, "tracked", f"{name}-{address[:12]}")


@contextmanager
def child(
    root: str,
    parent_hash: str,
    *,
    kind: str,
    name: str,
    run_hash: str,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Iterator[Run]:
    """A child of the study's run (`kind`: pretrain or sweep): found by `run_hash` or created, ended when the block ends."""
    client = _client(root)
    if client is None:
        yield Run(None, "")
        return
    parent_id = _find(root, client, parent_hash)
    run_id = _find_or_create(root, client, run_hash, name, {"mlflow.parentRunId": parent_id} if parent_id else {})
    run = Run(client, run_id)
    try:
        client.update_run(run_id, status="RUNNING")
        run.tags({"geomix.kind": kind, **(tags or {})})
        run.params(params or {})
        yield run
    except BaseException as error:
        client.set_terminated(run_id, "KILLED" if isinstance(error, (KeyboardInterrupt, SystemExit)) else "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def end(run: Run, status: str = "FINISHED") -> None:
    """Ends the study's run: FINISHED, FAILED or KILLED."""
    if run.client is not None:
        run.client.set_terminated(run.run_id, status)


def abandon(root: str, parent_hash: str, status: str) -> None:
    """Ends the run of a study that stopped early; nothing happens if it was never begun. The same command opens it again."""
    if tracking_uri(root) is not None and is_logged(root, parent_hash):
        end(find_parent(root, parent_hash), status)


def find_parent(root: str, parent_hash: str) -> Run:
    """The study's run, as `plan` created it; a run that does nothing if there is none."""
    client = _client(root)
    run_id = os.environ.get("MLFLOW_RUN_ID") or (_find(root, client, parent_hash) if client is not None else None)
    return Run(client, run_id) if run_id else Run(None, "")


def _experiment_id(root: str, client: MlflowClient) -> str:
    # The first step asks before there are many writers: concurrent first users break a fresh SQLite.
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return str(experiment.experiment_id)
    # Without a place of its own MLflow would write artifacts into the caller's folder.
    local = str(tracking_uri(root)).startswith("sqlite:") and store.is_local(root)
    location = f"file://{store.local_path(root).absolute()}/mlartifacts" if local else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=location))


def _find(root: str, client: MlflowClient, run_hash: str) -> str | None:
    found = client.search_runs([_experiment_id(root, client)], f"tags.run_hash = '{run_hash}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def _find_or_create(root: str, client: MlflowClient, run_hash: str, name: str, tags: Mapping[str, str]) -> str:
    found = _find(root, client, run_hash)
    if found is None:
        tags = {**tags, "run_hash": run_hash, "mlflow.runName": name}
        found = str(client.create_run(_experiment_id(root, client), tags=tags).info.run_id)
    return found
