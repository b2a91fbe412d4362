"""Bytes at URIs: whole or not at all, exclusive creation, bounded retries; local and against an S3 server."""

from __future__ import annotations

import errno
import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from geomix import store
from geomix.errors import DataError, InputError, UnavailableError
from tests.unit import s3_server


@pytest.fixture(params=["file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty folder, local and on S3."""
    if request.param == "file":
        return str(tmp_path)
    bucket: s3_server.Bucket = request.getfixturevalue("s3")
    return f"{bucket.uri}/{request.node.name.replace('[', '-').rstrip(']')}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RETRY_SECONDS", 1.0)


def test_write_read_list_delete(root: str) -> None:
    uri = store.join(root, "a", "b.bin")
    assert not store.exists(uri)
    with pytest.raises(FileNotFoundError):
        store.read_bytes(uri)
    store.write_bytes(uri, b"one")
    store.write_bytes(uri, b"two")
    store.write_bytes(store.join(root, "a", "a.bin"), b"")
    store.write_json(store.join(root, "a", "deep", "c.json"), {"b": 1, "a": [None]})
    assert store.read_bytes(uri) == b"two"
    assert store.list_names(store.join(root, "a")) == ["a.bin", "b.bin", "deep"]
    assert store.exists(store.join(root, "a"))
    assert store.read_json(store.join(root, "a", "deep", "c.json")) == {"a": [None], "b": 1}
    store.delete(uri)
    store.delete(uri)
    assert store.list_names(store.join(root, "a")) == ["a.bin", "deep"]
    store.delete(store.join(root, "a"))
    assert store.list_names(store.join(root, "a")) == []
    assert store.list_names(store.join(root, "never")) == []


def test_json_is_sorted_and_broken_json_is_named(root: str) -> None:
    uri = store.join(root, "x.json")
    store.write_json(uri, {"b": "é", "a": 1})
    assert store.read_bytes(uri).decode() == '{\n  "a": 1,\n  "b": "é"\n}\n'
    store.write_bytes(uri, b"{")
    with pytest.raises(DataError, match=r"x\.json: not JSON"):
        store.read_json(uri)


def test_creation_is_exclusive(root: str) -> None:
    uri = store.join(root, "locks", "complete")
    assert store.create_exclusive(uri, b"first")
    assert not store.create_exclusive(uri, b"second")
    assert store.read_bytes(uri) == b"first"
    assert store.list_names(store.join(root, "locks")) == ["complete"]


def test_of_many_creators_one_wins(root: str) -> None:
    uri = store.join(root, "race", "complete")
    barrier = threading.Barrier(8)

    def create(k: int) -> bool:
        barrier.wait()
        return store.create_exclusive(uri, f"{k}".encode())

    with ThreadPoolExecutor(8) as crowd:
        won = list(crowd.map(create, range(8)))
    assert sum(won) == 1
    assert store.read_bytes(uri).decode() == str(won.index(True))


def test_a_write_that_fails_leaves_what_was_there(root: str) -> None:
    uri = store.join(root, "data")
    store.write_bytes(uri, b"before")
    path: Path | None = None

    def fail() -> None:
        nonlocal path
        with store.writing(uri) as path:
            path.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.read_bytes(uri) == b"before"
    assert path is not None
    assert not path.exists()
    assert store.list_names(root) == ["data"]


def test_local_copy(root: str, tmp_path: Path) -> None:
    uri = store.join(root, "part.npy")
    with pytest.raises(FileNotFoundError):
        store.local_copy(uri, tmp_path / "cache")
    store.write_bytes(uri, b"bytes")
    copy = store.local_copy(uri, tmp_path / "cache")
    assert copy.read_bytes() == b"bytes"
    assert store.local_copy(uri, tmp_path / "cache") == copy
    assert store.is_local(uri) == (copy == Path(uri))


def test_plain_paths_and_file_uris_are_the_same(tmp_path: Path) -> None:
    store.write_bytes(f"file://{tmp_path}/x", b"1")
    assert store.read_bytes(str(tmp_path / "x")) == b"1"
    assert store.local_path(f"file://{tmp_path}/x") == tmp_path / "x"
    assert store.join("s3://b/", "/a/", "c") == "s3://b/a/c"
    with pytest.raises(InputError, match="not on this machine"):
        store.local_path("s3://b/a")
    with pytest.raises(InputError, match="file:// or s3://"):
        store.read_bytes("nonsense://b/a")


def test_files_can_be_read_by_others(tmp_path: Path) -> None:
    store.write_bytes(str(tmp_path / "a"), b"1")
    store.create_exclusive(str(tmp_path / "b"), b"1")
    assert {(tmp_path / n).stat().st_mode & 0o777 for n in "ab"} == {0o644}


def write_often(uri: str, letter: bytes, stop: Any) -> None:
    while not stop.is_set():
        store.write_bytes(uri, letter * 100_000)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    uri = str(tmp_path / "data")
    store.write_bytes(uri, b"a" * 100_000)
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    writers = [context.Process(target=write_often, args=(uri, letter, stop)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    try:
        for _ in range(200):
            data = store.read_bytes(uri)
            assert len(data) == 100_000
            assert len(set(data)) == 1
    finally:
        stop.set()
        for writer in writers:
            writer.join()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_explained_at_once(code: int) -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise OSError(code, os.strerror(code))

    with pytest.raises(DataError, match=os.strerror(code)) as caught:
        store.retrying("x", call)
    assert caught.value.exit_code == 2
    assert len(calls) == 1


def test_a_disk_that_fills_while_a_file_is_written(tmp_path: Path) -> None:
    def fill() -> None:
        with store.writing(str(tmp_path / "data")):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match="No space left"):
        fill()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_permission_denied_is_explained(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    for call in (lambda u: store.write_bytes(u, b""), lambda u: store.create_exclusive(u, b"")):
        with pytest.raises(InputError):
            call(str(tmp_path / "x"))


def test_passing_failures_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(store.time, "sleep", pauses.append)
    left = [OSError(errno.EIO, "x"), ConnectionResetError(), TimeoutError()]

    def call() -> str:
        if left:
            raise left.pop()
        return "done"

    assert store.retrying("x", call) == "done"
    assert len(pauses) == 3
    assert pauses[2] > pauses[0] * 1.2  # the pauses grow


@pytest.mark.usefixtures("impatient")
def test_an_endless_failure_ends_as_unavailable() -> None:
    def call() -> None:
        raise OSError(errno.EIO, "broken")

    with pytest.raises(UnavailableError, match="broken") as caught:
        store.retrying("s3://bucket/key", call)
    assert caught.value.exit_code == 75
    assert "s3://bucket/key" in caught.value.seen


@pytest.mark.parametrize("status", [503, 0])
def test_s3_that_fails_for_a_while_is_survived(s3: s3_server.Bucket, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RETRY_SECONDS", 60.0)
    uri = f"{s3.uri}/while-{status}"
    for call in (
        lambda: store.write_bytes(uri, b"data"),
        lambda: store.read_bytes(uri),
        lambda: store.list_names(s3.uri),
        lambda: store.create_exclusive(f"{uri}-new", b"data"),
    ):
        s3.faults.fail, s3.faults.status = 4, status  # more than the client's own three attempts
        call()
        assert s3.faults.fail == 0
    assert store.read_bytes(uri) == store.read_bytes(f"{uri}-new") == b"data"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [503, 0])
def test_s3_that_never_answers_is_unavailable(s3: s3_server.Bucket, status: int) -> None:
    s3.faults.fail, s3.faults.status = 10_000, status
    try:
        for call in (store.read_bytes, store.exists, store.list_names, lambda u: store.create_exclusive(u, b"x")):
            with pytest.raises(UnavailableError, match="s3://bucket"):
                call(f"{s3.uri}/never")
    finally:
        s3.faults.fail = 0


def test_s3_a_lost_answer_of_an_exclusive_creation_is_no_defeat(s3: s3_server.Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    fs, _ = store.filesystem(s3.uri)
    original, left = fs.pipe_file, [ConnectionResetError()]

    def lossy(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        if left:
            raise left.pop()
        return result

    monkeypatch.setattr(fs, "pipe_file", lossy)
    assert store.create_exclusive(f"{s3.uri}/lost", b"mine")
    assert not store.create_exclusive(f"{s3.uri}/lost", b"other")


@pytest.mark.usefixtures("impatient")
def test_no_server_at_all_is_unavailable(s3: s3_server.Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    store._filesystem.cache_clear()
    try:
        with pytest.raises(UnavailableError, match="s3://bucket/x"):
            store.read_bytes("s3://bucket/x")
    finally:
        store._filesystem.cache_clear()


@pytest.mark.usefixtures("impatient")
def test_no_credentials_are_wrong_input(s3: s3_server.Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    store._filesystem.cache_clear()
    s3fs = pytest.importorskip("s3fs")
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(DataError, match="s3://bucket/x") as caught:
            store.write_bytes("s3://bucket/x", b"")
        assert "credentials" in caught.value.remedy
    finally:
        store._filesystem.cache_clear()
        s3fs.S3FileSystem.clear_instance_cache()


def test_a_bucket_that_does_not_exist(s3: s3_server.Bucket) -> None:
    for call in (
        store.read_bytes,
        store.list_names,
        lambda u: store.write_bytes(u, b""),
        lambda u: store.create_exclusive(u, b""),
    ):
        with pytest.raises(DataError, match="s3://absent-bucket/x: the bucket does not exist") as caught:
            call("s3://absent-bucket/x")
        assert "AWS_ENDPOINT_URL" in caught.value.remedy


def test_credentials_that_a_server_refuses(s3: s3_server.Bucket) -> None:
    with s3.checking_credentials():
        started = time.monotonic()
        for call in (store.read_bytes, store.list_names, store.exists, lambda u: store.write_bytes(u, b"")):
            with pytest.raises(DataError, match="s3://bucket/x: permission denied") as caught:
                call("s3://bucket/x")
            assert "credentials" in caught.value.remedy
        assert time.monotonic() - started < 20  # at once: they are not tried again
