"""Draws outside of a study: the same whatever files hold the pool, never over another draw, near a task's place or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from geomix import config, manifest, store
from geomix.errors import CompositionError, DataError, InputError
from geomix.pool import parts
from geomix.pool.build import build
from geomix.sample import drawn, exclude, manifest_stats, nearest
from geomix.sample.alone import draw
from tests.unit.sample import pools

COMPOSITIONS = TypeAdapter(dict[str, config.Composition]).validate_python(
    {
        "uar": {"strategy": "uniform"},
        "area": {"strategy": "uniform", "weight": "area"},
        "kinds": {"strategy": "stratified", "by": "kind", "allocation": "sqrt"},
        "africa": {"strategy": "onehot", "by": "continent", "value": "Africa"},
        "dry": {"strategy": "where", "expr": "climate_zone = 'arid' AND depth < 1"},
        "cities": {"strategy": "cities", "top": 300},
        "discs": {"strategy": "clustered", "clusters": 5, "radius_km": 3000},
        "even": {"strategy": "spatially_balanced"},
        "alike": {"strategy": "cluster_balanced", "columns": ["depth", "city_km"], "clusters": 4},
        "far": {"strategy": "farthest_point", "columns": ["depth"]},
        "high": {"strategy": "entropy", "mode": "top", "column": "depth"},
        "half": {"strategy": "mix", "of": {"uar": 1, "cities": 2}},
        "placebo": {"strategy": "placebo", "of": "kinds"},
    }
)


def pool(folder: Path, order: int) -> str:
    """A pool of a table of 3,000 places, rows shuffled by `order`."""
    rng = np.random.default_rng(1)
    rows = pools.frame(3000).drop(columns=["continent", "landcover"])
    rows = rows.assign(kind=rng.choice(list("abc"), 3000, p=[0.7, 0.2, 0.1]), depth=rng.normal(size=3000))
    folder.mkdir()
    rows.sample(frac=1, random_state=order).to_parquet(folder / "t.parquet")
    table = config.TablePool(kind="table", uri=str(folder / "t.parquet"), id="id", columns=("kind", "depth"))
    build(table, {}, str(folder / "pool"))
    return str(folder / "pool")


def test_files_and_the_order_of_rows_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(name: str, order: int) -> dict[str, tuple[object, bytes]]:
        uri = pool(tmp_path / name, order)
        told = list(draw(uri, COMPOSITIONS, str(tmp_path / name / "draws"), budget=150, quota="water_fill"))
        assert [d.label for d in told] == list(COMPOSITIONS)
        read = {d.label: store.read_json(f"{d.uri}/manifest.json") for d in told}
        return {d.label: (read[d.label]["recipe"], store.read_bytes(f"{d.uri}/manifest.parquet")) for d in told}

    whole = drawn("whole", 0)
    monkeypatch.setattr(parts, "PART_ROWS", 700)
    assert drawn("parts", 1) == whole
    assert len(store.list_names(str(tmp_path / "parts" / "pool" / "pool.parquet"))) == 5


def test_what_a_composition_was_drawn_by_is_described(tmp_path: Path) -> None:
    uri = pool(tmp_path / "p", 0)
    (kinds, high) = draw(uri, {n: COMPOSITIONS[n] for n in ("kinds", "high")}, str(tmp_path / "d"), budget=30)
    first, second = manifest_stats.statistics(drawn.read([kinds.uri, high.uri]))["compositions"]
    told = store.read_json(f"{kinds.uri}/manifest.json")["drawn"]
    assert first["strata"]["kind"]["shares"] == {name: round(n / 30, 6) for name, n in told.items()}
    assert second["numbers"]["depth"]["min"] > first["numbers"]["depth"]["median"]
    (tmp_path / "places.csv").write_text("task,lon,lat\nt,500,99\n")
    with pytest.raises(DataError, match="longitude 500"):
        manifest_stats.statistics(drawn.read([kinds.uri]), str(tmp_path / "places.csv"))


def test_a_folder_is_drawn_once_and_never_over_another_draw(tmp_path: Path) -> None:
    uri, out = pool(tmp_path / "p", 0), str(tmp_path / "draws")
    one = {"uar": COMPOSITIONS["uar"]}
    (first,) = draw(uri, one, out, budget=20)
    assert (first.skipped, first.drawn, first.reserves, first.uri) == (False, 20, 5, f"{out}/uar/0")
    assert next(iter(draw(uri, one, out, budget=20))).skipped
    with pytest.raises(InputError, match="holds the files of another sample"):
        list(draw(uri, one, out, budget=21))
    (other,) = draw(uri, one, out, budget=21, force=True)
    assert (other.skipped, other.drawn) == (False, 21)


def test_places_keep_their_distance_and_are_needed(tmp_path: Path) -> None:
    uri = pool(tmp_path / "p", 0)
    (tmp_path / "places.csv").write_text("task,row,lon,lat\nt,0,20,10\nt,1,,\n")
    one = {"uar": COMPOSITIONS["uar"]}
    ask = {"budget": 20, "near_tasks_km": 3000.0}
    (kept,) = draw(uri, one, str(tmp_path / "a"), places_uri=str(tmp_path / "places.csv"), **ask)
    assert 50 < kept.excluded < 500
    with pytest.raises(CompositionError, match="without places"):
        list(draw(uri, one, str(tmp_path / "b"), **ask))
    with pytest.raises(DataError, match="no pool here"):
        list(draw(str(tmp_path), one, str(tmp_path / "c"), budget=1))


def test_cells_of_a_large_pool_exclude_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, rng = pools.frame(4000), np.random.default_rng(2)
    lon, lat = rows["lon"].to_numpy(), rows["lat"].to_numpy()
    places = pools.frame(30, seed=9)[["lon", "lat"]].assign(task="t", row=0)
    places.loc[len(places)] = [179.99, 60.0, "t", 0]
    places.loc[len(places)] = [rng.uniform(-180, 180), 89.9, "t", 0]
    for km in (50.0, 700.0, 4000.0):
        whole = exclude.near(lon, lat, places, km)
        monkeypatch.setattr(nearest, "SMALL", 0)
        assert exclude.near(lon, lat, places, km).tolist() == whole.tolist()
        monkeypatch.undo()
        assert whole.any()


def test_every_file_that_a_part_reads_counts(tmp_path: Path) -> None:
    uri, kind = pool(tmp_path / "p", 0), TypeAdapter(dict[str, config.Composition])
    ids = sorted(pools.frame(3000)["id"])
    for name, listed in (("a", ids[:200]), ("b", ids[200:400])):
        (tmp_path / f"{name}.csv").write_text("id\n" + "\n".join(listed))

    def drawn_ids(out: str, first: str, second: str) -> list[str]:
        parts = {n: {"strategy": "ids", "uri": str(tmp_path / f"{f}.csv")} for n, f in (("x", first), ("y", second))}
        made = kind.validate_python({**parts, "m": {"strategy": "mix", "of": {"x": 3, "y": 1}}})
        (done,) = draw(uri, {"m": made["m"]}, out, budget=40, parts=made)
        return manifest.read(done.uri).drawn["id"].tolist()

    one = drawn_ids(str(tmp_path / "one"), "a", "b")
    assert len(set(one) & set(ids[:200])) == 30
    with pytest.raises(InputError, match="another sample"):  # another recipe: the folder is not taken for the same draw
        drawn_ids(str(tmp_path / "one"), "b", "a")
    (tmp_path / "a.csv").write_text("id\n" + "\n".join(ids[400:600]))
    with pytest.raises(InputError, match="another sample"):
        drawn_ids(str(tmp_path / "one"), "a", "b")


def test_the_others_fill_a_part_of_a_mixture_that_runs_dry(tmp_path: Path) -> None:
    uri, kind = pool(tmp_path / "p", 0), TypeAdapter(dict[str, config.Composition])
    made = kind.validate_python(
        {
            "few": {"strategy": "where", "expr": "depth > 2.5"},
            "high": {"strategy": "entropy", "mode": "top", "column": "depth"},
            "m": {"strategy": "mix", "of": {"few": 0.5, "uar": 0.5}},
            "none_of_it": {"strategy": "mix", "of": {"uar": 1, "high": 0.0001}},
            "uar": {"strategy": "uniform"},
        }
    )
    (done,) = draw(uri, {"m": made["m"]}, str(tmp_path / "d"), budget=500, parts=made, quota="water_fill")
    told = store.read_json(f"{done.uri}/manifest.json")
    assert sum(told["drawn"].values()) == 500
    assert told["notes"]["filled_from_others"]["few"] == 250 - told["drawn"]["few"] > 200
    with pytest.raises(CompositionError, match="part few"):
        list(draw(uri, {"m": made["m"]}, str(tmp_path / "e"), budget=500, parts=made))
    (done,) = draw(uri, {"n": made["none_of_it"]}, str(tmp_path / "f"), budget=10, parts=made)
    assert store.read_json(f"{done.uri}/manifest.json")["drawn"] == {"uar": 10}
