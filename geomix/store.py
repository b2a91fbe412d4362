"""Bytes at URIs (`file:` paths, `s3:`, whatever fsspec knows): atomic writes, exclusive creation, bounded retries.

A plain path is a `file:` URI. A write is to a temporary name and then renamed (object stores are atomic already), so a
reader never sees half a file. Retries live here and nowhere above (design section 7).
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec

from geomix.errors import DataError, InputError, UnavailableError

T = TypeVar("T")

RETRY_SECONDS = 90.0
"""How long one operation is tried again: longer than the 30 s for which an object store may refuse everything."""

_PERMANENT = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError, InputError)
_CONNECTION = (
    "botocore.exceptions.HTTPClientError",
    "botocore.exceptions.ConnectionError",
    "aiohttp.client_exceptions.ClientError",
)
"""What a lost connection to S3 raises beside OSError; by name, because local work needs none of these packages."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)
"""Names that no file can have."""


def is_local(uri: str) -> bool:
    """True for a plain path or a `file:` URI."""
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> Path:
    """The path of a local URI. Raises InputError for any other."""
    if not is_local(uri):
        raise InputError(f"{uri} is not on this machine", wanted="a local path or a file: URI")
    return Path(uri.removeprefix("file://"))


def join(uri: str, *parts: str) -> str:
    """`uri` with path parts appended."""
    return "/".join([uri.rstrip("/"), *(p.strip("/") for p in parts)])


def s3_endpoint() -> str | None:
    """The S3 endpoint to use if it is not AWS's own. Credentials and region come from the usual places."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


@lru_cache(maxsize=16)
def _filesystem(protocol: str, pid: int) -> Any:
    # The pid is in the cache key: a client must not be used after a fork.
    if protocol == "s3":
        endpoint = s3_endpoint()
        # `retrying` tries again; the client's own attempts would multiply with it (5 x 5 by default). s3fs keeps a few, for
        # single parts of a large upload.
        attempts = {"retries": {"total_max_attempts": 1}}
        fs = fsspec.filesystem("s3", endpoint_url=endpoint, use_listings_cache=False, config_kwargs=attempts)
        fs.retries = 3
        return fs
    return fsspec.filesystem(protocol)


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of `uri` and the path inside it."""
    protocol = uri.split("://", 1)[0] if "://" in uri else "file"
    try:
        fs = _filesystem(protocol, os.getpid())
    except (ValueError, ImportError, TypeError) as error:  # TypeError: a protocol that wants a host, such as ftp
        raise InputError(f"{uri}: {error}", wanted="a URI that begins with file:// or s3://") from None
    return fs, str(fs._strip_protocol(uri))


def retrying(what: str, call: Callable[[], T]) -> T:
    """The result of `call`, tried again with growing pauses while it fails for a passing reason.

    A missing file, a refused permission, a full disk or a lack of credentials is not a passing reason: DataError. Raises
    UnavailableError in the end.
    """
    deadline, pause = time.monotonic() + RETRY_SECONDS, 0.2
    while True:
        try:
            return call()
        except _PERMANENT as error:
            if isinstance(error, PermissionError):
                said = f"permission denied ({error})" if error.errno is None else "permission denied"
                raise DataError(f"{what}: {said}", remedy="check the credentials or the file's owner") from error
            if _no_bucket(error):
                remedy = "create it, or check its name and AWS_ENDPOINT_URL"
                raise DataError(f"{what}: the bucket does not exist", remedy=remedy) from error
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_NAME:
                raise DataError(f"{what}: {error.strerror}", remedy="choose another name") from error
            if isinstance(error, OSError) and error.errno in _FULL:
                raise DataError(
                    f"{what}: {error.strerror}", remedy="make room or choose another place, then run again"
                ) from error
            if not isinstance(error, OSError) and not _is_a(error, *_CONNECTION):
                if _is_a(error, "botocore.exceptions.BotoCoreError"):
                    remedy = "check the S3 credentials, region and AWS_ENDPOINT_URL"
                    raise DataError(f"{what}: {error}", remedy=remedy) from error
                raise
            if time.monotonic() + pause > deadline:
                raise UnavailableError(
                    f"{what}: {error}",
                    wanted=f"an answer within {RETRY_SECONDS:.0f} s",
                    remedy="run the same command again later",
                ) from error
            # Jitter only spreads clients in time; no result depends on it.
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 10.0)


def _no_bucket(error: BaseException) -> bool:
    return error.__cause__ is not None and type(error.__cause__).__name__ == "NoSuchBucket"


def _is_a(error: BaseException, *names: str) -> bool:
    return any(f"{cls.__module__}.{cls.__qualname__}" in names for cls in type(error).__mro__)


def exists(uri: str) -> bool:
    """True if there is a file or folder at `uri`."""
    fs, path = filesystem(uri)
    return bool(retrying(uri, lambda: fs.exists(path)))


def list_names(uri: str) -> list[str]:
    """Sorted names directly under the folder `uri`; empty if there is none."""
    fs, path = filesystem(uri)

    def call() -> list[str]:
        try:
            return sorted(p.rstrip("/").rsplit("/", 1)[-1] for p in fs.ls(path, detail=False, refresh=True))
        except (FileNotFoundError, NotADirectoryError) as error:
            if _no_bucket(error):
                raise
            return []

    return retrying(uri, call)


