"""Scenes of a STAC ItemCollection (GeoJSON, page by page), a stac-geoparquet file or a search endpoint."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from geomix import config, ids, store
from geomix.errors import DataError, PoolError
from geomix.pool import footprints, http
from geomix.pool.places import times
from geomix.pool.rows import REFERENCE, Source, block

_PARQUET_ROWS = 50_000


@dataclass(frozen=True)
class Items:
    """Scenes [N]. `reference`: the href as the item writes it; `href`: made absolute. Shares 0 to 1, null where unknown."""

    id: pa.Array
    geometry: npt.NDArray[np.object_]
    time: pa.Array
    href: pa.Array
    reference: pa.Array
    cloud: pa.Array
    nodata: pa.Array


@dataclass(frozen=True)
class Fields:
    """What of an item becomes a row: the asset (None: the item's own address) and the names of properties in percent."""

    asset: str | None
    cloud: str
    nodata: str


class Catalogue:
    """The items at a URI. Pages of an HTTP server are fetched once, into `scratch`, and hashed as they are."""

    def __init__(self, uri: str, fields: Fields, scratch: Path) -> None:
        self.uri, self.fields, self._scratch = uri, fields, scratch
        self._fetched: list[tuple[str, Path]] | None = None

    def digest(self) -> str:
        """SHA-256 of all pages. Raises DataError, PoolError, UnavailableError."""
        return ids.sha256(*(path.read_bytes() for _, path in self._pages()))

    def items(self) -> Iterator[Items]:
        """The items, page by page. Raises PoolError, DataError, UnavailableError."""
        for uri, path in self._pages():
            if uri.endswith((".parquet", ".geoparquet")):
                yield from _parquet_items(uri, path, self.fields)
            else:
                yield json_items(parse(path.read_bytes(), uri), uri, self.fields)

    def _pages(self) -> list[tuple[str, Path]]:
        if self._fetched is None:
            self._fetched = []
            parquet = self.uri.split("?", 1)[0].endswith((".parquet", ".geoparquet"))
            pages = [(self.uri, _read(self.uri, None))] if parquet else pages_of(self.uri, None)
            for uri, data in pages:
                path = self._scratch / f"stac-{len(self._fetched):05d}"
                path.write_bytes(data)
                self._fetched.append((uri.split("?", 1)[0] if parquet else uri, path))
        return self._fetched


def source(pool: config.StacPool, catalogue: Catalogue) -> Source:
    """The items of `catalogue` as rows of a pool."""

    def blocks() -> Iterator[pa.Table]:
        for items in catalogue.items():
            lon, lat = footprints.centroids(items.geometry)
            known = {"time": items.time, "href": items.href, "cloud": items.cloud, "nodata": items.nodata}
            yield block(items.id, lon, lat, **known, **{REFERENCE: items.reference})

    content = ids.canonical_json({"places": "stac"})
    return Source(http.shown(pool.uri), "stac", None, blocks, content, may_be_exchanged=True)


def pages_of(uri: str, body: Mapping[str, Any] | None) -> Iterator[tuple[str, bytes]]:
    """(address, bytes) of a feature collection and of those that its `next` links name; `body`: what is posted, if anything."""
    seen = set()
    wanted: tuple[str, Any] | None = (uri, body)
    while wanted is not None:
        mark = json.dumps(wanted, sort_keys=True)
        if mark in seen:
            raise DataError(f"{http.shown(uri)}: its `next` links go in a circle", remedy="tell whoever runs the catalogue")
        seen.add(mark)
        data = _read(*wanted)
        yield wanted[0], data
        wanted = _next(parse(data, wanted[0]), *wanted)


def parse(data: bytes, uri: str) -> dict[str, Any]:
    """A FeatureCollection. Raises DataError for anything else."""
    uri = http.shown(uri)
    try:
        found = json.loads(data)
    except ValueError as error:
        raise DataError(f"{uri}: not JSON ({error})", wanted="a STAC ItemCollection", remedy="is the address right?") from None
    kind = found.get("type") if isinstance(found, dict) else type(found).__name__
    if kind != "FeatureCollection" or not isinstance(found.get("features"), list):
        raise DataError(
            f"{uri}: JSON, but no STAC items (its type is {kind!r})",
            wanted="an ItemCollection: a GeoJSON FeatureCollection of STAC items",
            remedy="name the `items` address of a collection, or a file that a search was saved to",
        )
    return dict(found)


def json_items(page: Mapping[str, Any], uri: str, fields: Fields) -> Items:
    """The items of a page. Raises PoolError for one without id, geometry or time, or without the asset that is asked for."""
    what = http.shown(uri)
    features = page["features"]
    names = [_checked(item, number, what) for number, item in enumerate(features)]
    hrefs = [_href(item, name, what, fields) for item, name in zip(features, names, strict=True)]
    geometry = [json.dumps(item["geometry"]) if item.get("geometry") else None for item in features]
    found = shapely.from_geojson(np.array(geometry, dtype=object), on_invalid="ignore")
    properties = [item.get("properties") or {} for item in features]
    when = [p.get("datetime") or p.get("start_datetime") for p in properties]
    shares = {name: [p.get(getattr(fields, name)) for p in properties] for name in ("cloud", "nodata")}
    return _items(names, found, pa.array(when, pa.string()), hrefs, shares, uri, fields)


def _parquet_items(uri: str, path: Path, fields: Fields) -> Iterator[Items]:
    what = http.shown(uri)
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            lacking = [name for name in ("id", "geometry") if name not in there]
            if lacking or not {"datetime", "start_datetime"} & set(there):
                raise PoolError(f"{what}: no column {', '.join(lacking) or 'datetime'}", wanted="a stac-geoparquet file")
            kind = file.schema_arrow.field("geometry").type
            if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
                raise PoolError(f"{what}: column geometry is {kind}", wanted="WKB, as GeoParquet has it")
            wanted = ["id", "geometry", "datetime", "start_datetime", "links", "assets", fields.cloud, fields.nodata]
            for batch in file.iter_batches(_PARQUET_ROWS, columns=[name for name in wanted if name in there]):
                yield _batch_items(pa.Table.from_batches([batch]), uri, fields)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{what}: not a readable table ({str(error).splitlines()[0]})", remedy="is the file complete?"
        ) from None


