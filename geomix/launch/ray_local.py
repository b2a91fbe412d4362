"""One Ray on this machine, shared by every component of a run: start-up (about 8 s) is paid once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

ENVIRONMENT = {
    # Ray's own usage reports would leave the machine.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Workers are children of this session on loopback; a token file in the home folder would outlive it.
    "RAY_AUTH_MODE": "disabled",
    # The controller polls its workers this often; 2 s (the default) would be felt in runs of seconds.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # One process less a session; nothing preempts the workers of one machine.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # Ray's own progress tables and warnings are noise beside ours.
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}

OBJECT_STORE_BYTES = 200 * 2**20  # geomix passes URIs, not arrays; the default would take 30 % of the memory


@contextmanager
def started(cpus: int) -> Iterator[str]:
    """Address of a local Ray with `cpus` CPUs, ended with the block; RAY_ADDRESS names it meanwhile.

    If RAY_ADDRESS is set already, that Ray is used and left running.
    """
    given = os.environ.get("RAY_ADDRESS")
    if given:
        yield given
        return
    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "RAY_ADDRESS")}
    os.environ.update(ENVIRONMENT)
    import ray

    try:
        context = ray.init(
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=False,
        )
        os.environ["RAY_ADDRESS"] = str(context.address_info["gcs_address"])
        yield os.environ["RAY_ADDRESS"]
    finally:
        ray.shutdown()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
