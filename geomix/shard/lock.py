"""The writer's lock of a chip store: one writer at a time, and a dead writer's lock is taken over."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from geomix import ids, store
from geomix.errors import BusyError

NAME = "writer.lock"

STALE_SECONDS = 900.0
"""A lock of another host that was not refreshed for so long is a dead writer's (a writer refreshes it with every part)."""

TAKE_OVER_SECONDS = 10.0
"""How long to wait for somebody else who is taking over the same dead writer's lock."""


class WriterLock:
    """Context manager: holds the lock of the store at `store_uri`. Raises BusyError (exit code 75) if another writer does.

    A lock is a dead writer's if its process is gone (same host) or if it was not refreshed for STALE_SECONDS (other host).
    """

    def __init__(self, store_uri: str) -> None:
        self.uri = store.join(store_uri, NAME)
        self._token = uuid.uuid4().hex

    def __enter__(self) -> WriterLock:
        deadline = time.monotonic() + TAKE_OVER_SECONDS
        while not store.create_exclusive(self.uri, self._content()):
            try:
                holder = store.read_json(self.uri)
            except FileNotFoundError:
                continue  # just released
            if _alive(holder):
                raise BusyError(
                    f"{self.uri}: process {holder.get('pid')} on {holder.get('host')} writes this store",
                    wanted="one writer at a time",
                    remedy="run again when it has finished; if it is gone, remove that file",
                )
            if self._take_over(holder):
                break
            if time.monotonic() > deadline:
                raise BusyError(
                    f"{self.uri}: its writer is dead, and whoever began to take it over did not finish",
                    remedy=f"run again; if that does not help, remove {_marker(self.uri, holder)}",
                )
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._holder() == self._token:
            store.delete(self.uri)

    def refresh(self) -> None:
        """Says that the writer is alive; call it before anything is published. Raises BusyError if the lock was lost."""
        if self._holder() != self._token:
            raise BusyError(f"{self.uri}: the lock was lost to another writer", remedy="run again")
        store.write_bytes(self.uri, self._content())

    def _take_over(self, dead: dict[str, Any]) -> bool:
        # Two may find the same dead writer. Only one makes the marker, and it looks again before it replaces the lock: a
        # marker can be made a second time only after the first one was removed, so after the lock was replaced.
        marker = _marker(self.uri, dead)
        if not store.create_exclusive(marker, self._token.encode()):
            time.sleep(0.05)
            return False
        try:
            if store.exists(self.uri) and store.read_json(self.uri) == dead:
                store.write_bytes(self.uri, self._content())
                return True
            return False
        finally:
            store.delete(marker)

    def _content(self) -> bytes:
        pid = os.getpid()
        return store.json_bytes(
            {
                "host": os.uname().nodename,
                "pid": pid,
                "process_started": _process_started(pid),
                "refreshed": time.time(),
                "token": self._token,
            }
        )

    def _holder(self) -> str:
        try:
            return str(store.read_json(self.uri).get("token"))
        except FileNotFoundError:
            return ""


def _marker(uri: str, dead: dict[str, Any]) -> str:
    return f"{uri}.takeover-{ids.sha256(ids.canonical_json(dead))[:16]}"


def _alive(holder: dict[str, Any]) -> bool:
    if holder.get("host") != os.uname().nodename:
        return time.time() - float(holder.get("refreshed", 0)) < STALE_SECONDS
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    # A restarted container has the same host name and the same process numbers: the start time tells them apart.
    return bool(_process_started(int(holder["pid"])) == holder.get("process_started"))


def _process_started(pid: int) -> str:
    try:
        # Fields 3 (state) and 22 (start) of /proc/PID/stat, counted after the command in brackets, which may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "" if fields[0] == "Z" else fields[19]  # a zombie was killed, and only waits for its parent
