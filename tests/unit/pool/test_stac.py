"""STAC items as a pool: files, pages of a server, the dateline, and catalogues that are not what was promised."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from geomix import config, store
from geomix.errors import DataError, PoolError, UnavailableError
from geomix.pool import footprints, http, sources, stac, write
from tests.unit.pool import http_server


def item(name: str, bounds: Sequence[float], time: str | None = "2020-06-15T10:00:00Z", **properties: Any) -> dict[str, Any]:
    """A STAC item whose footprint is a box."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": json.loads(shapely.to_geojson(shapely.box(*bounds))),
        "properties": {"datetime": time, **properties},
        "links": [{"rel": "self", "href": f"./{name}.json"}],
        "assets": {"B04": {"href": f"https://data/{name}/B04.tif"}},
    }


def collection(items: list[dict[str, Any]], *links: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": items, "links": list(links)}


def rows(uri: str, scratch: Path, **settings: Any) -> pa.Table:
    pool = config.StacPool.model_validate({"kind": "stac", "uri": uri, **settings})
    return pa.concat_tables(sources.opened(pool, config.Earth(), scratch).source(()).blocks())


SCENES = [
    item("a", (10, 40, 12, 42), **{"eo:cloud_cover": 25, "s2:nodata_pixel_percentage": 2}),
    item("b", (-75, -12, -73, -10), None, start_datetime="2021-01-01T00:00:00.7Z"),
]


def test_items_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text(json.dumps(collection(SCENES)))
    found = rows(str(tmp_path / "items.json"), tmp_path).to_pylist()
    assert [(r["id"], r["lon"], r["lat"], r["href"], r["nodata"]) for r in found] == [
        ("a", 11, 41, str(tmp_path / "a.json"), pytest.approx(0.02)),
        ("b", -74, -11, str(tmp_path / "b.json"), None),
    ]
    assert [r["time"].isoformat() for r in found] == ["2020-06-15T10:00:00+00:00", "2021-01-01T00:00:00+00:00"]
    assert found[0]["cloud"] == 0.25
    named = rows(str(tmp_path / "items.json"), tmp_path, asset="B04", cloud="other", nodata="eo:cloud_cover").to_pylist()
    assert (named[0]["href"], named[0]["cloud"], named[0]["nodata"]) == ("https://data/a/B04.tif", None, 0.25)


def test_a_stac_geoparquet_file_says_the_same(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["a", "b"],
            "geometry": shapely.to_wkb(shapely.box([10, -75], [40, -12], [12, -73], [42, -10])),
            "datetime": pa.array([1592215200_000, None], pa.timestamp("ms", tz="UTC")),
            "start_datetime": pa.array([None, 1609459200_700], pa.timestamp("ms", tz="UTC")),
            "eo:cloud_cover": [25.0, None],
            "s2:nodata_pixel_percentage": [2.0, None],
            "links": [[{"rel": "self", "href": f"./{name}.json"}] for name in "ab"],
            "assets": [{"B04": {"href": f"https://data/{name}/B04.tif"}} for name in "ab"],
        }
    )
    pq.write_table(table, tmp_path / "items.parquet")
    (tmp_path / "items.json").write_text(json.dumps(collection(SCENES)))
    for settings in ({}, {"asset": "B04"}):
        one, other = (rows(str(tmp_path / name), tmp_path, **settings) for name in ("items.json", "items.parquet"))
        assert one.equals(other)
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "items.parquet").read_bytes()[:-30])
    with pytest.raises(DataError, match="not a readable table"):
        rows(str(tmp_path / "torn.parquet"), tmp_path)


def test_pages_of_a_server(tmp_path: Path) -> None:
    def answer(path: str, posted: Any) -> tuple[int, Any]:
        if path == "/items":
            return 200, collection(SCENES[:1], {"rel": "next", "href": "/items?page=2"})
        return (200, collection(SCENES[1:])) if path == "/items?page=2" else (404, {})

    with http_server.served(answer) as server:
        server.fail = 2
        found = rows(f"{server.url}/items", tmp_path)
        assert found["id"].to_pylist() == ["a", "b"]
        assert found["href"].to_pylist()[0] == f"{server.url}/a.json"
        assert found["_reference"].to_pylist()[0] == "./a.json"  # a catalogue that moves keeps its hash
        with pytest.raises(DataError, match=r"/absent: the server answers HTTP 404"):
            rows(f"{server.url}/absent?token=secret", tmp_path)


