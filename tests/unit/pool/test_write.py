"""The writer of a pool: hashes that never change, parts, sorting beyond memory, and rows that are refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geomix import config, ids, store, tables
from geomix.errors import PoolError
from geomix.pool import build, hashes, parts, sorting, strata, write
from geomix.pool.rows import Rows, Source, block, coordinates_text, grid5
from tests.unit.pool import makers

STRATA = {name: stratum for name, stratum in strata.known({}).items() if name in ("continent", "landcover")}


def rows(count: int = 1000, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    names = [f"{n:05d}é" for n in rng.permutation(count)]
    extra = {"kind": pa.array([f"k{n[3]}" for n in names]), "size": pa.array(rng.normal(size=count))}
    return block(pa.array(names), rng.uniform(-180, 180, count), rng.uniform(-90, 90, count), extra=extra)


def source(table: pa.Table, size: int = 10_000, **settings: Any) -> Source:
    def blocks() -> Iterator[pa.Table]:
        for start in range(0, len(table), size):
            yield table.slice(start, size)

    return Source("rows", "table", None, blocks, "content", **settings)


def test_the_pool_hash_is_that_of_every_version_so_far() -> None:
    time = pd.to_datetime(["2019-06-01T10:30:00Z", None, "1969-12-31T00:00:00Z"]).astype("datetime64[s, UTC]")
    frame = pd.DataFrame(
        {"id": ["a", "b", "é"], "place": ["p", "p", "q"], "lon": [-0.000004, 179.123456, -75.5], "lat": [12.3, -45.000005, 0.0]}
    ).assign(time=time, href=None, cloud=np.float32(np.nan), nodata=np.float32(np.nan))
    found = makers.pool_hash(Rows(frame, ["#0", "", "#2"], ["0:1", "", "11:"], "content"))
    assert found == "a5693d59449ead24eefb73ee75656b00317f10dddab4db6c38c9e739eb51e16f"


def test_vectorised_hashes_are_those_of_ids() -> None:
    names = ["", "a", "ü", "x" * 300]
    assert hashes.id64(pa.array(names)).to_pylist() == ids.id64(names).tolist()
    made = hashes.made_ids([pa.array([1, -20]), pa.array(["", "é"])])
    assert made == [ids.sha256("row", "1", "")[:24], ids.sha256("row", "-20", "é")[:24]]
    lon = np.array([0.0, -0.000004, -0.00001, 179.999999, -75.5])
    assert coordinates_text(lon, lon).to_pylist() == [f"{x / 1e5:.5f},{x / 1e5:.5f}" for x in grid5(lon)]


def test_hashes_of_columns_do_not_depend_on_blocks_or_encoding() -> None:
    def digest(*blocks: pa.Array) -> str:
        found = hashes.ColumnHash()
        for one in blocks:
            found.update(pa.chunked_array([one]))
        return found.hexdigest()

    text = pa.array(["a", None, "", "bc"])
    assert digest(text) == digest(text.slice(0, 1), text.slice(1)) == digest(text.dictionary_encode())
    assert digest(text) != digest(pa.array(["a", "", None, "bc"]))
    assert digest(pa.array(["ab", "c"])) != digest(pa.array(["a", "bc"]))
    numbers = pa.array([1.0, None, -0.0])
    assert digest(numbers) == digest(pa.array([1.0, np.nan, 0.0])) == digest(numbers.cast(pa.float32()))
    large = pa.array([2**63, None, 5], pa.uint64())
    assert digest(large) != digest(pa.array([-(2**63), None, 5]))
    assert digest(large.slice(1)) == digest(pa.array([None, 5]))
    moment = 1_500_000_000_123_456
    assert digest(pa.array([moment * 1000 + 789], pa.timestamp("ns"))) == digest(pa.array([moment], pa.timestamp("us")))
    assert digest(pa.array([1, None])) == digest(pa.array([1, None], pa.int8())) != digest(pa.array([1, 0]))


def read(folder: Path, name: str) -> pa.Table:
    path = folder / name
    return pa.concat_tables([pq.read_table(p) for p in ([path] if path.is_file() else sorted(path.iterdir()))])


def test_order_blocks_parts_and_spilling_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = rows()
    one = write.write(str(tmp_path / "one"), source(table), STRATA)
    monkeypatch.setattr(parts, "PART_ROWS", 300)
    monkeypatch.setattr(sorting, "MEMORY_ROWS", 200)
    other_order = table.take(np.random.default_rng(1).permutation(len(table)))
    many = write.write(str(tmp_path / "many"), source(other_order, size=77), STRATA)
    assert one == many
    names = [f"part-{n:05d}.parquet" for n in range(4)]
    for name in ("pool.parquet", "strata.parquet"):
        assert sorted(p.name for p in (tmp_path / "many" / name).iterdir()) == names
        assert read(tmp_path / "one", name).equals(read(tmp_path / "many", name))
        for part in names:
            assert tables.file_metadata(str(tmp_path / "many" / name / part))["geomix.pool_hash"] == one["pool_hash"]
    assert tables.read(str(tmp_path / "many" / "pool.parquet"))["id"].is_monotonic_increasing
    assert sorted(p.name for p in (tmp_path / "many").iterdir()) == ["pool.json", "pool.parquet", "strata.parquet"]


def test_what_a_pool_holds(tmp_path: Path) -> None:
    written = write.write(str(tmp_path), source(rows(50)), STRATA)
    found = read(tmp_path, "pool.parquet")
    assert found.schema.names == [*tables.POOL_SCHEMA.names, "kind", "size", "geometry"]
    assert found["id64"].to_pylist() == ids.id64(found["id"].to_pylist()).tolist()
    geo = geopandas.read_parquet(tmp_path / "pool.parquet")
    assert (geo.geometry.x == geo["lon"]).all()
    strata = read(tmp_path, "strata.parquet")
    assert strata.schema.names == ["id", "continent", "landcover"]
    assert strata["id"].equals(found["id"])
    assert written == store.read_json(str(tmp_path / "pool.json"))
    assert set(written["column_hashes"]) == {"place", "cloud", "nodata", "kind", "size", "continent", "landcover"}
    assert sum(written["counts"]["continent"].values()) == written["rows"] == written["places"] == 50
    assert json.loads(tables.file_metadata(str(tmp_path / "strata.parquet"))["geomix.strata"]) == written["strata"]
    # The formula again, in plain Python.
    digest = hashlib.sha256()
    line = [
        "\x1f".join((i, str(x), str(y), "", "", ""))
        for i, x, y in zip(geo["id"], grid5(geo["lon"].to_numpy()), grid5(geo["lat"].to_numpy()), strict=True)
    ]
    for part in ("pool", "content", *line):
        digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    assert digest.hexdigest() == written["pool_hash"]


@pytest.mark.parametrize("memory", [10, 1000])
def test_repeated_ids_are_named_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr(sorting, "MEMORY_ROWS", memory)
    table = rows(20)
    table = pa.concat_tables([table, table.slice(3, 2)])
    wanted = sorted(table["id"].slice(3, 2).to_pylist())
    with pytest.raises(PoolError, match="ids are repeated") as caught:
        write.write(str(tmp_path), source(table, size=6), STRATA)
    assert ", ".join(map(repr, wanted)) in caught.value.seen
    assert list(tmp_path.iterdir()) == []


def test_rows_that_agree_in_everything_are_merged_where_ids_are_hashes(tmp_path: Path) -> None:
    table = rows(20)
    written = write.write(str(tmp_path), source(pa.concat_tables([table, table.slice(3, 2)]), merge=True), STRATA)
    assert (written["rows"], written["exact_duplicates"]) == (20, 2)


@pytest.mark.parametrize(("lon", "lat"), [(np.nan, 0), (181, 0), (0, -90.5), (0, np.inf)])
def test_places_off_the_earth_are_named(tmp_path: Path, lon: float, lat: float) -> None:
    good = rows(3)
    bad = block(pa.array(["bad"]), np.array([lon]), np.array([lat]), extra={"kind": pa.array(["k"]), "size": pa.array([0.0])})
    with pytest.raises(PoolError, match="off the Earth: bad: longitude"):
        write.write(str(tmp_path), source(pa.concat_tables([good, bad])), STRATA)
    with pytest.raises(PoolError, match="no rows"):
        write.write(str(tmp_path), source(good.slice(0, 0)), STRATA)
    assert list(tmp_path.iterdir()) == []


def test_exchanged_coordinates_are_found_in_blocks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = block(pa.array([f"{n:03d}" for n in range(90)]), rng.uniform(45, 49, 90), rng.uniform(0, 5, 90))
    with pytest.raises(PoolError, match="lie at sea; with longitude and latitude exchanged"):
        write.write(str(tmp_path), source(table, size=40, may_be_exchanged=True), STRATA)
    assert write.write(str(tmp_path), source(table), STRATA)["rows"] == 90  # a grid that lies at sea by intent


def test_a_pool_at_sea_is_built_if_it_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"lon": rng.uniform(62, 68, 50), "lat": rng.uniform(13, 18, 50)})  # the Arabian Sea
    frame.to_csv(tmp_path / "sea.csv", index=False)
    pool = config.TablePool(kind="table", uri=str(tmp_path / "sea.csv"))
    with pytest.raises(PoolError, match="lie at sea") as caught:
        build.build(pool, {}, str(tmp_path / "pool"))
    assert "`sea: true`" in caught.value.remedy
    assert build.build(pool.model_copy(update={"sea": True}), {}, str(tmp_path / "pool"))["rows"] == 50
    with pytest.raises(PoolError, match="lie at sea") as caught:
        write.write(
            str(tmp_path / "stac"),
            replace(
                source(block(pa.array([f"{n}" for n in range(50)]), frame["lon"].to_numpy(), frame["lat"].to_numpy())),
                kind="stac",
                may_be_exchanged=True,
            ),
            STRATA,
        )
    assert "`lon:`" not in caught.value.remedy
    assert "GeoJSON" in caught.value.remedy


def test_a_class_called_none_is_refused() -> None:
    counts = strata.Counts()
    counts.update(pa.table({"soil": ["clay", None]}))
    assert counts.to_json() == {"soil": {"clay": 1, "none": 1}}
    with pytest.raises(PoolError, match="stratum soil: a class is called 'none'"):
        counts.update(pa.table({"soil": ["clay", "none"]}))
