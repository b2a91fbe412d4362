"""Statistics of manifests as JSON, as tables, and as a sheet of maps."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from geomix import store, tables
from geomix.errors import InputError
from geomix.sample import drawn, manifest_stats, picture, stats_tables
from tests.unit import s3_server
from tests.unit.sample import drawings


@pytest.fixture
def made(tmp_path: Path) -> list[drawn.Composition]:
    pool = drawings.pool(tmp_path / "pool")
    uris = [
        drawings.composition(tmp_path / "europe", pool, ["p0", "p1", "p2", "p3"], budget=3, draw_seed=0),
        drawings.composition(tmp_path / "world", pool, ["p7", "p0", "p3", "p4"], draw_seed=0),
    ]
    return drawn.read(uris)


@pytest.fixture
def places(tmp_path: Path) -> str:
    rows = {"task": ["b", "a", "b"], "row": [0, 0, 1], "lon": [10.0, np.nan, 11.0], "lat": [50.0, np.nan, 50.0]}
    tables.write_parquet(str(tmp_path / "places.parquet"), pd.DataFrame(rows), tables.PLACES_SCHEMA)
    return str(tmp_path)


def test_statistics(made: list[drawn.Composition], places: str) -> None:
    found = manifest_stats.statistics(made, places)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["schema"] == 1
    pool = found["pools"][drawings.HASH]
    assert (pool["rows"], pool["synthetic"], pool["cells"]) == (8, True, 4)
    assert 0 < pool["covered_land_km2"] <= 4 * 510_072_000 / 2048
    assert pool["strata"]["continent"]["unknown"] == 1
    europe, world = found["compositions"]
    assert (europe["label"], europe["samples"], europe["reserves"]) == ("europe", 3, 1)
    assert europe["strata"]["continent"]["shares"] == {"Europe": 1.0}
    assert europe["strata"]["continent"]["entropy"] == 0.0
    assert world["strata"]["continent"]["entropy_normalised"] == pytest.approx(np.log(3) / np.log(4), abs=1e-6)
    assert world["strata"]["continent"]["unknown"] == 1
    assert set(world["strata"]) == {"continent", "landcover"}
    assert set(world["numbers"]) == {"city_km", "spectral_entropy_pooled"}
    assert world["numbers"]["city_km"]["n"] == 3
    assert europe["coverage"] == {"cells": 1, "of": 4, "share": 0.25}
    assert europe["effective"]["samples"] == 3.0
    assert europe["to_uniform"]["total_variation"] > world["to_uniform"]["total_variation"]
    assert 35_000 < europe["neighbours_m"]["max"] < 36_000  # half a degree of longitude at 50 degrees north
    assert europe["tasks_m"]["b"]["max"] == 0.0
    assert world["tasks_m"]["b"]["max"] > 70_000
    assert world["tasks_m"]["a"] == {**dict.fromkeys(world["tasks_m"]["a"]), "n": 0, "without_coordinates": 1}
    assert found["overlap"]["labels"] == ["europe", "world"]
    assert found["overlap"]["shared"] == [[3, 1], [1, 4]]
    assert manifest_stats.statistics(made)["compositions"][0]["tasks_m"] == {}


def test_tables(made: list[drawn.Composition], places: str) -> None:
    console = Console(width=200, file=io.StringIO(), record=True)
    for table in stats_tables.tables(manifest_stats.statistics(made, places)):
        console.print(table)
    text = console.export_text()
    for told in ("europe", "1 of 4", "shares of continent", "33.3 %", "unknown, rows", "without coordinates", "1 · 0.25"):
        assert told in text
    lone = stats_tables.tables(manifest_stats.statistics(made[:1]))
    assert [str(t.title).split()[0] for t in lone] == ["how", "entropy", "shares", "shares"]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_maps(made: list[drawn.Composition], tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for path in paths:
        picture.write(str(path), made)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert first.startswith(b"\x89PNG" if kind == "png" else b"<?xml")
    if kind == "svg":
        for told in (b"europe", b"n = 4", b"series of 8 (abababab)", b"SYNTHETIC", b"400 km wide"):
            assert told in first


def test_maps_fill_the_sheet(made: list[drawn.Composition]) -> None:
    one, five = picture.sheet(made[:1]), picture.sheet([*made, *made, made[0]])
    assert [len(f.axes) for f in (one, five)] == [2, 6]  # maps, and the bar of colours
    corners = [tuple(round(x, 3) for x in axes.get_position(original=True).p0) for axes in five.axes]
    assert len(set(corners)) == 6


def test_no_map_of_another_kind(made: list[drawn.Composition], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"as .*map\.jpg"):
        picture.write(str(tmp_path / "map.jpg"), made)
    with pytest.raises(InputError, match="0 compositions"):
        picture.write(str(tmp_path / "map.png"), [])


@pytest.mark.parametrize("parts", [1, 2])
def test_on_object_storage(tmp_path: Path, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawings.pool(tmp_path / "pool", parts)
    here = drawings.composition(tmp_path / "uar", "../pool", ["p7", "p0", "p3"])
    local = manifest_stats.statistics(drawn.read([here]))
    with s3_server.served(monkeypatch) as bucket:
        for path in filter(Path.is_file, tmp_path.rglob("*")):
            store.write_bytes(store.join(bucket.uri, str(path.relative_to(tmp_path))), path.read_bytes())
        description = store.read_json(store.join(here, "manifest.json"))
        description["pool"]["uri"] = store.join(bucket.uri, "pool")
        store.write_json(store.join(bucket.uri, "uar", "manifest.json"), description)
        made = drawn.read([store.join(bucket.uri, "uar")])
        found = manifest_stats.statistics(made)
        picture.write(store.join(bucket.uri, "maps", "uar.png"), made)
        assert store.read_bytes(store.join(bucket.uri, "maps", "uar.png")).startswith(b"\x89PNG")
    for content in (local, found):
        del content["compositions"][0]["manifest"], content["pools"][drawings.HASH]["uri"]
    assert found == local


def test_partition_changes_nothing(tmp_path: Path) -> None:
    found = []
    for parts in (1, 3):
        pool = drawings.pool(tmp_path / f"{parts}" / "pool", parts)
        uri = drawings.composition(tmp_path / f"{parts}" / "uar", pool, ["p7", "p0", "p3", "p5"])
        content = manifest_stats.statistics(drawn.read([uri]))
        del content["compositions"][0]["manifest"], content["pools"][drawings.HASH]["uri"]
        found.append(content)
    assert found[0] == found[1]