def test_a_server_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RETRY_SECONDS", 0.5)
    with http_server.served(lambda path, posted: (500, {})) as server, pytest.raises(UnavailableError, match="HTTP 500"):
        rows(f"{server.url}/items", tmp_path)
    circle = collection(SCENES, {"rel": "next", "href": "/items"})
    with http_server.served(lambda path, posted: (200, circle)) as server, pytest.raises(DataError, match="circle"):
        rows(f"{server.url}/items", tmp_path)


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ('{"type": "Catalog", "id": "x"}', DataError, "its type is 'Catalog'"),
        ("[1, 2]", DataError, "no STAC items"),
        ("<html>", DataError, "not JSON"),
        (collection([{**SCENES[0], "geometry": None}]), PoolError, "1 items have no readable geometry, the first is 'a'"),
        (collection([item("c", (0, 0, 1, 1), None)]), PoolError, "no datetime or start_datetime, the first is 'c'"),
        (collection([item("c", (0, 0, 1, 1), "June")]), PoolError, "no times, such as 'June'"),
        (collection([{**SCENES[0], "id": None}]), PoolError, "item 0 has no id"),
        (collection([{**SCENES[0], "id": 17}]), PoolError, "item 0: id is 17"),
        (collection([item("c", (0, 0, 1, 1), 20200101)]), PoolError, "item 'c': datetime is 20200101"),  # type: ignore[arg-type]
        (collection([{**SCENES[0], "geometry": "POINT (0 0)"}]), PoolError, "item 'a': geometry is 'POINT"),
        (collection([{**SCENES[0], "properties": [1]}]), PoolError, r"item 'a': properties is \[1\]"),
        (collection([{**SCENES[0], "links": ["./a.json"]}]), PoolError, "item 'a': a link is './a.json'"),
        (collection([{**SCENES[0], "links": [{"rel": "self", "href": 5}]}]), PoolError, "item 'a': the href of a link is 5"),
        (collection([{**SCENES[0], "assets": ["B04"]}]), PoolError, "item 'a': assets is"),
        (collection([{**SCENES[0], "assets": {"B04": "B04.tif"}}]), PoolError, "item 'a': asset 'B04' is 'B04.tif'"),
        (collection(SCENES, "page2.json"), PoolError, "the page: a link is 'page2.json'"),  # type: ignore[arg-type]
        (collection(SCENES, {"rel": "next", "href": 2}), PoolError, "the href of its `next` link is 2"),
        (collection([item("c", (0, 0, 1, 1), **{"eo:cloud_cover": 101})]), PoolError, "eo:cloud_cover 101"),
    ],
)
def test_what_is_not_stac_is_explained(tmp_path: Path, content: Any, error: type[Exception], says: str) -> None:
    (tmp_path / "items.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(error, match=says):
        rows(str(tmp_path / "items.json"), tmp_path)


def test_missing_files_and_assets_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        rows(str(tmp_path / "absent.json"), tmp_path)
    (tmp_path / "items.json").write_text(json.dumps(collection(SCENES)))
    with pytest.raises(PoolError, match="item 'a' has no asset 'B08'") as caught:
        rows(str(tmp_path / "items.json"), tmp_path, asset="B08")
    assert "B04" in caught.value.wanted
    (tmp_path / "items.json").write_text(json.dumps(collection([{**SCENES[0], "assets": {"B04": {"type": "image/tiff"}}}])))
    with pytest.raises(PoolError, match="item 'a': asset 'B04' has no href"):
        rows(str(tmp_path / "items.json"), tmp_path, asset="B04")


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("id", 7, "item 0: id is 7"),
        ("geometry", "POINT (0 0)", "column geometry is string"),
        ("links", '[{"rel": "self"}]', "item 'a': links is"),
        ("geometry", b"POINT (0 0)", "1 items have no readable geometry, the first is 'a'"),
    ],
)
def test_a_table_that_is_not_stac_geoparquet_is_explained(tmp_path: Path, column: str, value: Any, says: str) -> None:
    columns = {
        "id": "a",
        "geometry": shapely.to_wkb(shapely.box(0, 0, 1, 1)),
        "datetime": "2020-01-01T00:00:00Z",
        column: value,
    }
    pq.write_table(pa.table({name: [one] for name, one in columns.items()}), tmp_path / "items.parquet")
    with pytest.raises(PoolError, match=says):
        rows(str(tmp_path / "items.parquet"), tmp_path)


