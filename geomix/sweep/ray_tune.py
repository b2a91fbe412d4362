"""The sweep's trials in Ray Tune: the only module of `sweep` that imports Ray."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from geomix.errors import GeomixError, from_json
from geomix.launch import ray_local

QUIET = {
    # The new output engine prints tables even at verbose=0 of the old one.
    "RAY_AIR_NEW_OUTPUT": "0",
    # Each trial would write CSV and TensorBoard files that nobody reads.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # State for a restore that is never done: finished cells are skipped by key.
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    # Ctrl-C must end the step, not begin a "graceful" wait for running trials.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}

TRIALS_AN_ACTOR = 16


def run(numbers: Sequence[int], work: Callable[[int], Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What `work(number)` returned for each of `numbers`, in their order: one Tune trial each, one CPU a trial.

    Uses the Ray at RAY_ADDRESS, or starts one for the time being. Raises a trial's explained error as it is, any other
    as a GeomixError with its trace.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    with ray_local.started(os.cpu_count() or 1), tempfile.TemporaryDirectory(prefix="geomix-tune-") as storage:
        import ray
        from ray import tune
        from ray.tune.logger import JsonLoggerCallback

        if not ray.is_initialized():
            ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, logging_level="ERROR", configure_logging=False)
        trainable = tune.with_resources(tune.with_parameters(_trial, work=work), {"cpu": 1})
        results = tune.Tuner(
            trainable,
            param_space={"number": tune.grid_search(list(numbers))},
            # Reused actors: twelve short trials take 4.5 s instead of 25 s.
            tune_config=tune.TuneConfig(
                reuse_actors=True, max_concurrent_trials=_actors(ray, len(numbers)), metric="seconds", mode="min"
            ),
            run_config=tune.RunConfig(
                storage_path=storage,
                verbose=0,
                failure_config=tune.FailureConfig(fail_fast=True),
                # Tune reads a trial's result back from this file.
                callbacks=[JsonLoggerCallback()],
            ),
        ).fit()
    if results.errors:
        first = results.errors[0]
        raise GeomixError(f"a trial of the sweep failed: {first}", remedy="finished cells are kept: run the same command again")
    explained = [r.metrics["error"] for r in results if "error" in (r.metrics or {})]
    if explained:
        raise from_json(explained[0])
    by_number = {int(r.config["number"]): dict(r.metrics) for r in results}
    return [by_number[n] for n in numbers]


def _trial(settings: Mapping[str, Any], work: Callable[[int], Mapping[str, Any]]) -> dict[str, Any]:
    try:
        return dict(work(int(settings["number"])))
    except GeomixError as error:
        # Through Tune it would come out as a trace: its class and exit code would be lost.
        return {"seconds": 0.0, "error": error.to_json()}


def _actors(ray: Any, trials: int) -> int:
    # An actor imports for as long as about eight short trials take: a second one pays off beyond that only.
    cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
    return min(cpus, -(-trials // TRIALS_AN_ACTOR))