def _batch_items(rows: pa.Table, uri: str, fields: Fields) -> Items:
    what = http.shown(uri)
    linked = "links" if fields.asset is None else "assets"
    items = rows.select([name for name in ("id", linked) if name in rows.column_names]).to_pylist()
    names = [_checked(item, number, what) for number, item in enumerate(items)]
    hrefs = [_href(item, name, what, fields) for item, name in zip(items, names, strict=True)]
    geometry = shapely.from_wkb(rows["geometry"].to_numpy(), on_invalid="ignore")
    when = [times(rows[name], f"{what}: {name}") for name in ("datetime", "start_datetime") if name in rows.column_names]
    none = [None] * len(rows)
    shares = {
        name: rows[column].to_pylist() if (column := getattr(fields, name)) in rows.column_names else none
        for name in ("cloud", "nodata")
    }
    return _items(names, geometry, pc.coalesce(*when), hrefs, shares, uri, fields)


def _items(
    names: list[str],
    geometry: npt.NDArray[np.object_],
    when: pa.Array,
    hrefs: list[str | None],
    shares: Mapping[str, list[Any]],
    uri: str,
    fields: Fields,
) -> Items:
    what = http.shown(uri)
    _refuse(shapely.is_missing(geometry) | shapely.is_empty(geometry), names, what, "readable geometry")
    _refuse(when.is_null().to_numpy(zero_copy_only=False), names, what, "datetime or start_datetime")
    parsed = when if pa.types.is_timestamp(when.type) else times(pa.chunked_array([when]), f"{what}: datetime")
    absolute = [href if href is None else _resolved(uri, href) for href in hrefs]
    found = {name: _shares(values, names, what, getattr(fields, name)) for name, values in shares.items()}
    return Items(
        id=pa.array(names, pa.string()),
        geometry=geometry,
        time=parsed,
        href=pa.array(absolute, pa.string()),
        reference=pa.array([href or "" for href in hrefs], pa.string()),
        cloud=found["cloud"],
        nodata=found["nodata"],
    )