def listing(uri: str) -> dict[str, str]:
    """Files under the folder `uri`, by their path in it, each with a text that changes when the file is written again."""
    fs, path = filesystem(uri)

    def call() -> dict[str, str]:
        try:
            found = fs.find(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        told = (("size", "mtime", "ino", "ETag", "LastModified"), path.rstrip("/") + "/")
        return {name.removeprefix(told[1]): repr([info.get(k) for k in told[0]]) for name, info in found.items()}

    return retrying(uri, call)


def read_bytes(uri: str) -> bytes:
    """All bytes at `uri`. Raises FileNotFoundError."""
    fs, path = filesystem(uri)
    return bytes(retrying(uri, lambda: fs.cat_file(path)))


def size(uri: str) -> int:
    """Bytes of the file at `uri`. Raises FileNotFoundError."""
    fs, path = filesystem(uri)
    return int(retrying(uri, lambda: fs.size(path)))


def pieces(uri: str, length: int = 1 << 24) -> Iterator[bytes]:
    """The bytes at `uri`, at most `length` at once. Raises FileNotFoundError."""
    fs, path = filesystem(uri)
    total = size(uri)
    for start in range(0, total, length):
        read = partial(fs.cat_file, path, start=start, end=min(start + length, total))
        yield bytes(retrying(uri, read))


def write_bytes(uri: str, data: bytes) -> None:
    """Writes `data` at `uri`, whole or not at all, replacing what was there. Missing folders are made."""
    with writing(uri) as path:
        path.write_bytes(data)


class writing:
    """Context manager: a local path to write to; on success it becomes `uri`, on an error nothing is left."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def __enter__(self) -> Path:
        folder: str | None = None
        if is_local(self.uri):
            target = local_path(self.uri)
            _make_folder(target.parent, self.uri)
            folder = str(target.parent)
        handle, name = retrying(self.uri, lambda: tempfile.mkstemp(prefix=".writing-", dir=folder))
        os.close(handle)
        self.path = Path(name)
        return self.path

    def __exit__(self, kind: Any, value: BaseException | None, trace: Any) -> None:
        try:
            if value is None:
                publish(self.path, self.uri)
        finally:
            self.path.unlink(missing_ok=True)
        if isinstance(value, OSError) and value.errno in _FULL:
            raise DataError(f"{self.uri}: {value.strerror}", remedy="make room, then run again") from value


def _make_folder(folder: Path, uri: str) -> None:
    try:
        retrying(uri, lambda: folder.mkdir(parents=True, exist_ok=True))
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{uri}: {error.strerror}: {error.filename}", remedy="name a folder that can be made") from None


def publish(path: Path, uri: str) -> None:
    """Makes the local file at `path` the one at `uri`, whole or not at all. Local: it moves, within one file system."""
    if is_local(uri):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        os.chmod(path, 0o644)
        target = local_path(uri)
        _make_folder(target.parent, uri)
        os.replace(path, target)
        return
    fs, name = filesystem(uri)
    retrying(uri, lambda: fs.put_file(str(path), name))


def create_exclusive(uri: str, data: bytes) -> bool:
    """Creates `uri` with `data` if nothing is there. False if somebody else was first."""
    if is_local(uri):
        target = local_path(uri)
        _make_folder(target.parent, uri)
        return retrying(uri, lambda: _create_local(target, data))
    fs, path = filesystem(uri)
    try:
        retrying(uri, lambda: fs.pipe_file(path, data, mode="create"))
        return True
    except FileExistsError:
        # A retry after a lost answer meets its own bytes: that is a success.
        return read_bytes(uri) == data


def _create_local(target: Path, data: bytes) -> bool:
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        # A hard link appears whole or fails if the name exists: O_EXCL alone would show an empty file first.
        os.link(name, target)
        return True
    except FileExistsError:
        return False
    finally:
        os.unlink(name)


def delete(uri: str) -> None:
    """Removes the file or folder at `uri`, if there is one."""
    if is_local(uri):
        path = local_path(uri)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        return
    fs, name = filesystem(uri)
    if exists(uri):
        retrying(uri, lambda: fs.rm(name, recursive=True))


def read_json(uri: str) -> Any:
    """The JSON value at `uri`. Raises FileNotFoundError, DataError."""
    data = read_bytes(uri)
    try:
        return json.loads(data)
    except ValueError as error:
        raise DataError(f"{uri}: not JSON ({error})", remedy="remove it and run again") from None


def write_json(uri: str, value: Any) -> None:
    """Writes `value` as sorted, indented JSON."""
    write_bytes(uri, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Sorted, indented JSON with a closing newline."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def local_copy(uri: str, folder: Path) -> Path:
    """A local path with the bytes of `uri`: the file itself if it is local, else a download into `folder`."""
    if is_local(uri):
        path = local_path(uri)
        if not path.exists():
            raise FileNotFoundError(uri)
        return path
    fs, name = filesystem(uri)
    target = folder / name.replace("/", "_")
    if not target.exists():
        with writing(str(target)) as path:
            retrying(uri, lambda: fs.get_file(name, str(path)))
    return target
