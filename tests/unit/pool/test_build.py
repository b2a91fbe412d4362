"""Pools built by themselves: finished once, never over another one, on a disk and on S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geomix import config, store, tables
from geomix.errors import DataError, InputError, PoolError, UnavailableError
from geomix.pool import build, parts
from tests.unit import s3_server
from tests.unit.pool import makers

GRID = config.GridPool(kind="grid", spacing_km=1500)


def table(folder: Path, **settings: Any) -> config.TablePool:
    folder.mkdir(exist_ok=True)
    makers.frame(name=list("abcde")).to_csv(folder / "pool.csv", index=False)
    return config.TablePool.model_validate({"kind": "table", "uri": str(folder / "pool.csv"), "id": "name", **settings})


def test_a_grid_on_s3_is_the_one_on_disk(tmp_path: Path, s3: s3_server.Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    one = build.build(GRID, {}, str(tmp_path / "grid"), progress=rows.append)
    assert rows[-1] == one["rows"]
    monkeypatch.setattr(parts, "PART_ROWS", 20)
    uri = f"{s3.uri}/grid"
    assert build.build(GRID, {}, uri) == one
    assert store.list_names(uri) == ["complete", "pool.json", "pool.parquet", "strata.parquet"]
    assert len(store.list_names(f"{uri}/pool.parquet")) > 2
    here, there = (tables.read(store.join(root, "pool.parquet")) for root in (str(tmp_path / "grid"), uri))
    assert here.equals(there)
    # Again: nothing is done.
    before = len(s3.faults.seen)
    assert build.build(GRID, {}, uri, progress=lambda rows: pytest.fail("built again")) == one
    assert not [line for line in s3.faults.seen[before:] if line.startswith("PUT")]


def test_another_pool_is_not_overwritten(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    pool = table(tmp_path / "data")
    first = build.build(pool, {}, out)
    assert first["kind"] == "table"
    with pytest.raises(InputError, match="holds the files of another pool"):
        build.build(GRID, {}, out)
    assert build.build(pool, {}, out) == first
    assert build.build(GRID, {}, out, force=True)["kind"] == "grid"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt"):
        build.build(GRID, {}, str(tmp_path / "mine"))
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_build_that_fails_leaves_an_empty_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(PoolError, match="no row satisfies"):
        build.build(table(tmp_path / "data", where="kind = 'z'"), {}, str(out))
    assert list(out.iterdir()) == []
    # One that was killed is built over.
    (out / "unfinished.json").write_text("{}")
    (out / "pool.parquet").write_bytes(b"half")
    with pytest.raises(DataError, match="did not end") as caught:
        build.described(str(out))
    assert "again" in caught.value.remedy
    assert build.build(table(tmp_path / "data"), {}, str(out), force=True)["rows"] == 5
    assert build.described(str(out))["rows"] == 5
    with pytest.raises(DataError, match="no pool here"):
        build.described(str(tmp_path))


def test_a_build_that_breaks_off_while_it_publishes_is_built_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, publish = str(tmp_path / "out"), store.publish

    def broken(path: Path, uri: str) -> None:
        if uri.endswith("strata.parquet"):
            raise UnavailableError("the store is away")
        publish(path, uri)

    monkeypatch.setattr(store, "publish", broken)
    with pytest.raises(UnavailableError):
        build.build(GRID, {}, out)
    assert store.list_names(out) == ["pool.parquet", "unfinished.json"]
    monkeypatch.setattr(store, "publish", publish)
    assert build.build(GRID, {}, out)["rows"] > 0
    assert "unfinished.json" not in store.list_names(out)


def test_tables_on_s3(tmp_path: Path, s3: s3_server.Bucket) -> None:
    pool = table(tmp_path / "data")
    store.write_bytes(f"{s3.uri}/data/pool.csv", Path(pool.uri).read_bytes())
    remote = pool.model_copy(update={"uri": f"{s3.uri}/data/pool.csv"})
    s3.faults.fail = 2
    assert build.build(remote, {}, str(tmp_path / "b"))["pool_hash"] == build.build(pool, {}, str(tmp_path / "a"))["pool_hash"]
    with pytest.raises(DataError, match="the bucket does not exist"):
        build.build(GRID, {}, "s3://absent-bucket/grid")
    with s3.checking_credentials(), pytest.raises(DataError, match="permission denied"):
        build.build(GRID, {}, f"{s3.uri}/refused")


@pytest.mark.parametrize(("content", "says"), [("{}", "no 'pool_hash'"), ("[1]", "no JSON object"), ("{", "not JSON")])
def test_a_pool_json_that_is_none_is_explained(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "pool.json").write_text(content)
    with pytest.raises(DataError, match=says):
        build.described(str(tmp_path))
    with pytest.raises(DataError, match="no pool here"):
        build.described(str(tmp_path / "pool.json"))
