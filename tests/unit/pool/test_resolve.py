"""Scenes for places: the best item by window, ties, the dateline, what stays unresolved; files and search endpoints."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geomix import config, store, tables
from geomix.errors import DataError, InputError, PoolError
from geomix.pool import build, resolve
from geomix.pool.resolve import NOT_COVERED, NOT_IN_WINDOW, TOO_CLOUDY, Wish
from tests.unit.pool import http_server
from tests.unit.pool.test_stac import collection, item

ITEMS = [
    item("paris-cloudy", (0, 45, 5, 50), "2020-06-05T00:00:00Z", **{"eo:cloud_cover": 60}),
    item("paris-b", (0, 45, 5, 50), "2020-06-10T00:00:00Z", **{"eo:cloud_cover": 10, "s2:nodata_pixel_percentage": 5}),
    item("paris-a", (1, 45, 5, 50), "2020-06-20T00:00:00Z", **{"eo:cloud_cover": 5, "s2:nodata_pixel_percentage": 10}),
    item("paris-july", (0, 45, 5, 50), "2020-07-01T00:00:00Z", **{"eo:cloud_cover": 30, "s2:nodata_pixel_percentage": 0}),
    item("fiji", (177, -19, 183, -15), "2020-06-30T23:59:59Z", **{"eo:cloud_cover": 0, "s2:nodata_pixel_percentage": 0}),
    item("perth", (115, -33, 117, -31), "2019-01-01T00:00:00Z"),
    item("quito", (-80, -2, -76, 1), "2020-06-15T00:00:00Z", **{"eo:cloud_cover": 95, "s2:nodata_pixel_percentage": 0}),
]
PLACES = pd.DataFrame(
    {
        "name": ["paris", "fiji", "perth", "quito", "ocean"],
        "lon": [2.35, -179.5, 116.0, -78.5, -40.0],
        "lat": [48.85, -17.0, -32.0, -0.2, 30.0],
        "kind": list("abcde"),
    }
)
JUNE = Wish(datetime(2020, 6, 1, tzinfo=UTC), datetime(2020, 7, 1, tzinfo=UTC), max_cloud=0.9)


@pytest.fixture
def pool(tmp_path: Path) -> str:
    """A pool of five places."""
    PLACES.to_csv(tmp_path / "places.csv", index=False)
    table = {"kind": "table", "uri": str(tmp_path / "places.csv"), "id": "name", "columns": ["kind"]}
    build.build(config.TablePool.model_validate(table), {}, str(tmp_path / "pool"))
    return str(tmp_path / "pool")


def items(folder: Path) -> str:
    (folder / "items.json").write_text(json.dumps(collection(ITEMS)))
    return str(folder / "items.json")


def found(out: Path) -> dict[str, dict[str, Any]]:
    return tables.read(str(out / "pool.parquet")).set_index("id").to_dict("index")


def test_the_best_item_of_a_window(tmp_path: Path, pool: str) -> None:
    written = resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), JUNE)
    scenes = found(tmp_path / "out")
    # Two of Paris have 15 % of clouds and nodata: the first by id.
    assert {name: row["href"] for name, row in scenes.items()} == {
        "fiji": str(tmp_path / "fiji.json"),
        "paris": str(tmp_path / "paris-a.json"),
    }
    assert (scenes["paris"]["cloud"], scenes["paris"]["nodata"]) == (pytest.approx(0.05), pytest.approx(0.1))
    assert (scenes["paris"]["kind"], scenes["paris"]["lon"]) == ("a", 2.35)
    assert scenes["paris"]["time"] == pd.Timestamp("2020-06-20", tz="UTC")
    assert written["unresolved"] == {NOT_COVERED: 1, NOT_IN_WINDOW: 1, TOO_CLOUDY: 1}
    lost = tables.read(str(tmp_path / "out" / "unresolved.parquet")).set_index("id")["reason"].to_dict()
    assert lost == {"ocean": NOT_COVERED, "perth": NOT_IN_WINDOW, "quito": TOO_CLOUDY}
    strata = tables.read(str(tmp_path / "out" / "strata.parquet")).set_index("id")
    assert strata.loc["paris", "country"] == "France"
    assert written["strata"] == store.read_json(f"{pool}/pool.json")["strata"]
    assert (written["sign"], written["requester_pays"]) == ("none", False)
    assert resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), JUNE) == written


def test_several_windows_are_several_ids_with_one_place(tmp_path: Path, pool: str) -> None:
    wish = Wish(datetime(2020, 6, 1, tzinfo=UTC), datetime(2020, 8, 1, tzinfo=UTC), every="month")
    written = resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), wish)
    scenes = found(tmp_path / "out")
    assert list(scenes) == ["fiji_202006", "paris_202006", "paris_202007", "quito_202006"]
    assert scenes["paris_202006"]["place"] == scenes["paris_202007"]["place"] == "2.35000,48.85000"
    assert scenes["paris_202007"]["href"] == str(tmp_path / "paris-july.json")
    assert (written["rows"], written["places"]) == (4, 3)
    assert sum(written["unresolved"].values()) == 2 * 5 - 4


def test_a_search_endpoint(tmp_path: Path, pool: str) -> None:
    def answer(path: str, posted: Any) -> tuple[int, Any]:
        west, south, east, north = posted["bbox"]
        boxes = [(one, one["geometry"]["coordinates"][0]) for one in ITEMS]
        inside = [
            one
            for one, ring in boxes
            if min(x for x, _ in ring) <= east
            and max(x for x, _ in ring) >= west
            and min(y for _, y in ring) <= north
            and max(y for _, y in ring) >= south
        ]
        # Fiji is asked for at -179.5: an endpoint knows that its footprint lies there too.
        inside += [one for one in ITEMS if one["id"] == "fiji" and west < -179]
        page = posted.get("page", 0)
        link = {"rel": "next", "href": "/search", "method": "POST", "body": {"page": page + 1}, "merge": True}
        return 200, collection(inside[page : page + 1], *([link] if page + 1 < len(inside) else []))

    with http_server.served(answer) as server:
        server.fail = 1
        wish = Wish(**{**vars(JUNE), "collections": ("s2",)})
        over_http = resolve.resolve(pool, f"{server.url}/search", str(tmp_path / "a"), wish, workers=3)
        posted = [body for _, body in server.seen]
    from_file = resolve.resolve(pool, items(tmp_path), str(tmp_path / "b"), JUNE)
    assert {k: v["cloud"] for k, v in found(tmp_path / "a").items()} == {
        k: v["cloud"] for k, v in found(tmp_path / "b").items()
    }
    assert over_http["unresolved"][NOT_COVERED] == from_file["unresolved"][NOT_COVERED] == 1
    assert all(body["collections"] == ["s2"] and body["datetime"].startswith("2020-06-01T") for body in posted)
    assert {body.get("page", 0) for body in posted} == {0, 1, 2, 3}


def test_the_signing_hook_is_checked_and_kept(tmp_path: Path, pool: str) -> None:
    wish = Wish(**{**vars(JUNE), "sign": "posixpath:basename", "requester_pays": True})
    written = resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), wish)
    assert (written["sign"], written["requester_pays"]) == ("posixpath:basename", True)
    assert found(tmp_path / "out")["fiji"]["href"] == str(tmp_path / "fiji.json")  # as it is: signed ones expire
    for hook, says in (
        ("absent:sign", "absent"),
        ("..x:f", "package"),
        ("math:pi", "not a function"),
        ("math:sqrt", "math:sqrt fails .TypeError"),
        ("builtins:len", "does not return text"),
        ("sys:exit", "sys:exit fails .SystemExit"),
    ):
        with pytest.raises(InputError, match=says):
            resolve.resolve(pool, items(tmp_path), str(tmp_path / "x"), Wish(**{**vars(JUNE), "sign": hook}))


def test_wishes_that_cannot_be_met(tmp_path: Path, pool: str) -> None:
    early = Wish(datetime(2010, 1, 1, tzinfo=UTC), datetime(2011, 1, 1, tzinfo=UTC))
    with pytest.raises(PoolError, match=f"no place was resolved .*4: {NOT_IN_WINDOW}"):
        resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), early)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(InputError, match="before it starts"):
        resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), Wish(JUNE.end, JUNE.start))
    for start in (datetime(2020, 6, 1), datetime(2020, 6, 1, tzinfo=timezone(timedelta(hours=10)))):
        with pytest.raises(InputError, match="is not UTC"):
            Wish(start, JUNE.end)


def test_another_wish_needs_force(tmp_path: Path, pool: str) -> None:
    resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), JUNE)
    other = Wish(JUNE.start, JUNE.end, max_cloud=0.01)
    with pytest.raises(InputError, match="another pool"):
        resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), other)
    resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), other, force=True)
    assert list(found(tmp_path / "out")) == ["fiji"]


def replaced(table: pa.Table, path: Path, **metadata: str) -> None:
    plain = table.replace_schema_metadata(None)
    with pq.ParquetWriter(path, plain.schema) as writer:
        writer.write_table(plain)
        writer.add_key_value_metadata(metadata)


def test_strata_of_another_pool_are_refused(tmp_path: Path, pool: str) -> None:
    strata, out = Path(pool) / "strata.parquet", tmp_path / "out"
    own = pq.read_table(strata)
    others: list[tuple[pa.Table, dict[str, str]]] = [
        (own.set_column(0, "id", pa.array(own["id"].to_pylist()[::-1])), {}),
        (own.slice(0, 3), {}),
        (own, {"geomix.pool_hash": "0" * 64}),
    ]
    for table, metadata in others:
        replaced(table, strata, **metadata)
        with pytest.raises(DataError, match="not of one pool"):
            resolve.resolve(pool, items(tmp_path), str(out), JUNE)
        assert list(out.iterdir()) == []
    replaced(own.select(["id"]), strata)
    with pytest.raises(DataError, match="no table of a pool"):
        resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), JUNE)
    replaced(own, strata)
    assert resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), JUNE)["rows"] == 2
    (Path(pool) / "unfinished.json").write_text("{}")
    with pytest.raises(DataError, match="did not end"):
        resolve.resolve(pool, items(tmp_path), str(tmp_path / "out"), JUNE)
