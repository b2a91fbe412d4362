"""The chip store: append-only parts, nothing twice, nothing half-written, one writer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from geomix import store, tables
from geomix.errors import BusyError, DataError
from geomix.series import Series
from geomix.shard import layout, write
from geomix.shard.lock import WriterLock
from geomix.shard.write import materialise
from tests.unit.shard.helpers import CHANNELS, POOL_HASH, RECIPE, STEPS, bytes_of, filled, pool_rows, values


def fill(uri: str, pool: pd.DataFrame, ids: list[str], load: Any = values, recipe: Any = RECIPE) -> pd.DataFrame:
    return materialise(uri, pool, ids, load, pool_hash=POOL_HASH, recipe=recipe)


def test_the_files_of_a_store(tmp_path: Path) -> None:
    uri = filled(tmp_path, 5)
    assert store.list_names(uri) == [
        "index.parquet",
        "part-00000.landcover.npy",
        "part-00000.month.npy",
        "part-00000.npy",
        "store.json",
    ]
    x, month = np.load(tmp_path / "store" / "part-00000.npy"), np.load(tmp_path / "store" / "part-00000.month.npy")
    assert (x.dtype, x.shape) == (np.float32, (5, STEPS, CHANNELS))
    assert (month.dtype, month.shape) == (np.uint8, (5, STEPS))
    described = store.read_json(store.join(uri, "store.json"))
    assert described["bands"] == list(tables.SERIES_BANDS)
    assert described["units"]["VV"] == "dB"
    assert (described["steps"], described["pool_hash"], described["recipe"]) == (STEPS, POOL_HASH, RECIPE)
    index = layout.read_index(uri)
    pool = pool_rows(5)
    assert index.rows["id"].tolist() == list(pool.index)
    assert index.rows["lon"].tolist() == pool["lon"].tolist()
    assert index.rows["time"].isna().tolist() == [True, False, False, True, False]
    assert index.rows["time"].dropna().tolist() == pool["time"].dropna().tolist()
    assert index.rows["start_month"].tolist() == [0, 1, 2, 3, 4]
    assert index.next_part == 1


def test_what_is_there_is_never_touched_and_never_loaded_again(tmp_path: Path) -> None:
    uri, pool = filled(tmp_path, 6), pool_rows(10)
    before = bytes_of(uri)
    asked: list[str] = []

    def counting(rows: pd.DataFrame) -> Series:
        asked.extend(rows["id"])
        return values(rows)

    fill(uri, pool, list(pool.index[:3]), counting)
    assert asked == []
    assert bytes_of(uri) == before
    index = fill(uri, pool, list(pool.index[4:9]), counting)
    assert asked == list(pool.index[6:9])
    after = bytes_of(uri)
    assert {k: v for k, v in after.items() if k in before and k != "index.parquet"} == {
        k: v for k, v in before.items() if k != "index.parquet"
    }
    assert index["part"].tolist() == [0] * 6 + [1] * 3
    assert np.array_equal(np.load(tmp_path / "store" / "part-00001.npy")[2], values(pool.reset_index().iloc[[8]]).x_NTC[0])


def test_bytes_do_not_depend_on_the_order_of_asking(tmp_path: Path) -> None:
    pool = pool_rows(40)
    for name, order in (("a", slice(None)), ("b", slice(None, None, -1))):
        fill(str(tmp_path / name), pool.iloc[order], list(pool.index[order]))
    assert bytes_of(str(tmp_path / "a")) == bytes_of(str(tmp_path / "b"))


def test_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "PART_ROWS", 4)
    uri = filled(tmp_path, 10)
    index = layout.read_index(uri)
    assert index.rows["part"].tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert index.rows["row"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def spoilt(rows: pd.DataFrame) -> Series:
    """Series of which the second has no value and the third too few."""
    made = values(rows)
    made.x_NTC[1] = np.nan
    made.x_NTC[2, 2:] = np.nan
    return made


def test_refused_samples_are_in_the_index_but_not_in_a_part(tmp_path: Path) -> None:
    uri, pool = str(tmp_path / "store"), pool_rows(5)
    index = fill(uri, pool, list(pool.index), spoilt)
    assert index["refusal"].fillna("").tolist() == ["", "no_values", "few_steps", "", ""]
    assert index["part"].tolist() == [0, -1, -1, 0, 0]
    assert index["row"].tolist() == [0, -1, -1, 1, 2]
    assert len(np.load(tmp_path / "store" / "part-00000.npy")) == 3


def test_a_batch_of_refusals_writes_no_part(tmp_path: Path) -> None:
    uri, pool = str(tmp_path / "store"), pool_rows(4)

    def blind(rows: pd.DataFrame) -> Series:
        made = values(rows)
        return Series(np.full_like(made.x_NTC, np.nan), made.month_NT, made.landcover_NT)

    fill(uri, pool, list(pool.index[:2]), blind)
    assert store.list_names(uri) == ["index.parquet", "store.json"]
    index = fill(uri, pool, list(pool.index))
    assert index["part"].tolist() == [-1, -1, 0, 0]


class Killed(BaseException):
    """A writer that ends at once: what SIGKILL leaves, minus the lock file of a dead process."""


@pytest.mark.parametrize("survives", range(6))
def test_killed_between_any_two_files_nothing_is_lost_and_the_orphan_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    uri, pool = filled(tmp_path, 3), pool_rows(8)
    whole = filled(tmp_path / "undisturbed", 3)
    fill(whole, pool, list(pool.index))
    count = {"left": survives}
    original = store.writing.__exit__

    def interrupted(self: Any, kind: Any, value: Any, trace: Any) -> None:
        if count["left"] == 0 and kind is None:
            original(self, Killed, Killed(), None)
            raise Killed
        count["left"] -= 1
        original(self, kind, value, trace)

    with monkeypatch.context() as patch:
        patch.setattr(store.writing, "__exit__", interrupted)
        try:
            fill(uri, pool, list(pool.index))
        except Killed:
            assert layout.read_index(uri).rows["id"].tolist() == list(pool.index[:3])
        else:
            pytest.fail("the writer was not interrupted")
    assert not [name for name in store.list_names(uri) if name.startswith(".writing")]
    fill(uri, pool, list(pool.index))
    assert bytes_of(uri) == bytes_of(whole)


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    uri, pool = str(tmp_path / "store"), pool_rows(4)
    with pytest.raises(DataError, match="series of shape"):
        fill(uri, pool, list(pool.index), lambda rows: values(rows).take(np.arange(2)))
    assert store.list_names(uri) == []


def test_another_number_of_steps_or_another_recipe_is_refused(tmp_path: Path) -> None:
    uri, pool = filled(tmp_path, 4), pool_rows(6)
    before = bytes_of(uri)

    def short(rows: pd.DataFrame) -> Series:
        made = values(rows)
        return Series(made.x_NTC[:, :6], made.month_NT[:, :6], made.landcover_NT[:, :6])

    with pytest.raises(DataError, match="steps") as caught:
        fill(uri, pool, list(pool.index), short)
    assert caught.value.wanted.endswith("steps=6")
    with pytest.raises(DataError, match="recipe"):
        fill(uri, pool, list(pool.index), values, {"kind": "other"})
    assert bytes_of(uri) == before


def test_a_second_writer_is_told_to_come_back(tmp_path: Path) -> None:
    uri, pool = filled(tmp_path, 4), pool_rows(6)
    before = bytes_of(uri)
    with WriterLock(uri):
        with pytest.raises(BusyError) as caught:
            fill(uri, pool, list(pool.index))
        assert caught.value.exit_code == 75
        fill(uri, pool, list(pool.index[:4]))  # nothing to write: no lock is needed
    assert bytes_of(uri) == before


def test_a_lock_lost_on_the_way_publishes_nothing(tmp_path: Path) -> None:
    uri, pool = filled(tmp_path, 4), pool_rows(6)
    before = layout.read_index(uri).rows

    def stolen(rows: pd.DataFrame) -> Series:
        content = store.read_json(store.join(uri, "writer.lock"))
        store.write_bytes(store.join(uri, "writer.lock"), json.dumps({**content, "token": "another"}).encode())
        return values(rows)

    with pytest.raises(BusyError, match="lost"):
        fill(uri, pool, list(pool.index), stolen)
    assert layout.read_index(uri).rows.equals(before)
    assert store.read_json(store.join(uri, "writer.lock"))["token"] == "another"  # not ours to remove


def test_a_damaged_index_is_explained(tmp_path: Path) -> None:
    uri = filled(tmp_path, 4)
    store.write_bytes(store.join(uri, "index.parquet"), b"PAR1 this is no index")
    with pytest.raises(DataError, match="not a readable index"):
        layout.read_index(uri)
    store.delete(store.join(uri, "index.parquet"))
    tables.write_parquet(store.join(uri, "index.parquet"), pd.DataFrame({"id": ["a"]}))
    with pytest.raises(DataError, match="not a readable index"):
        layout.read_index(uri)


def test_the_key_follows_pool_and_recipe() -> None:
    key = layout.store_key("p", {"kind": "earth"})
    assert key == layout.store_key("p", {"kind": "earth"})
    assert key != layout.store_key("q", {"kind": "earth"})
    assert key != layout.store_key("p", {"kind": "table"})
