"""What manifests drew: the right rows, in one file or in parts, moved pools found, and wrong ones refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geomix import store
from geomix.errors import DataError, PoolError
from geomix.sample import drawn
from tests.unit.sample import drawings

IDS = ["p6", "p0", "p7", "p4"]


@pytest.mark.parametrize("parts", [1, 3])
def test_rows(tmp_path: Path, parts: int) -> None:
    pool = drawings.pool(tmp_path / "pool", parts)
    first = drawings.composition(tmp_path / "first", pool, [*IDS, "p1"], budget=4)
    second = drawings.composition(tmp_path / "second", pool, ["p1", "p2"])
    one, two = drawn.read([first, second])
    assert one.pool is two.pool
    assert (one.label, len(one), one.reserves, two.reserves) == ("first", 4, 1, 0)
    assert one.positions.tolist() == [0, 4, 6, 7]
    assert one.lon.tolist() == [10.0, 100.0, -60.0, -61.0]
    assert one.lat.tolist() == [50.0, 30.0, -10.0, -10.0]
    codes, names = one.text["continent"]
    assert [None if c < 0 else names[c] for c in codes] == ["Europe", "Asia", "South America", None]
    codes, names = one.text["landcover"]
    assert [names[c] for c in codes] == ["12", "1", "2", "2"]
    assert np.array_equal(one.number["city_km"], [1.0, np.nan, 7.0, 8.0], equal_nan=True)
    assert two.number["spectral_entropy_pooled"].tolist() == [0.25, 0.5]
    assert one.pool.counts["continent"] == {"Africa": 1, "Asia": 2, "Europe": 3, "South America": 1}
    assert (one.pool.rows, int(one.pool.cells.sum()), one.pool.synthetic) == (8, 8, True)


def test_labels(tmp_path: Path) -> None:
    pool = drawings.pool(tmp_path / "pool")
    kept = tmp_path / ("0" * 64) / "attempt-0"
    told = {"strategy": "stratified", "parameters": {"by": "continent", "allocation": "equal"}, "draw_seed": 2}
    step = drawings.composition(kept, pool, IDS, **told)
    named = [drawings.composition(tmp_path / folder / "uar", pool, IDS) for folder in "ab"]
    labels = [c.label for c in drawn.read([step, *named])]
    assert labels == ["stratified (allocation equal, by continent), draw 2", "uar #1", "uar #2"]


def test_a_pool_that_was_moved_along_is_found(tmp_path: Path) -> None:
    pool = drawings.pool(tmp_path / "old" / "pool" / "key" / "attempt-0")
    drawings.composition(tmp_path / "old" / "sample" / "key" / "attempt-0", pool, IDS)
    shutil.move(tmp_path / "old", tmp_path / "new")
    moved = str(tmp_path / "new" / "sample" / "key" / "attempt-0")
    assert drawn.read([moved])[0].pool.uri == str(tmp_path / "new" / "pool" / "key" / "attempt-0")
    store.write_json(str(tmp_path / "new" / "pool" / "key" / "attempt-0" / "pool.json"), {"pool_hash": "cd" * 32})
    with pytest.raises(PoolError, match="nor beside the manifest"):
        drawn.read([moved])


def test_a_pool_beside_the_manifest(tmp_path: Path) -> None:
    drawings.pool(tmp_path / "pool")
    uri = drawings.composition(tmp_path / "uar", "../pool", IDS)
    assert len(drawn.read([uri])[0]) == 4


def test_without_strata(tmp_path: Path) -> None:
    pool = drawings.pool(tmp_path / "pool")
    (tmp_path / "pool" / "strata.parquet").unlink()
    (tmp_path / "pool" / "measured.parquet").unlink()
    found = drawn.read([drawings.composition(tmp_path / "uar", pool, IDS)])[0]
    assert (found.text, found.number) == ({}, {})


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    pool = drawings.pool(tmp_path / "pool")
    with pytest.raises(DataError, match="no manifest here"):
        drawn.read([str(tmp_path / "nothing")])
    foreign = drawings.composition(tmp_path / "foreign", pool, ["p0", "x1"])
    with pytest.raises(DataError, match="2 samples, of which its pool holds 1"):
        drawn.read([foreign])
    uri = drawings.composition(tmp_path / "uar", pool, IDS)
    turned = drawings.FRAME.iloc[::-1].reset_index(drop=True)
    drawings.pool(tmp_path / "turned", frame=turned)
    shutil.copy(tmp_path / "turned" / "strata.parquet", tmp_path / "pool" / "strata.parquet")
    with pytest.raises(PoolError, match="in their order"):
        drawn.read([uri])
    whole = (tmp_path / "turned" / "pool.parquet").read_bytes()
    (tmp_path / "pool" / "pool.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a readable table"):
        drawn.read([uri])


def test_a_stratum_that_nobody_has(tmp_path: Path) -> None:
    pool = drawings.pool(tmp_path / "pool", frame=drawings.FRAME.assign(continent=pd.Series([None] * 8, dtype=object)))
    found = drawn.read([drawings.composition(tmp_path / "uar", pool, IDS)])[0]
    assert found.text["continent"][0].tolist() == [-1] * 4
    assert found.pool.counts["continent"] == {}
