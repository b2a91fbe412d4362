"""Chips out of an S3 server that fails in every way: the same chips as without faults, or a clear end."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from geomix import store
from geomix.errors import DataError, UnavailableError
from geomix.raster import Band, Chip, ChipReader, ChipRequest, Recipe, Refusal, chips, gdal, reader
from tests.unit import s3_server
from tests.unit.raster import makers

RECIPE = Recipe(32, 32, 10.0)


@pytest.fixture
def bucket(s3: s3_server.Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3_server.Bucket]:
    """The server, in order again afterwards."""
    # It lives in this process: when rasterio waits for it with the interpreter's lock held, it cannot answer until this ends.
    monkeypatch.setitem(gdal.SETTINGS, "GDAL_HTTP_LOW_SPEED_TIME", "2")
    yield s3
    s3.faults.fail, s3.faults.status = 0, 503


@pytest.fixture
def uri(bucket: s3_server.Bucket, tmp_path: Path) -> str:
    """A COG of two bands in the bucket."""
    path = makers.tiff(tmp_path / "a.tif", makers.ground(600, 600, bands=2))
    target = f"{bucket.uri}/{tmp_path.name}/a.tif"
    store.write_bytes(target, Path(path).read_bytes())
    return target


def _requests(uri: str, n: int = 12) -> list[ChipRequest]:
    rng = np.random.default_rng(4)
    bands = (Band(uri, scale=1e-4), Band(uri, index=2, scale=1e-4))
    return [makers.request(f"c{i:02d}", *rng.uniform(20, 580, 2).tolist(), *bands) for i in range(n)]


def test_settings_follow_the_endpoint_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    assert gdal.environment() == gdal.SETTINGS
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/")
    found = gdal.environment()
    assert (found["AWS_S3_ENDPOINT"], found["AWS_HTTPS"], found["AWS_VIRTUAL_HOSTING"]) == ("127.0.0.1:9000", "NO", "FALSE")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://store.example:8443/s3")
    found = gdal.environment()
    assert (found["AWS_S3_ENDPOINT"], found["AWS_HTTPS"]) == ("store.example:8443/s3", "YES")
    assert gdal.gdal_path("s3://bucket/a/b.tif") == "/vsis3/bucket/a/b.tif"
    assert gdal.gdal_path("file:///a/b.tif") == gdal.gdal_path("/a/b.tif") == "/a/b.tif"


def test_chips_of_an_object_are_those_of_the_file_with_few_requests(bucket: s3_server.Bucket, uri: str, tmp_path: Path) -> None:
    local = list(ChipReader(RECIPE).read(_requests(str(tmp_path / "a.tif"))))
    bucket.faults.seen.clear()
    remote = list(ChipReader(RECIPE).read(_requests(uri)))
    for one, two in zip(local, remote, strict=True):
        assert isinstance(one, Chip)
        assert isinstance(two, Chip)
        assert one.x_CHW.tobytes() == two.x_CHW.tobytes()
    # The head, and 16 of 25 blocks of 128 in some stretches; no HEAD, no listing.
    assert all(line.startswith("GET /bucket/") and "?" not in line for line in bucket.faults.seen)
    assert len(bucket.faults.seen) <= 14


@pytest.mark.parametrize("status", [503, 500, 0])
def test_faults_change_nothing_and_are_counted(
    bucket: s3_server.Bucket, uri: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "BATCH_BYTES", 2 * 2 * 32 * 32 * 4)  # two chips at a time: many opens, many reads
    calm = list(ChipReader(RECIPE, workers=2).read(_requests(uri)))
    bucket.faults.status = status
    bucket.faults.fail = 3
    chip_reader = ChipReader(RECIPE, workers=2)
    stormy = []
    for number, result in enumerate(chip_reader.read(_requests(uri))):
        stormy.append(result)
        bucket.faults.fail += number % 3 == 0
    for one, two in zip(calm, stormy, strict=True):
        assert isinstance(two, Chip), two
        assert isinstance(one, Chip)
        assert (one.id, one.x_CHW.tobytes()) == (two.id, two.x_CHW.tobytes())
    assert chip_reader.tally.retried.total() > 0
    # Which of the names a failure gets depends on which request it hit.
    assert set(chip_reader.tally.retried) <= {
        "refused by the store",
        f"HTTP {status}",
        "connection",
        "broken read",
        "timed out",
    }
    assert chip_reader.tally.lines()[-1].startswith("failures tried again: ")
    assert chip_reader.tally.refused.total() == 0


def test_a_503_is_not_remembered(bucket: s3_server.Bucket, uri: str) -> None:
    bucket.faults.fail = 1
    chip_reader = ChipReader(RECIPE, workers=1)
    assert isinstance(next(chip_reader.read(_requests(uri, 1))), Chip)
    # GDAL asks twice before it gives up; the next try is a new one.
    assert chip_reader.tally.retried.total() <= 1
    assert bucket.faults.fail == 0


def test_an_object_that_was_replaced_is_read_anew(uri: str, tmp_path: Path) -> None:
    before = next(ChipReader(RECIPE).read(_requests(uri, 1)))
    path = makers.tiff(tmp_path / "b.tif", makers.ground(600, 600, bands=2, base=3000))
    store.write_bytes(uri, Path(path).read_bytes())
    after = next(ChipReader(RECIPE).read(_requests(uri, 1)))
    assert isinstance(before, Chip)
    assert isinstance(after, Chip)
    assert np.allclose(after.x_CHW - before.x_CHW, 0.2, atol=1e-6)


def test_blocks_that_gdal_fills_with_zeros_in_silence_are_read_again(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = list(ChipReader(RECIPE, workers=1).read(_requests(uri)))
    from geomix.raster import blocks

    read_windows, calls = blocks.read_windows, []

    def filled(dataset: object, bands: object, windows: object) -> list[np.ndarray]:
        calls.append(windows)
        pixels = read_windows(dataset, bands, windows)  # type: ignore[arg-type]
        if len(calls) <= 2:  # other blocks are lacking in the second opening
            for array in pixels[::2]:
                array[:, : 9 * len(calls)] = 0
        return pixels

    monkeypatch.setattr(blocks, "read_windows", filled)
    found = list(ChipReader(RECIPE, workers=1).read(_requests(uri)))
    assert [c.x_CHW.tobytes() for c in found if isinstance(c, Chip)] == [c.x_CHW.tobytes() for c in calm if isinstance(c, Chip)]
    assert len(calls) == 4


@pytest.mark.parametrize("status", [503, 0])
def test_a_server_that_never_answers_is_no_refusal(
    bucket: s3_server.Bucket, uri: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "RETRY_SECONDS", 1.0)
    bucket.faults.status, bucket.faults.fail = status, 10**6
    with pytest.raises(UnavailableError, match=r"a\.tif"):
        list(ChipReader(RECIPE).read(_requests(uri)))


def test_blocks_that_cannot_be_fetched_are_not_taken_for_a_truncated_file(
    bucket: s3_server.Bucket, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "RETRY_SECONDS", 2.0)
    opened = chips_opened(monkeypatch, bucket)
    with pytest.raises(UnavailableError):
        list(ChipReader(RECIPE, workers=1).read(_requests(uri, 1)))
    assert opened


def chips_opened(monkeypatch: pytest.MonkeyPatch, bucket: s3_server.Bucket) -> list[str]:
    """From now on the head of a file can be read, and nothing after it."""
    from geomix.raster import blocks, fetch

    opened: list[str] = []
    open_file, read_windows = fetch._opened, blocks.read_windows

    def open_and_count(path: str) -> object:
        bucket.faults.fail = 0
        opened.append(path)
        return open_file(path)

    def read_and_fail(*arguments: object) -> object:
        bucket.faults.fail = 10**6
        return read_windows(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(fetch, "_opened", open_and_count)
    monkeypatch.setattr(blocks, "read_windows", read_and_fail)
    return opened


def test_a_stall_ends(monkeypatch: pytest.MonkeyPatch, bucket: s3_server.Bucket) -> None:
    monkeypatch.setattr(store, "RETRY_SECONDS", 0.5)
    monkeypatch.setitem(gdal.SETTINGS, "GDAL_HTTP_LOW_SPEED_TIME", "1")
    with socket.create_server(("127.0.0.1", 0), backlog=20) as deaf:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        chip_reader = ChipReader(RECIPE, workers=1)
        with pytest.raises(UnavailableError):
            list(chip_reader.read(_requests("s3://bucket/a.tif", 1)))
    assert set(chip_reader.tally.retried) == {"timed out"}


def test_objects_that_cannot_be_used(bucket: s3_server.Bucket, uri: str, tmp_path: Path) -> None:
    data = store.read_bytes(uri)
    folder = f"{bucket.uri}/{tmp_path.name}"
    wrong = {"half.tif": data[: len(data) // 2], "head.tif": data[:120], "text.tif": b"hello " * 1000}
    for name, content in wrong.items():
        store.write_bytes(f"{folder}/{name}", content)
    expected = {
        "half.tif": chips.TRUNCATED,
        "head.tif": chips.TRUNCATED,
        "text.tif": chips.NOT_A_RASTER,
        "none.tif": chips.MISSING_OBJECT,
    }
    requests = [makers.request(name, 300, 300, Band(f"{folder}/{name}")) for name in expected]
    requests.append(makers.request("bucket", 300, 300, Band("s3://no-such-bucket/a.tif")))
    requests.append(makers.request("good", 300, 300, Band(uri)))
    found = {result.id: result for result in ChipReader(RECIPE).read(requests)}
    assert isinstance(found.pop("good"), Chip)
    codes = {name: result.code for name, result in found.items() if isinstance(result, Refusal)}
    assert codes == expected | {"bucket": chips.MISSING_OBJECT}


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId"])  # GDAL knows the first; the store the second
def test_permission_denied(bucket: s3_server.Bucket, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No</Message></Error>".encode()

    class Forbidding(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forbidding) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        store._filesystem.cache_clear()
        (found,) = ChipReader(RECIPE).read(_requests("s3://bucket/a.tif", 1))
        store._filesystem.cache_clear()
        server.shutdown()
    assert isinstance(found, Refusal)
    assert found.code == chips.PERMISSION_DENIED


def test_no_credentials_are_one_clear_error(
    bucket: s3_server.Bucket, uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError, match="credentials"):
        list(ChipReader(RECIPE).read(_requests(uri, 1)))
