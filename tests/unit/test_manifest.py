"""The manifest: order kept, hash blind to order, nothing lost on the way through its files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from geomix import manifest, store, tables
from geomix.errors import DataError
from geomix.manifest import Manifest


def made() -> Manifest:
    rows = pd.DataFrame({"id": ["b", "a", "c"], "rank": [0, 1, 2], "stratum": pd.Series(["Asia", None, "Asia"], dtype=object)})
    return Manifest(rows, 2, {"strategy": "stratified", "requested": {"Asia": 2}})


def test_draw_and_reserves() -> None:
    assert made().drawn["id"].tolist() == ["b", "a"]
    assert made().reserves["id"].tolist() == ["c"]


def test_written_and_read_again(tmp_path: Path) -> None:
    manifest.write(str(tmp_path), made())
    again = manifest.read(str(tmp_path))
    assert again.rows["id"].tolist() == ["b", "a", "c"]
    assert again.rows["rank"].tolist() == [0, 1, 2]
    assert again.rows["stratum"].isna().tolist() == [False, True, False]
    assert again.budget == 2
    assert again.description == {"strategy": "stratified", "requested": {"Asia": 2}}


def test_the_hash_follows_the_set_of_ids_and_the_pool() -> None:
    one = manifest.manifest_hash(["a", "b"], "pool")
    assert one == manifest.manifest_hash(iter(["b", "a"]), "pool")
    others = [
        manifest.manifest_hash(["a", "b"], "other pool"),
        manifest.manifest_hash(["a"], "pool"),
        manifest.manifest_hash(["ab"], "pool"),
        manifest.manifest_hash([], "pool"),
    ]
    assert len({one, *others}) == 5


def test_hashes_without_ids_cannot_meet_one_of_ids() -> None:
    assert manifest.NONE == "none"
    assert manifest.RAW == "raw"
    assert manifest.weights_hash("ab12") == "weights:ab12"


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.parquet: no such file"):
        manifest.read(str(tmp_path))


def test_a_manifest_without_ranks_is_refused(tmp_path: Path) -> None:
    manifest.write(str(tmp_path), made())
    tables.write_parquet(store.join(str(tmp_path), "manifest.parquet"), pd.DataFrame({"id": ["a"]}))
    with pytest.raises(DataError, match="no column 'rank', 'stratum'"):
        manifest.read(str(tmp_path))


def test_bytes_repeat(tmp_path: Path) -> None:
    for name in ("one", "two"):
        manifest.write(str(tmp_path / name), made())
    for file in ("manifest.parquet", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
