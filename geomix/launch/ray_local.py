"""One Ray on this machine, shared by every component of a run: start-up (about 8 s) is paid once, and only if one asks.

Whoever needs Ray enters `started`. Under `geomix run` that asks the supervising process (`OnDemand`), which starts the
one Ray of the run; a run whose steps are all skipped never starts it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from geomix.errors import UnavailableError

ENVIRONMENT = {
    # Ray's own usage reports would leave the machine.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Workers are children of this session on loopback; a token file in the home folder would outlive it.
    "RAY_AUTH_MODE": "disabled",
    # The controller polls its workers this often; 2 s (the default) would be felt in runs of seconds.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # One process less a session; nothing preempts the workers of one machine.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # After a SIGKILL of the supervising process Ray's agents wait this long for a GCS that will not come back.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    # Ray's own progress tables and warnings are noise beside ours.
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}

FOLDER = "GEOMIX_RAY_FOLDER"
"""Variable with the folder where `OnDemand` is asked for Ray and answers with its address."""

PATIENCE_SECONDS = 120.0

OBJECT_STORE_BYTES = 200 * 2**20  # geomix passes URIs, not arrays; the default would take 30 % of the memory


@contextmanager
def started(cpus: int) -> Iterator[str]:
    """Address of a local Ray with `cpus` CPUs, ended with the block; RAY_ADDRESS names it meanwhile.

    If RAY_ADDRESS is set already, or a supervising process offers one, that Ray is used and left running. Raises
    UnavailableError if Ray does not start.
    """
    if FOLDER in os.environ and not os.environ.get("RAY_ADDRESS"):
        os.environ["RAY_ADDRESS"] = _ask(Path(os.environ[FOLDER]))
    given = os.environ.get("RAY_ADDRESS")
    if given:
        yield given
        return
    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "RAY_ADDRESS")}
    os.environ.update(ENVIRONMENT)
    import ray

    try:
        try:
            context = ray.init(
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level="ERROR",
                configure_logging=False,
            )
        except Exception as error:  # Ray has a class for every way to fail
            raise UnavailableError(
                f"Ray did not start: {type(error).__name__}: {error}",
                wanted=f"{cpus} CPUs, {OBJECT_STORE_BYTES >> 20} MiB of /dev/shm, a free port on this machine",
                remedy="free what is lacking and run the same command again, or name a running Ray in RAY_ADDRESS",
            ) from error
        os.environ["RAY_ADDRESS"] = str(context.address_info["gcs_address"])
        yield os.environ["RAY_ADDRESS"]
    finally:
        ray.shutdown()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class OnDemand:
    """The supervising end: starts one Ray when a step of the run asks for it, and ends it with the block."""

    def __init__(self, folder: Path, cpus: int) -> None:
        self._folder, self._cpus, self._session = folder, cpus, ExitStack()

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables for the processes that may ask."""
        return {} if os.environ.get("RAY_ADDRESS") else {**ENVIRONMENT, FOLDER: str(self._folder)}

    def serve(self) -> None:
        """Starts Ray if it was asked for and does not run yet. To be called again and again."""
        if (self._folder / "wanted").exists() and not (self._folder / "address").exists():
            address = self._session.enter_context(started(self._cpus))
            draft = self._folder / "address.new"
            draft.write_text(address)
            draft.rename(self._folder / "address")

    def __enter__(self) -> OnDemand:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._session.close()


def _ask(folder: Path) -> str:
    (folder / "wanted").touch()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (folder / "address").exists():
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"no Ray within {PATIENCE_SECONDS:.0f} s of asking for one in {folder}",
                wanted="a running `geomix run`",
                remedy="run the same command again: finished steps are skipped",
            )
        time.sleep(0.1)
    return (folder / "address").read_text()
