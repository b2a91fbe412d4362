"""Work on 1 to N Ray Train workers: the only module of `train` that imports Ray.

Ray brings workers up, connects them (gloo or NCCL) and replaces lost ones. What was done is kept by our own checkpoints,
not by Ray's: they live where every worker can reach them, and they decide where a run goes on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from geomix import ids, store
from geomix.errors import GeomixError, from_json
from geomix.launch import ray_local
from geomix.train.loop import Worker

LOST_WORKERS = 2
"""Workers that may be lost before a run gives up."""

Work = Callable[[Mapping[str, Any], Worker], None]


def fit(work: Work, spec: Mapping[str, Any], workers: int, error_uri: str) -> None:
    """Runs `work(spec, worker)` on `workers` workers and waits for all of them.

    `work` is a function of a module (it travels by name), `spec` plain JSON. An explained error of a worker ends the run
    and is raised here; it travels through `error_uri`, since Ray knows lost workers only and would start them again.
    Uses the Ray at RAY_ADDRESS, or starts one. Raises GeomixError if workers were lost too often.
    """
    store.delete(error_uri)
    with ray_local.started(max(workers, os.cpu_count() or 1)), tempfile.TemporaryDirectory(prefix="geomix-train-") as scratch:
        import ray
        from ray import train
        from ray.train.torch import TorchTrainer

        if not ray.is_initialized():
            ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, logging_level="ERROR", configure_logging=False)
        gpu = float(ray.cluster_resources().get("GPU", 0)) >= workers
        trainer = TorchTrainer(
            _on_worker,
            train_loop_config={"work": work, "spec": dict(spec), "error": error_uri},
            scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=gpu),
            run_config=train.RunConfig(
                # Ray keeps nothing of ours: a name of its own, in a folder that goes away.
                name=ids.sha256(ids.canonical_json(dict(spec)), str(os.getpid()))[:16],
                storage_path=scratch,
                failure_config=train.FailureConfig(max_failures=LOST_WORKERS),
            ),
        )
        failure: Exception | None = None
        try:
            trainer.fit()
        except Exception as error:  # Ray has a class for every way to fail
            failure = error
    if store.exists(error_uri):
        raise from_json(store.read_json(error_uri))
    if failure is not None:
        raise GeomixError(
            f"Ray Train gave up: {type(failure).__name__}: {failure}",
            remedy="checkpoints are kept: run the same command again; if it comes back, look at memory and at Ray's logs",
        ) from failure


def _on_worker(settings: Mapping[str, Any]) -> None:
    from ray import train
    from ray.train.torch import get_device

    context = train.get_context()
    worker = Worker(context.get_world_rank(), context.get_world_size(), get_device())
    try:
        settings["work"](settings["spec"], worker)
    except GeomixError as error:
        store.write_json(settings["error"], error.to_json())
        if worker.size > 1:
            raise  # the others wait for this worker in a collective: only Ray can end them
