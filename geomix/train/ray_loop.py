"""Work on 0 to N Ray Train workers: the only module of `train` that imports Ray.

Ray brings workers up, connects them (gloo or NCCL) and replaces lost ones. What was done is kept by our own checkpoints,
not by Ray's: they live where every worker can reach them, and they decide where a run goes on.

0 workers is Ray Train's local mode: the work is done in this very process (under torchrun, in each of its processes).
On a laptop that is a third of the time of a short training: a Ray Train session starts seven processes.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from geomix import ids, store
from geomix.errors import GeomixError, InputError, from_json
from geomix.launch import ray_local
from geomix.train.loop import Worker

LOST_WORKERS = 2
"""Workers that may be lost before a run gives up."""

Work = Callable[[Mapping[str, Any], Worker], None]


def fit(work: Work, spec: Mapping[str, Any], workers: int, error_uri: str) -> None:
    """Runs `work(spec, worker)` on `workers` workers (0: in this process) and waits for all of them.

    `work` is a function of a module (it travels by name), `spec` plain JSON. An explained error of a worker ends the run
    and is raised here; it travels through `error_uri`, since Ray knows lost workers only and would start them again.
    Uses the Ray at RAY_ADDRESS, or starts one. Raises InputError if that Ray is too small, GeomixError if workers were
    lost too often.
    """
    store.delete(error_uri)
    here = workers == 0
    session: AbstractContextManager[Any] = nullcontext() if here else ray_local.started(max(workers, os.cpu_count() or 1))
    with session, tempfile.TemporaryDirectory(prefix="geomix-train-") as scratch:
        # Relative paths of the caller must mean the same to its workers.
        os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
        from ray import train
        from ray.train.torch import TorchTrainer

        logging.getLogger("ray.train").setLevel(logging.WARNING)
        trainer = TorchTrainer(
            _on_worker,
            train_loop_config={"work": work, "spec": dict(spec), "error": error_uri},
            scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=not here and _gpus(workers)),
            run_config=train.RunConfig(
                # Ray keeps nothing of ours: a name of its own, in a folder that goes away.
                name=ids.sha256(ids.canonical_json(dict(spec)), str(os.getpid()))[:16],
                storage_path=scratch,
                failure_config=train.FailureConfig(max_failures=LOST_WORKERS),
            ),
        )
        failure = None
        if here:
            trainer.fit()  # its errors are ours and come out as they are
        else:
            failure = _fit_aside(trainer)
    if store.exists(error_uri):
        raise from_json(store.read_json(error_uri))
    if failure is not None:
        raise GeomixError(
            f"Ray Train gave up: {type(failure).__name__}: {failure}",
            remedy="checkpoints are kept: run the same command again; if it comes back, look at memory and at Ray's logs",
        ) from failure


def _fit_aside(trainer: Any) -> Exception | None:
    """What went wrong in `trainer.fit()`, run in a thread: in the main one Ray would take Ctrl-C for itself, for good."""
    failures: list[Exception] = []

    def fit() -> None:
        try:
            trainer.fit()
        except Exception as error:  # Ray has a class for every way to fail
            failures.append(error)

    # A daemon: after Ctrl-C nobody waits for it, and the session takes its workers along.
    thread = threading.Thread(target=fit, name="ray-train", daemon=True)
    thread.start()
    thread.join()
    return failures[0] if failures else None


def _gpus(workers: int) -> bool:
    """True if the Ray that was joined has a GPU for every worker. Raises InputError if it has not even the CPUs."""
    import ray

    if not ray.is_initialized():
        ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, logging_level="ERROR", configure_logging=False)
    resources = ray.cluster_resources()
    if resources.get("CPU", 0) < workers:
        # Ray itself would wait for ever.
        raise InputError(
            f"{workers} training workers, but the Ray at {os.environ['RAY_ADDRESS']} has {resources.get('CPU', 0):g} CPUs",
            remedy="set GEOMIX_TRAIN_WORKERS to fewer, or give Ray more CPUs",
        )
    return bool(resources.get("GPU", 0) >= workers)


def _on_worker(settings: Mapping[str, Any]) -> None:
    from ray import train
    from ray.train.torch import get_device

    error_uri = settings["error"]
    if store.exists(error_uri):
        return  # Ray starts lost workers again; what failed for a reason would fail again
    context = train.get_context()
    worker = Worker(context.get_world_rank(), context.get_world_size(), get_device())
    try:
        settings["work"](settings["spec"], worker)
    except GeomixError as error:
        store.write_json(error_uri, error.to_json())
        if worker.size > 1:
            raise  # the others wait for this worker in a collective: only Ray can end them