def _checked(item: Any, number: int, uri: str) -> str:
    """The id of an item whose parts have the shapes that STAC gives them. Raises PoolError."""
    name = item.get("id") if isinstance(item, dict) else None
    if name is None or name == "":
        raise PoolError(f"{uri}: item {number} has no id", wanted="STAC items")
    _shape(name, str, "id", f"item {number}", uri)
    what = f"item {name!r}"
    for part, kind in (("geometry", dict), ("properties", dict), ("links", list), ("assets", dict)):
        _shape(item.get(part), kind, part, what, uri)
    for part in ("datetime", "start_datetime"):
        _shape((item.get("properties") or {}).get(part), str, part, what, uri)
    for link in item.get("links") or ():
        _shape(link, dict, "a link", what, uri)
        _shape((link or {}).get("href"), str, "the href of a link", what, uri)
    for key, asset in (item.get("assets") or {}).items():
        _shape(asset, dict, f"asset {key!r}", what, uri)
        _shape((asset or {}).get("href"), str, f"the href of asset {key!r}", what, uri)
    return str(name)


_KINDS: Mapping[type, str] = {str: "text", dict: "an object", list: "a list"}


def _shape(value: Any, kind: type, field: str, what: str, uri: str) -> None:
    if value is not None and not isinstance(value, kind):
        text = repr(value)
        text = text if len(text) <= 60 else text[:57] + "..."
        raise PoolError(f"{uri}: {what}: {field} is {text}", wanted=f"{_KINDS[kind]}, as STAC has it")


def _href(item: Mapping[str, Any], name: str, uri: str, fields: Fields) -> str | None:
    if fields.asset is None:
        own = (link.get("href") for link in item.get("links") or () if link and link.get("rel") == "self")
        return next(own, None)
    assets = {key: asset for key, asset in (item.get("assets") or {}).items() if asset is not None}
    if fields.asset not in assets:
        raise PoolError(
            f"{uri}: item {name!r} has no asset {fields.asset!r}",
            wanted=f"one of its assets: {', '.join(sorted(assets)) or 'it has none'}",
        )
    href = assets[fields.asset].get("href")
    if not href:
        raise PoolError(f"{uri}: item {name!r}: asset {fields.asset!r} has no href", wanted="STAC items")
    return str(href)


def _shares(values: list[Any], names: list[str], uri: str, prop: str) -> pa.Array:
    for value, name in zip(values, names, strict=True):
        if value is not None and not (isinstance(value, (int, float)) and 0 <= value <= 100):
            raise PoolError(f"{uri}: item {name!r} has {prop} {value!r}", wanted="percent, 0 to 100")
    return pa.array([None if value is None else value / 100 for value in values], pa.float64())


def _refuse(lacking: npt.NDArray[np.bool_], names: list[str], uri: str, what: str) -> None:
    at = np.flatnonzero(lacking)
    if len(at):
        raise PoolError(
            f"{uri}: {len(at)} items have no {what}, the first is {names[at[0]]!r}",
            remedy="leave these items out of the collection: they have no place or time to be sampled by",
        )


def _next(page: Mapping[str, Any], uri: str, body: Any) -> tuple[str, Any] | None:
    what = http.shown(uri)
    _shape(page.get("links"), list, "links", "the page", what)
    for link in page.get("links") or ():
        _shape(link, dict, "a link", "the page", what)
        if link and link.get("rel") == "next" and link.get("href"):
            _shape(link["href"], str, "the href of its `next` link", "the page", what)
            address = _resolved(uri, link["href"])
            if str(link.get("method", "GET")).upper() != "POST":
                return address, None
            posted = link.get("body") or {}
            _shape(posted, dict, "the body of its `next` link", "the page", what)
            return address, {**body, **posted} if link.get("merge") and body else posted
    return None


def _resolved(uri: str, href: str) -> str:
    """`href`, as the file at `uri` writes it, made absolute."""
    if http.is_http(uri):
        try:
            return urljoin(uri, href)
        except ValueError as error:
            raise PoolError(f"{http.shown(uri)}: href {http.shown(href)!r} ({error})", wanted="an address") from None
    if "://" in href or href.startswith("/"):
        return href
    whole = uri if "://" in uri else str(Path(uri).absolute())
    scheme, mark, path = store.join(whole.rsplit("/", 1)[0], href).rpartition("://")
    return scheme + mark + posixpath.normpath(path)


def _read(uri: str, body: Any) -> bytes:
    if http.is_http(uri):
        return http.fetch(uri, body)
    try:
        return store.read_bytes(uri)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise DataError(f"{uri}: no such file", remedy="check the path") from None
