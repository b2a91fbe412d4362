"""Random access: the right series, in the order asked for, from one part or many, local or staged."""

from __future__ import annotations

import os
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from geomix import store
from geomix.errors import DataError
from geomix.models.batch import SeriesBatch, series_batch
from geomix.shard import layout, write
from geomix.shard.reader import SeriesReader
from geomix.shard.write import materialise
from tests.unit.shard.helpers import POOL_HASH, RECIPE, filled, pool_rows, values
from tests.unit.shard.test_write import spoilt

N = 50


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of 50 series in seven parts."""
    monkeypatch.setattr(write, "PART_ROWS", 8)
    return filled(tmp_path, N)


def expected(numbers: list[int]) -> SeriesBatch:
    rows = pool_rows(N).reset_index().iloc[numbers]
    return series_batch(values(rows), rows[["lon", "lat"]].to_numpy(), rows["id"].tolist())


def assert_same(got: SeriesBatch, wanted: SeriesBatch) -> None:
    for name in ("x_BTC", "valid_BTC", "month_BT", "landcover_BT", "lonlat_B2"):
        one, other = getattr(got, name), getattr(wanted, name)
        assert one.dtype == other.dtype, name
        assert torch.equal(one, other), name
    assert list(got.id_B) == list(wanted.id_B)


@pytest.mark.parametrize("numbers", [[3], [7, 3], [0, 49, 8, 8, 17], list(range(49, -1, -1)), []])
def test_a_batch_holds_what_was_written(uri: str, tmp_path: Path, numbers: list[int]) -> None:
    reader = SeriesReader.open(uri, list(pool_rows(N).index), tmp_path / "cache")
    assert len(reader) == N
    assert_same(reader.batch(np.array(numbers, dtype=np.int64)), expected(numbers))


def test_ids_are_sorted_whatever_the_order_of_asking(uri: str, tmp_path: Path) -> None:
    reader = SeriesReader.open(uri, ["s00040", "s00002", "s00011"], tmp_path / "cache")
    assert reader.ids == ("s00002", "s00011", "s00040")
    assert_same(reader.batch(np.array([2, 0])), expected([40, 2]))


def test_missing_values_are_zero_and_not_valid(tmp_path: Path) -> None:
    pool = pool_rows(5)
    uri = str(tmp_path / "store")

    def holes(rows):  # type: ignore[no-untyped-def]
        made = values(rows)
        made.x_NTC[2, 4, 7] = np.nan
        made.x_NTC[2, 5, 8] = np.inf
        return made

    materialise(uri, pool, list(pool.index), holes, pool_hash=POOL_HASH, recipe=RECIPE)
    batch = SeriesReader.open(uri, list(pool.index), tmp_path).batch(np.arange(5))
    assert (~batch.valid_BTC).nonzero().tolist() == [[2, 4, 7], [2, 5, 8]]
    assert batch.x_BTC[2, 4, 7] == batch.x_BTC[2, 5, 8] == 0
    assert torch.isfinite(batch.x_BTC).all()


def test_a_batch_is_a_copy(uri: str, tmp_path: Path) -> None:
    reader = SeriesReader.open(uri, list(pool_rows(N).index), tmp_path)
    reader.batch(np.array([1, 2])).x_BTC.fill_(-1)
    assert_same(reader.batch(np.array([1, 2])), expected([1, 2]))


def test_unknown_refused_and_repeated_ids_are_named(tmp_path: Path) -> None:
    uri, pool = str(tmp_path / "store"), pool_rows(5)
    materialise(uri, pool, list(pool.index), spoilt, pool_hash=POOL_HASH, recipe=RECIPE)
    with pytest.raises(DataError, match="2 of 3 samples have no pixels here: nowhere, s00001") as caught:
        SeriesReader.open(uri, ["nowhere", "s00000", "s00001"], tmp_path)
    assert caught.value.exit_code == 2
    with pytest.raises(DataError, match="'s00000' is asked for more than once"):
        SeriesReader.open(uri, ["s00000", "s00003", "s00000"], tmp_path)
    with pytest.raises(DataError, match="1 of 1 samples"):
        SeriesReader.open(str(tmp_path / "absent"), ["a"], tmp_path)


@pytest.mark.parametrize("kind", layout.ARRAYS)
def test_a_flipped_byte_is_found(uri: str, tmp_path: Path, kind: str) -> None:
    path = store.local_path(store.join(uri, layout.part_name(2, kind)))
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    SeriesReader.open(uri, ["s00000"], tmp_path)  # another part: not touched, not read
    with pytest.raises(DataError, match="SHA-256 differs") as caught:
        SeriesReader.open(uri, ["s00017"], tmp_path)
    assert path.name in caught.value.seen
    assert path.exists()  # a local store is never removed by a reader


def test_a_part_that_vanished_is_named(uri: str, tmp_path: Path) -> None:
    store.delete(store.join(uri, "part-00000.month.npy"))
    with pytest.raises(DataError, match=r"part-00000\.month\.npy: the store's index names this part"):
        SeriesReader.open(uri, ["s00000"], tmp_path)


def test_checksums_are_verified_once_a_process(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = layout.sha256_file
    monkeypatch.setattr(layout, "sha256_file", lambda path: read.append(path) or original(path))
    for _ in range(3):
        SeriesReader.open(uri, ["s00000", "s00009"], tmp_path)
    assert len(read) == 2 * len(layout.ARRAYS)


def test_a_remote_store_is_staged_and_a_spoilt_copy_is_fetched_again(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, remote = fsspec.filesystem("memory"), "memory://staged/store"
    for name in store.list_names(uri):
        memory.pipe_file(f"/staged/store/{name}", store.read_bytes(store.join(uri, name)))
    cache = tmp_path / "cache"
    ids = ["s00000", "s00012"]
    assert_same(SeriesReader.open(remote, ids, cache).batch(np.arange(2)), expected([0, 12]))
    copies = sorted(cache.iterdir())
    assert len(copies) == 2 * len(layout.ARRAYS)
    copies[0].write_bytes(b"spoilt")
    os.utime(copies[0], (time.time() + 5, time.time() + 5))
    assert_same(SeriesReader.open(remote, ids, cache).batch(np.arange(2)), expected([0, 12]))
    memory.pipe_file("/staged/store/part-00000.npy", b"spoilt at its source")
    for copy in copies:
        copy.unlink()
    with pytest.raises(DataError, match="SHA-256 differs"):
        SeriesReader.open(remote, ids, cache)
    memory.rm("/staged", recursive=True)


def test_no_python_work_a_sample(uri: str, tmp_path: Path) -> None:
    # A batch of 20,000 must not cost 20,000 times a batch of one.
    reader = SeriesReader.open(uri, list(pool_rows(N).index), tmp_path)
    positions = np.random.default_rng(0).integers(0, N, 20_000)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        reader.batch(positions)
        times.append(time.perf_counter() - start)
    assert 20_000 / min(times) > 100_000
