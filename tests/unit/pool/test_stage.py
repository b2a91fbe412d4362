"""The pool step: its files, its hashes, what makes it run again, and errors that are recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box

from geomix import pool, step, store, tables
from geomix.errors import CompositionError, DataError, PoolError, StudyError
from geomix.step import Place
from tests.unit.pool import makers


def run(study: Any, place: Place, name: str = "p") -> list[dict[str, Any]]:
    return pool.run(makers.plan(study, place, name), place)


def ready(place: Place) -> list[str]:
    """Labels of the pool steps in `place`, "done" or otherwise."""
    return [f"{r['label']}: {r['state']}" for r in step.records(place.root, place.run)]


def test_a_table_pool(tmp_path: Path, place: Place) -> None:
    mine = makers.pool(tmp_path / "data", makers.frame(), columns=["kind"])
    compositions = {"uar": {"strategy": "uniform"}, "kinds": {"strategy": "onehot", "each": "kind"}}
    found = run(makers.study(mine, compositions=compositions, seeds={"draw": [0, 5]}), place)
    assert [(d["composition"], d["draw_seed"]) for d in found] == [
        (c, s) for c in ("kinds_a", "kinds_b", "kinds_c", "uar") for s in (0, 5)
    ]
    assert json.loads(json.dumps(found)) == found
    (uri,) = {d["pool"]["uri"] for d in found}
    described = store.read_json(f"{uri}/pool.json")
    assert found[0]["pool"] == {"name": "series", "uri": uri, "hash": described["pool_hash"]}
    assert found[0]["plan"].endswith("plan/p/attempt-0")
    assert described["rows"] == 5
    assert described["synthetic"] is False
    assert described["counts"]["continent"] == {"Africa": 1, "Europe": 1, "North America": 1, "Oceania": 1, "none": 1}

    schema = pq.read_schema(f"{uri}/pool.parquet")
    assert schema.names == [*tables.POOL_SCHEMA.names, "kind", "geometry"]
    assert str(schema.field("time").type) == "timestamp[ms, tz=UTC]"  # Parquet knows no coarser unit
    geo = geopandas.read_parquet(f"{uri}/pool.parquet")
    assert geo["id"].is_monotonic_increasing
    assert np.allclose(geo.geometry.x, geo["lon"])
    assert np.allclose(geo.geometry.y, geo["lat"])

    strata = tables.read(f"{uri}/strata.parquet")
    assert strata["id"].tolist() == geo["id"].tolist()
    by_lon = dict(zip(geo["lon"], strata["country"], strict=True))
    assert by_lon[2.35] == "France"
    assert by_lon[-40.0] is None or by_lon[-40.0] != by_lon[-40.0]
    sources = json.loads(tables.file_metadata(f"{uri}/strata.parquet")["geomix.strata"])
    assert set(sources) == set(strata.columns) - {"id"}
    assert all(len(s["sha256"]) == 64 and s["version"] for s in sources.values())


def test_an_earth_pool(place: Place) -> None:
    found = run(makers.study(), place)
    (draw,) = found
    frame = tables.read(f"{draw['pool']['uri']}/pool.parquet")
    assert len(frame) == 60
    assert (frame["href"] == "earth:" + frame["id"]).all()
    assert store.read_json(f"{draw['pool']['uri']}/pool.json")["synthetic"] is True
    again = run(makers.study(), Place(place.root + "-other", "r"))
    assert again[0]["pool"]["hash"] == draw["pool"]["hash"]


def test_the_world_is_part_of_the_hash_where_it_matters(place: Place) -> None:
    def hash_of(**earth: Any) -> str:
        return str(run(makers.study(earth=earth), place)[0]["pool"]["hash"])

    assert hash_of(world="realistic", effect=1.0) == hash_of(world="realistic", effect=2.0)
    assert hash_of(world="effect", effect=1.0) != hash_of(world="effect", effect=2.0)
    assert len({hash_of(world=w) for w in ("realistic", "null", "effect")}) == 3
    assert hash_of(seed=1) != hash_of(seed=0)


def test_a_pool_is_built_once(tmp_path: Path, place: Place) -> None:
    mine = makers.pool(tmp_path / "data", makers.frame())
    first = run(makers.study(mine), place)
    assert ready(place) == ["series: table: done", "series: compositions: done"]
    later = Place(place.root, "later")
    # Another name, budget and composition: the same pool.
    other = makers.study(mine, name="other", budget=1, compositions={"d": {"strategy": "stratified", "by": "continent"}})
    assert run(other, later, "q")[0]["pool"] == first[0]["pool"]
    assert ready(later) == ["series: table: skipped", "series: compositions: done"]


def test_a_moved_table_is_the_same_pool(tmp_path: Path, place: Place) -> None:
    first = run(makers.study(makers.pool(tmp_path / "a", makers.frame())), place)
    # zip files hold times: the very bytes must move.
    (tmp_path / "a").rename(tmp_path / "b")
    moved = json.loads(json.dumps(makers.pool(tmp_path / "c", makers.frame()).model_dump()).replace("/c/", "/b/"))
    assert run(makers.study(moved), Place(place.root, "later"))[0]["pool"] == first[0]["pool"]


def test_a_changed_table_is_another_pool(tmp_path: Path, place: Place) -> None:
    first = run(makers.study(makers.pool(tmp_path, makers.frame())), place)
    second = run(makers.study(makers.pool(tmp_path, makers.frame(start_month=1))), place)
    assert second[0]["pool"]["hash"] != first[0]["pool"]["hash"]


def test_only_pools_in_use_are_built(tmp_path: Path, place: Place) -> None:
    pools = {"series": {"kind": "earth", "size": 20}, "spare": makers.pool(tmp_path, makers.frame()).model_dump()}
    assert {d["pool"]["name"] for d in run(makers.study(pools=pools), place)} == {"series"}


def test_polygons_of_ones_own_are_a_stratum(tmp_path: Path, place: Place) -> None:
    path = tmp_path / "biomes.gpkg"
    frame = geopandas.GeoDataFrame(
        {"biome": ["old", "new"]}, geometry=[box(-20, -60, 60, 80), box(-120, -60, -30, 80)], crs=4326
    )
    frame.to_file(path)
    mine = makers.pool(tmp_path, makers.frame())
    wanted = {"strata": {"biome": {"uri": str(path), "column": "biome"}}}
    wanted["compositions"] = {"b": {"strategy": "onehot", "each": "biome"}}
    found = run(makers.study(mine, **wanted), place)
    assert [d["composition"] for d in found] == ["b_new", "b_old"]
    uri = found[0]["pool"]["uri"]
    assert store.read_json(f"{uri}/pool.json")["counts"]["biome"] == {"new": 2, "old": 2, "none": 1}
    # A corrected stratum: the same pool hash in a new folder.
    frame.assign(biome=["older", "new"]).to_file(path)
    again = run(makers.study(mine, **wanted), place)
    assert [d["composition"] for d in again] == ["b_new", "b_older"]
    assert again[0]["pool"]["hash"] == found[0]["pool"]["hash"]
    assert again[0]["pool"]["uri"] != uri


def test_rasters_cities_and_bands_of_ones_own_are_strata(tmp_path: Path, place: Place) -> None:
    path = tmp_path / "cover.tif"
    shape = {"count": 1, "height": 1, "width": 2, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", driver="GTiff", transform=Affine(180, 0, -180, 0, -180, 90), **shape) as out:
        out.write(np.array([[[1, 2]]], dtype="uint8"))
    mine = makers.pool(tmp_path, makers.frame())
    cover = {"kind": "raster", "uri": str(path)}
    wanted: dict[str, Any] = {
        "strata": {
            "half": {**cover, "classes": {1: "west", 2: "east"}},
            "number": {**cover, "missing": [2]},
            "metropolis_km": {"kind": "city_distance", "min_population": 5_000_000},
            "band": {"kind": "latitude_band", "degrees": 90},
        },
        "compositions": {"h": {"strategy": "onehot", "each": "half"}},
    }
    found = run(makers.study(mine, **wanted), place)
    assert [d["composition"] for d in found] == ["h_east", "h_west"]
    uri = found[0]["pool"]["uri"]
    described = store.read_json(f"{uri}/pool.json")
    assert described["counts"]["country"]["none"] == 1
    assert described["counts"]["half"] == {"east": 3, "west": 2, "none": 0}
    assert described["counts"]["number"] == {"1": 2, "none": 3}
    assert described["counts"]["metropolis_km"] == {"known": 5, "none": 0}
    assert sum(described["counts"]["band"].values()) == 5
    schema = pq.read_schema(f"{uri}/strata.parquet")
    assert {name: str(schema.field(name).type) for name in ("id", "half", "number", "metropolis_km", "country")} == {
        **dict.fromkeys(("id", "half", "country"), "string"),
        "number": "int64",
        "metropolis_km": "double",
    }
    written = pq.ParquetFile(f"{uri}/strata.parquet").metadata.row_group(0)
    encodings = {written.column(k).path_in_schema: written.column(k).encodings for k in range(written.num_columns)}
    assert "RLE_DICTIONARY" in encodings["country"]

    # What a stratum comes from is part of the step: another raster, another number of inhabitants.
    def folder(**changed: Any) -> str:
        strata = {**wanted["strata"], **changed}
        return str(run(makers.study(mine, **{**wanted, "strata": strata}), place)[0]["pool"]["uri"])

    assert folder() == uri
    assert folder(metropolis_km={"kind": "city_distance", "min_population": 6_000_000}) != uri
    assert folder(half={**cover, "classes": {1: "left", 2: "right"}}) != uri


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"pool": {"where": "kind = 'z'"}}, PoolError, "no row satisfies"),
        ({"pool": {"uri": "/absent/pool.csv"}}, DataError, "no such file"),
        ({"pool": {"uri": __file__ + "/below.csv"}}, DataError, "no such file"),
        ({"compositions": {"x": {"strategy": "stratified", "by": "biome"}}}, CompositionError, "unknown stratum 'biome'"),
        ({"strata": {"biome": {"uri": "/absent.gpkg", "column": "b"}}}, DataError, "no such file"),
        ({"strata": {"country": {"uri": "/absent.gpkg", "column": "b"}}}, StudyError, "name is taken"),
        ({"strata": {"cover": {"kind": "raster", "uri": "/absent.tif"}}}, DataError, "no such file"),
        ({"compositions": {"x": {"strategy": "stratified", "by": "city_km"}}}, CompositionError, "numbers, not classes"),
    ],
)
def test_errors_are_recorded_and_leave_nothing(
    tmp_path: Path, place: Place, settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    mine = makers.pool(tmp_path / "data", makers.frame()).model_dump() | settings.pop("pool", {})
    with pytest.raises(error, match=says):
        run(makers.study(mine, **settings), place)
    (failed,) = [r for r in step.records(place.root, place.run) if r["state"] == "failed"]
    assert failed["error"]["exit_code"] == 2
    assert says in failed["error"]["seen"]
    complete = {p.parent for p in Path(place.root).rglob("complete")}
    assert all(p.parent in complete for p in Path(place.root).glob("pool/*/attempt-*"))


def test_a_file_that_comes_later_is_found(tmp_path: Path, place: Place) -> None:
    mine = makers.pool(tmp_path / "data", makers.frame())
    (tmp_path / "data" / "pool.csv").rename(tmp_path / "kept.csv")
    with pytest.raises(DataError, match="no such file"):
        run(makers.study(mine), place)
    (tmp_path / "kept.csv").rename(tmp_path / "data" / "pool.csv")
    assert run(makers.study(mine), place)


def test_exchanged_coordinates_that_are_possible_are_found_by_the_sea(tmp_path: Path, place: Place) -> None:
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(0, 5, 40), rng.uniform(45, 49, 40)  # France
    table = makers.frame().sample(40, replace=True, random_state=0).reset_index(drop=True)
    good = makers.pool(tmp_path / "good", table.assign(lon=lon, lat=lat))
    assert run(makers.study(good), place)
    bad = makers.pool(tmp_path / "bad", table.assign(lon=lat, lat=lon))
    with pytest.raises(PoolError, match="lie at sea") as caught:
        run(makers.study(bad), place)
    assert "exchange" in caught.value.remedy


def test_real_series(shared_data: Path, place: Place) -> None:
    real = {
        "kind": "table",
        "uri": str(shared_data / "series" / "series_open_meta.csv"),
        "where": "source <> 'presto_fuel_moisture'",
        "columns": ["source"],
        "arrays": {"uri": str(shared_data / "series" / "series_open.npz"), "channels": {"VV": 0, "B2": 2}},
    }
    (draw,) = run(makers.study(real), place)
    described = store.read_json(f"{draw['pool']['uri']}/pool.json")
    assert described["rows"] == 5473 - 2313
    assert described["exact_duplicates"] == 0
    assert described["counts"]["continent"]["North America"] == 1122