@pytest.mark.parametrize(
    ("href", "whole"),
    [
        ("../x/a.json", "s3://bucket/x/a.json"),
        ("./a.json", "s3://bucket/items/a.json"),
        ("https://data/a.json", "https://data/a.json"),
        ("/data/a.json", "/data/a.json"),
    ],
)
def test_hrefs_are_made_absolute(href: str, whole: str) -> None:
    own = {**SCENES[0], "links": [{"rel": "self", "href": href}]}
    found = stac.json_items(collection([own]), "s3://bucket/items/page.json", stac.Fields(None, "cloud", "nodata"))
    assert (found.href.to_pylist(), found.reference.to_pylist()) == ([whole], [href])


def test_no_message_tells_what_a_query_holds(tmp_path: Path) -> None:
    answers: list[Any] = [
        b"<html>",
        {"type": "Catalog"},
        collection([{**SCENES[0], "id": None}]),
        collection([{**SCENES[0], "geometry": None}]),
        collection([item("c", (0, 0, 1, 1), "June")]),
        collection([item("c", (0, 0, 1, 1), **{"eo:cloud_cover": 101})]),
        collection([]),
        collection(SCENES, {"rel": "next", "href": "/items?token=secret"}),
    ]
    for answer in answers:
        with http_server.served(lambda path, posted, answer=answer: (200, answer)) as server:  # type: ignore[misc]
            url = f"{server.url}/items?token=secret"
            pool = config.StacPool.model_validate({"kind": "stac", "uri": url})
            with pytest.raises((DataError, PoolError), match=f"{server.url}/items") as caught:
                write.write(str(tmp_path / "out"), sources.opened(pool, config.Earth(), tmp_path).source(()), {})
        assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///items",
        "http://host:port/items",
        "http://host:99999/items",
        "http://host:0/items",
        "http://a b/items",
        "http://[::1/items",
        "http://me:secret@host/items",
        "http://" + "\u00e9" * 80 + "/items",
        "ftp://host/items",
    ],
)
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(DataError, match="no URL that can be asked") as caught:
        http.fetch(url)
    assert "secret" not in caught.value.message


def test_urls_are_quoted(tmp_path: Path) -> None:
    with http_server.served(lambda path, posted: (200, collection(SCENES))) as server:
        rows(f"{server.url}/sc\u00e8nes 1%20/items?q=\u00e9t\u00e9&a=[1]#top", tmp_path)
        assert server.seen[0][0] == "/sc%C3%A8nes%201%20/items?q=%C3%A9t%C3%A9&a=[1]"
    assert http.quoted("https://b\u00fccher.example:8080/a") == "https://xn--bcher-kva.example:8080/a"


def test_footprints_across_the_180th_meridian() -> None:
    split = shapely.MultiPolygon([shapely.box(178, 0, 180, 2), shapely.box(-180, 0, -178, 2)])
    jumping = shapely.Polygon([(179, 0), (-179, 0), (-179, 2), (179, 2)])
    beyond = shapely.box(179, 0, 183, 2)
    world = shapely.box(-180, -90, 180, 90)
    shapes = np.array([split, jumping, beyond, world, shapely.box(0, 0, 2, 2)], dtype=object)
    lon, lat = footprints.centroids(shapes)
    assert np.allclose(np.abs(lon[:2]), 180)
    assert np.allclose(lon[2:], [-179, 0, 1])
    assert np.allclose(lat, [1, 1, 1, 0, 1])
    index = footprints.Index(shapes)
    places = np.array([179.5, -179.5, 0.5, -177.5]), np.array([1.0, 1.0, 1.0, 1.0])
    held: dict[int, list[int]] = {}
    for place, shape in zip(*index.holding(*places), strict=True):
        held.setdefault(int(place), []).append(int(shape))
    assert held == {0: [0, 1, 2, 3], 1: [0, 1, 2, 3], 2: [3, 4], 3: [2, 3]}
