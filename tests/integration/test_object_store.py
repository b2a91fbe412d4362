"""Pools and draws in object storage: the same hashes as on disk, and none the worse for an unreliable server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from geomix import config, store, study_file
from geomix.errors import DataError
from geomix.pool.build import build
from geomix.sample.alone import draw
from tests.unit.s3_server import Bucket, served

COMPOSITIONS = {
    "uar": "{strategy: uniform}",
    "continent": "{strategy: stratified, by: continent}",
    "cities": "{strategy: cities, top: 500}",
    "half": "{strategy: mix, of: {uar: 1, cities: 1}}",
}


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, served(patch) as found:
        yield found


def _compositions() -> dict[str, config.Composition]:
    kind: TypeAdapter[dict[str, config.Composition]] = TypeAdapter(dict[str, config.Composition])
    return study_file.parse_part(kind, "\n".join(f"{k}: {v}" for k, v in COMPOSITIONS.items()), "test", "compositions")


def _draws(root: str) -> dict[str, object]:
    grid = config.GridPool(kind="grid", spacing_km=200)
    built = build(grid, {}, store.join(root, "land"))
    found: dict[str, object] = {"pool": built["pool_hash"]}
    for done in draw(store.join(root, "land"), _compositions(), store.join(root, "draws"), budget=500):
        content = store.read_json(store.join(done.uri, "manifest.json"))
        assert not done.skipped
        found[done.label] = (content["recipe"], store.read_bytes(store.join(done.uri, "manifest.parquet")))
    return found


@pytest.mark.parametrize("status", [503, 0])
def test_a_server_that_fails_now_and_then_changes_nothing(tmp_path: Path, bucket: Bucket, status: int) -> None:
    local = _draws(str(tmp_path))
    bucket.faults.status, bucket.faults.every = status, 4
    assert _draws(store.join(bucket.uri, str(status))) == local  # moto keeps its buckets while a process lives
    assert bucket.faults.failed > 10


def test_a_bucket_that_is_not_there_is_one_message(bucket: Bucket) -> None:
    with pytest.raises(DataError, match="bucket"):
        build(config.GridPool(kind="grid", spacing_km=1000), {}, "s3://no-such-bucket/land")


def test_half_of_a_pool_is_no_pool(tmp_path: Path, bucket: Bucket) -> None:
    land = store.join(bucket.uri, "half", "land")
    build(config.GridPool(kind="grid", spacing_km=1000), {}, land)
    store.delete(store.join(land, "pool.json"))
    with pytest.raises(DataError, match="no pool here"):
        list(draw(land, _compositions(), str(tmp_path / "draws"), budget=10))
