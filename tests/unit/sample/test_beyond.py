"""Draws in passes over a pool's files: the same manifests as in memory, what is refused, and the limit that chooses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from geomix import config, ids, tables
from geomix.errors import CompositionError, DataError, InputError, PoolError
from geomix.sample import beyond, drawing, nearest, pool_files, scan, sphere, stats, strategies
from geomix.sample.recipe import Recipe
from tests.unit.sample import pools

ROWS, PARTS, BLOCK = 30_000, 3, 4000  # two blocks and a half a part
PLACES = pd.DataFrame({"task": "t", "row": [0, 1, 2], "lon": [0.0, 40.0, 179.9], "lat": [0.0, 89.0, 10.0]})
REGION = {"by": "continent", "value": "Africa"}
ENTROPY = {"strategy": "entropy"}
COMPOSITIONS: dict[str, dict[str, Any]] = {
    "uniform": {"strategy": "uniform"},
    "area": {"strategy": "uniform", "weight": "area"},
    "equal": {"strategy": "stratified", "by": "landcover"},
    "proportional": {"strategy": "stratified", "by": "continent", "allocation": "proportional"},
    "sqrt": {"strategy": "stratified", "by": "continent", "allocation": "sqrt", "values": ["Asia", "Europe"]},
    "weights": {"strategy": "stratified", "by": "continent", "allocation": "weights", "weights": {"Asia": 3, "Africa": 1}},
    "balanced": {"strategy": "balanced"},
    "onehot": {"strategy": "onehot", **REGION},
    "leave_one_out": {"strategy": "leave_one_out", **REGION},
    "leave_equal": {"strategy": "leave_one_out", "allocation": "equal", **REGION},
    "where": {"strategy": "where", "expr": "continent = 'Asia' AND f1 > 0 AND id > 's0-000100'"},
    "top": {**ENTROPY, "mode": "top"},
    "top_region": {**ENTROPY, "mode": "top", **REGION},
    "bins": {**ENTROPY, "mode": "stratified", "bins": 7},
    "matched": {**ENTROPY, "mode": "matched", **REGION, "like": "Europe"},
    "farthest": {"strategy": "farthest_point", "columns": ["f1", "f2"], "candidates": 3000},
    "cities": {"strategy": "cities", "top": 200},
    "clustered": {"strategy": "clustered", "clusters": 12, "radius_km": 1500},
    "clustered_area": {"strategy": "clustered", "clusters": 12, "radius_km": 1500, "weight": "area"},
    "mix": {"strategy": "mix", "of": {"area": 0.5, "onehot": 0.3, "cities": 0.2}},
    "dose": {"strategy": "dose", "of": ["uniform", "onehot"], "percent": [25]},
    "dose_0": {"strategy": "dose", "of": ["equal", "onehot"], "percent": [0]},
    "ids": {"strategy": "ids", "uri": "ids.csv"},
}
REFUSED: dict[str, dict[str, Any]] = {
    "spatially_balanced": {"strategy": "spatially_balanced"},
    "farthest_point": {"strategy": "farthest_point", "columns": ["f1"]},
    "cluster_balanced": {"strategy": "cluster_balanced", "columns": ["f1"], "clusters": 3},
    "placebo": {"strategy": "placebo", "of": "equal"},
    "mix of one": {"strategy": "mix", "of": {"uniform": 0.5, "spatially_balanced": 0.5}},
}
ADAPTER: TypeAdapter[config.Composition] = TypeAdapter(config.Composition)


def written(folder: Path, frame: pd.DataFrame, parts: int = PARTS) -> Path:
    """A pool in parts, as the pool stage leaves one."""
    frame = frame.sort_values("id")
    numbered = frame.assign(id64=ids.id64(frame["id"]))
    for name, columns in {
        "pool": ["id", "id64", "lon", "lat", "f1", "f2"],
        "strata": ["id", "continent", "landcover"],
        "measured": ["id", "spectral_entropy_pooled"],
    }.items():
        (folder / f"{name}.parquet").mkdir(parents=True)
        for at, rows in enumerate(np.array_split(np.arange(len(frame)), parts)):
            table = tables.arrow(numbered.iloc[rows][columns].reset_index(drop=True))
            if name == "strata":
                table = table.set_column(1, "continent", table["continent"].cast(pa.string()).dictionary_encode())
            table = table.replace_schema_metadata({"geomix.pool_hash": "of the pool"})
            pq.write_table(table, folder / f"{name}.parquet" / f"part-{at:05d}.parquet")
    return folder


def frame(rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(1)
    entropy = np.round(random.normal(4, 1, rows), 2)  # many ties
    entropy[::11] = np.nan
    f1 = random.normal(size=rows)
    f1[::13] = np.nan
    return pools.frame(rows, f1=f1, f2=random.normal(size=rows), spectral_entropy_pooled=entropy)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = written(tmp_path_factory.mktemp("pool"), frame())
    listed = np.random.default_rng(2).permutation(ROWS)
    at = frame()[["lon", "lat"]].to_numpy()[listed]
    far = [n for n, (x, y) in zip(listed, at, strict=True) if 20 < x < 150 and abs(y) < 60][:400]
    pd.DataFrame({"id": [f"s0-{n:06d}" for n in far]}).to_csv(folder / "ids.csv", index=False)
    return folder


def recipe(pool: Path, how: dict[str, Any], **changes: Any) -> Recipe:
    made = {
        name: ADAPTER.validate_python({**c, "uri": str(pool / c["uri"])} if "uri" in c else c)
        for name, c in {**COMPOSITIONS, **REFUSED, "it": how}.items()
    }
    told: dict[str, Any] = {
        "label": "it",
        "definition": made["it"],
        "pool": {"name": "series", "uri": str(pool), "hash": "of the pool"},
        "budget": 300,
        "draw_seed": 3,
        "parts": config.parts(made["it"], made),
    }
    return Recipe(**{**told, **changes})


def both(folder: Path, one: Recipe, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, bytes]]:
    """The files of the manifests in memory and in passes."""
    monkeypatch.setattr(scan, "BLOCK", BLOCK)
    found = []
    for limit in ("1TB", None):
        # Just too little for the whole pool.
        monkeypatch.setenv(beyond.LIMIT, limit or str(_needed(one) - 1))
        out = folder / (limit or "passes")
        drawing.write(str(out), one, "key")
        found.append({p.name: p.read_bytes() for p in sorted(out.iterdir())})
    return found


def _needed(one: Recipe) -> int:
    read = strategies.columns(one.definition, one.parts)
    return beyond.needed(pool_files.opened(str(one.pool["uri"]), [*(read or []), *stats.STRATA], Path()))


WITHOUT_ZONE = ("uniform", "area", "equal", "leave_one_out", "bins", "cities", "ids")


@pytest.mark.parametrize(("name", "zone"), [*((n, True) for n in COMPOSITIONS), *((n, False) for n in WITHOUT_ZONE)])
def test_the_same_manifest(pool: Path, tmp_path: Path, name: str, zone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"near_tasks_km": 1200.0, "places": PLACES} if zone else {}
    passes = _count_passes(monkeypatch)
    memory, streamed = both(tmp_path, recipe(pool, COMPOSITIONS[name], **changes), monkeypatch)
    assert passes
    assert json.loads(streamed["manifest.json"]) == json.loads(memory["manifest.json"])
    assert streamed == memory


def _count_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    seen: list[int] = []
    blocks = scan.Scan.blocks
    monkeypatch.setattr(scan.Scan, "blocks", lambda *a: seen.append(1) or blocks(*a))
    return seen


DRY = {"weights": 14_000, "leave_equal": 15_000, "matched": 10_500, "clustered": 4_300}


@pytest.mark.parametrize(("name", "budget"), DRY.items())
def test_groups_that_run_dry(pool: Path, tmp_path: Path, name: str, budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    big = recipe(pool, COMPOSITIONS[name], budget=budget, reserves=0.05, quota="water_fill")
    memory, streamed = both(tmp_path, big, monkeypatch)
    assert json.loads(memory["manifest.json"])["notes"]["filled_from_others"]
    assert streamed == memory


ERRORS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (COMPOSITIONS["equal"], {"budget": 30_000}),
    ({"strategy": "uniform"}, {"budget": 40_000}),
    ({"strategy": "uniform", "weight": "area"}, {"budget": 40_000}),
    (COMPOSITIONS["clustered"], {"budget": 20_000}),
    ({"strategy": "stratified", "by": "contient"}, {}),
    ({"strategy": "onehot", "by": "continent", "value": "africa"}, {}),
    ({"strategy": "leave_one_out", "by": "continent", "value": "africa"}, {}),
    ({"strategy": "balanced", "values": ["Asia", "Mars"]}, {}),
    ({"strategy": "where", "expr": "f1 > 1000"}, {}),
    ({"strategy": "where", "expr": "nothing > 1000"}, {}),
    ({"strategy": "where", "expr": "random() > 0.5"}, {}),
    ({**ENTROPY, "mode": "top", "column": "continent"}, {}),
    ({**ENTROPY, "mode": "matched", "by": "continent", "value": "Africa", "like": "Mars"}, {}),
    ({"strategy": "onehot", "each": "continent"}, {}),
    ({"strategy": "dose", "of": ["uniform", "onehot"], "percent": [0, 50]}, {}),
    ({"strategy": "simplex", "by": "continent", "values": ["Asia", "Europe"]}, {}),
    ({"strategy": "none"}, {}),
    ({"strategy": "uniform"}, {"near_tasks_km": 30_000.0, "places": PLACES}),
]


@pytest.mark.parametrize(("how", "changes"), ERRORS)
def test_the_same_errors(
    pool: Path, tmp_path: Path, how: dict[str, Any], changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = recipe(pool, how, **changes)
    seen = []
    for limit in ("1TB", str(_needed(one) - 1)):
        monkeypatch.setenv(beyond.LIMIT, limit)
        with pytest.raises((CompositionError, DataError)) as error:
            drawing.write(str(tmp_path / "out"), one, "key")
        seen.append(error.value.message)
    assert seen[0] == seen[1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_the_whole_pool_is_refused(pool: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(beyond.LIMIT, "1.5 MB")
    with pytest.raises(CompositionError, match=r"needs the whole pool in memory, about 0\.00") as error:
        drawing.write(str(tmp_path / "out"), recipe(pool, REFUSED[name]), "key")
    assert "GEOMIX_POOL_MEMORY" in error.value.remedy


def test_too_little_room(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for how, words in ((COMPOSITIONS["uniform"], "rows that may be drawn take"), (COMPOSITIONS["bins"], "the values of")):
        monkeypatch.setenv(beyond.LIMIT, "100KiB")
        with pytest.raises(CompositionError, match=words):
            drawing.write(str(tmp_path / "out"), recipe(pool, how, budget=20_000), "key")


def test_pools_that_cannot_be_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(beyond.LIMIT, "10KB")
    rows = frame(600)

    def message(folder: Path) -> str:
        with pytest.raises(PoolError) as error:
            drawing.write(str(tmp_path / "out"), recipe(folder, {"strategy": "balanced"}, budget=4), "key")
        return error.value.seen

    unsorted = written(tmp_path / "unsorted", rows)
    first = unsorted / "pool.parquet" / "part-00000.parquet"
    pq.write_table(pq.read_table(first).take(np.arange(200)[::-1].copy()), first)
    assert "not in order of id" in message(unsorted)
    fewer = written(tmp_path / "fewer", rows)
    pq.write_table(
        pq.read_table(fewer / "strata.parquet" / "part-00001.parquet").slice(1), fewer / "strata.parquet" / "part-00001.parquet"
    )
    assert "strata.parquet does not hold the pool's ids" in message(fewer)
    other = written(tmp_path / "other", rows)
    for at in range(PARTS):
        path = other / "strata.parquet" / f"part-{at:05d}.parquet"
        table = pq.read_table(path)
        names = pa.array([f"x{i}" for i in table["id"].to_pylist()])
        pq.write_table(table.set_column(0, "id", names).replace_schema_metadata(None), path)
    assert "strata.parquet does not hold the pool's ids" in message(other)
    lost = written(tmp_path / "lost", rows.assign(lon=np.where(rows.index == 500, np.nan, rows["lon"])))
    assert "without coordinates" in message(lost)


@pytest.mark.parametrize(
    ("said", "wanted"), [("1000", 1000), ("8GB", 8 * 10**9), ("8 GiB", 8 << 30), ("0.5kb", 500), ("2TiB", 2 << 40)]
)
def test_the_limit(said: str, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(beyond.LIMIT, said)
    assert beyond.limit() == wanted


@pytest.mark.parametrize("said", ["much", "8 apples", "-1", "0", "1e9"])
def test_no_size(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(beyond.LIMIT, said)
    with pytest.raises(InputError, match="is not a size"):
        beyond.limit()


def test_the_limit_without_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(beyond.LIMIT, raising=False)
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 1 << 20 < beyond.limit() <= whole // 2


def test_a_map_of_caps_misses_no_row() -> None:
    random = np.random.default_rng(0)
    lon, lat = random.uniform(-180, 180, 5000), np.degrees(np.arcsin(random.uniform(-1, 1, 5000)))
    rows = sphere.unit_vectors(lon, lat)
    for _ in range(20):
        to_lon, to_lat = (
            np.append(random.uniform(-180, 180, 5), [180, -179.99]),
            np.append(random.uniform(-90, 90, 5), [89.99, 0]),
        )
        metres = 10 ** random.uniform(3, 7, 7)
        apart = sphere.metres(np.linalg.norm(rows[:, None] - sphere.unit_vectors(to_lon, to_lat), axis=2))
        inside = (apart <= metres).any(axis=1)
        assert nearest.Caps(to_lon, to_lat, metres).holds(lon, lat)[inside].all()
    one = nearest.Caps(np.array([0.0]), np.array([0.0]), np.array([1e6]))
    assert one.holds(np.array([0.0, 8.9, 12.0]), np.array([0.0, 0.0, 0.0])).tolist() == [True, True, False]
