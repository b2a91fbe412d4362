"""Pools as they are read: joined, hashed by content, and refused where they are broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geomix import store
from geomix.errors import DataError, PoolError
from geomix.sample import candidates, pool_files
from tests.unit.sample import pools


def test_pool_and_strata_are_joined_by_id(tmp_path: Path) -> None:
    rows = pools.frame(50)
    pools.write(tmp_path, rows)
    found = pool_files.read(str(tmp_path), None, 0).table.to_pandas().set_index("id")
    expected = rows.set_index("id").loc[found.index]
    assert found["landcover"].tolist() == expected["landcover"].tolist()
    assert found["lon"].tolist() == expected["lon"].tolist()


def test_text_orders_by_name_and_keeps_whole_numbers() -> None:
    codes, names = candidates.text(pd.Series([10.0, np.nan, 2.0, 10.0]))
    assert names == ["10", "2"]
    assert codes.tolist() == [0, -1, 1, 0]
    assert candidates.text(pd.Series([None, None], dtype=object))[1] == []


def test_broken_pools_are_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        pool_files.read(str(tmp_path / "absent"), None, 0)
    rows = pools.frame(20)
    with pytest.raises(PoolError, match=r"more than once"):
        candidates.of_frame(pd.concat([rows, rows.head(1)]), 0)
    lost = rows.copy()
    lost.loc[4, "lat"] = np.nan
    with pytest.raises(PoolError, match=r"1 rows of the pool have no coordinates.*000004"):
        candidates.of_frame(lost, 0)
    pools.write(tmp_path / "both", rows.assign(country="x"))
    strata = rows[["id"]].assign(country="y")
    strata.to_parquet(tmp_path / "both" / "strata.parquet")
    with pytest.raises(PoolError, match="'country' is both"):
        pool_files.read(str(tmp_path / "both"), None, 0)
    pools.write(tmp_path / "short", rows)
    rows[["id", "continent"]].head(19).to_parquet(tmp_path / "short" / "strata.parquet")
    with pytest.raises(PoolError, match="does not hold the pool's ids"):
        pool_files.read(str(tmp_path / "short"), None, 0)
    pools.write(tmp_path / "cut", rows)
    path = tmp_path / "cut" / "strata.parquet"
    store.write_bytes(str(path), path.read_bytes()[:-100])
    with pytest.raises(DataError, match="not a readable table"):
        pool_files.read(str(tmp_path / "cut"), None, 0)
