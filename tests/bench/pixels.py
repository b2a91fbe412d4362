"""Benchmarks of pixels: chips out of Cloud-Optimised GeoTIFFs in an S3 server (moto, in a process of its own)."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.warp import transform
from rasterio.windows import Window

from geomix import raster, store
from tests.bench.measure import Measured

CHIPS, SIZE, PIXELS = 400, 64, 2_048
BANDS_10M, BANDS_20M = ("B02", "B03", "B04", "B08"), ("B05", "B06", "B07", "B8A", "B11", "B12")
WEST, NORTH = 500_000.0, 5_000_000.0


def dense(_: Path) -> Measured:
    """Many chips a scene: a scene's blocks are shared by chips."""
    return _materialise(scenes=4)


def sparse(_: Path) -> Measured:
    """Few chips a scene, as in a pool all over the world: hardly a block is shared."""
    return _materialise(scenes=40)


def _materialise(scenes: int) -> Measured:
    with _server():
        requests, hrefs = _scenes(scenes)
        recipe = raster.Recipe(SIZE, SIZE, 10.0)
        _loop(hrefs, requests[:2])  # PROJ's and GDAL's first use is nobody's speed
        reader = raster.ChipReader(recipe)
        started = time.perf_counter()
        found = {chip.id: chip for chip in reader.read(requests)}
        ours = time.perf_counter() - started
        assert all(isinstance(chip, raster.Chip) for chip in found.values()), reader.tally.lines()
        started = time.perf_counter()
        expected = _loop(hrefs, requests)
        baseline = time.perf_counter() - started
        chip = found[requests[-1].id]
        assert isinstance(chip, raster.Chip)
        assert np.allclose(chip.x_CHW[:4], expected[-1][:4], rtol=1e-6), "the 10 m bands differ"
    per_s = f"{len(requests) / ours:.0f} and {len(requests) / baseline:.0f} chips/s"
    what = f"{len(requests):,} chips {SIZE} x {SIZE} x 10, {scenes} scenes ({per_s})"
    return Measured(what, "rasterio, a window at a time", ours, baseline, goal=3)


def _loop(hrefs: Sequence[Sequence[str]], requests: Sequence[raster.ChipRequest]) -> list[np.ndarray]:
    """The straightforward way: for every chip open every band and read its window."""
    chips = []
    address = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    with rasterio.Env(
        AWS_S3_ENDPOINT=address, AWS_HTTPS="NO", AWS_VIRTUAL_HOSTING="FALSE", GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"
    ):
        for request in requests:
            layers = []
            for href in hrefs[int(request.id.split("-")[1])]:
                with rasterio.open(href) as dataset:
                    (x,), (y,) = transform("EPSG:4326", dataset.crs, [request.lon], [request.lat])
                    pixel = dataset.transform.a
                    left, top = round((x - SIZE * 5 - WEST) / 10) * 10 / pixel, round((NORTH - y - SIZE * 5) / 10) * 10 / pixel
                    window = Window(left, top, SIZE * 10 / pixel, SIZE * 10 / pixel)
                    layers.append(dataset.read(1, window=window, out_shape=(SIZE, SIZE), resampling=Resampling.bilinear))
            chips.append(np.stack(layers).astype(np.float32) * np.float32(1e-4))
    return chips


def _scenes(count: int) -> tuple[list[raster.ChipRequest], list[list[str]]]:
    """Requests spread over `count` scenes, and the scenes' files. The files' bytes repeat: only their number costs."""
    ten, twenty = _cog(PIXELS, 10.0), _cog(PIXELS // 2, 20.0)
    hrefs, requests = [], []
    rng = np.random.default_rng(0)
    for number in range(count):
        files = [f"s3://bucket/scene-{number:03d}/{band}.tif" for band in (*BANDS_10M, *BANDS_20M)]
        for file in files:
            store.write_bytes(file, ten if file.rsplit("/", 1)[1][:3] in BANDS_10M else twenty)
        hrefs.append(files)
        scene = raster.Scene(tuple(raster.Band(file, scale=1e-4) for file in files))
        n = CHIPS // count
        x, y = WEST + rng.uniform(400, PIXELS * 10 - 400, n), NORTH - rng.uniform(400, PIXELS * 10 - 400, n)
        lon, lat = transform("EPSG:32633", "EPSG:4326", x, y)
        requests += [raster.ChipRequest(f"chip-{number:03d}-{i:04d}", lon[i], lat[i], scene) for i in range(n)]
    return requests, hrefs


def _cog(pixels: int, metres: float) -> bytes:
    """A band of a scene: smooth ground and noise, so that compression has its usual work."""
    rng = np.random.default_rng(int(metres))
    ground = np.add.outer(np.sin(np.arange(pixels) / 50), np.cos(np.arange(pixels) / 70)) * 500 + 2000
    values = (ground + rng.normal(0, 30, ground.shape)).astype(np.uint16)[None]
    with MemoryFile() as memory:
        with memory.open(
            driver="COG",
            height=pixels,
            width=pixels,
            count=1,
            dtype="uint16",
            crs="EPSG:32633",
            transform=Affine(metres, 0, WEST, 0, -metres, NORTH),
            compress="deflate",
            predictor=2,
            blocksize=512,
        ) as dataset:
            dataset.write(values)
        return bytes(memory.read())


@contextlib.contextmanager
def _server() -> Iterator[None]:
    """A moto server with a bucket, reached by the usual variables."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], **quiet)
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    store._filesystem.cache_clear()
    try:
        for _ in range(100):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            try:
                connection.request("PUT", "/bucket")
                connection.getresponse()
                break
            except ConnectionError:
                time.sleep(0.2)
            finally:
                connection.close()
        yield
    finally:
        server.terminate()
        server.wait()
        store._filesystem.cache_clear()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


if __name__ == "__main__":
    for bench in (dense, sparse):
        m = bench(Path())
        print(f"{m.what}: {m.ours_s:.1f} s, {m.baseline}: {m.baseline_s:.1f} s, {m.ratio:.1f}x")
