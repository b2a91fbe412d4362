"""Finds a scene for every place of a pool and time window: `geomix pool resolve`."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geomix import ids, store, tables
from geomix.errors import DataError, InputError, PoolError
from geomix.pool import footprints, http, stac, write
from geomix.pool.build import described, into
from geomix.pool.rows import REFERENCE, STRATUM, VERSION, Source

PLACES_AT_ONCE = 50_000
CELL_DEGREES = 1.0
"""Side of the boxes that a search endpoint is asked for: all their places share an answer."""

NOT_COVERED, NOT_IN_WINDOW, TOO_CLOUDY = "no item covers the place", "no item in the window", "all items over the limits"


@dataclass(frozen=True)
class Wish:
    """Which scenes will do. `start` belongs to the window, `end` does not. Raises InputError for times that are not UTC."""

    start: datetime
    end: datetime
    every: str | None = None
    """month: a window a calendar month, and a sample for each; None: one window."""
    max_cloud: float = 1.0
    max_nodata: float = 1.0
    """Shares; an item that does not say counts as 1."""
    collections: tuple[str, ...] = ()
    """What a search endpoint is asked for; a file is taken whole."""
    asset: str | None = None
    cloud: str = "eo:cloud_cover"
    nodata: str = "s2:nodata_pixel_percentage"
    """Item properties in percent."""
    sign: str = "none"
    """`module:function` that makes an href readable (a token, a presigned URL). Signed hrefs are not stored: they expire, and
    they hold secrets. It is called once now to see that it works, and its name is recorded in pool.json for whoever reads the
    pixels: geomix itself does not read scenes yet."""
    requester_pays: bool = False
    """The reader must offer to pay for the requests; only recorded in pool.json, as `sign` is."""

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            if getattr(self, name).utcoffset() != timedelta(0):
                raise InputError(f"{name}: {getattr(self, name).isoformat()} is not UTC", wanted="a time in UTC")

    def windows(self) -> list[tuple[str, datetime, datetime]]:
        """(suffix of ids, start, end) of each window. Raises InputError."""
        if self.start >= self.end:
            raise InputError(f"the window ends ({self.end:%Y-%m-%d}) before it starts ({self.start:%Y-%m-%d})")
        if self.every is None:
            return [("", self.start, self.end)]
        if self.every != "month":
            raise InputError(f"every: {self.every!r}", wanted="month")
        found, start = [], self.start
        while start < self.end:
            year, month = divmod(start.year * 12 + start.month, 12)
            following = min(datetime(year, month + 1, 1, tzinfo=UTC), self.end)
            found.append((f"_{start:%Y%m}", start, following))
            start = following
        return found


Find = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], list[stac.Items]]
"""Items that may hold some places (longitude, latitude)."""


def resolve(
    pool_uri: str,
    stac_uri: str,
    out: str,
    wish: Wish,
    workers: int = 8,
    progress: write.Progress | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Writes a pool of scenes into `out` and returns its pool.json; `unresolved` in it counts the rest by reason.

    For every place of the pool at `pool_uri` and every window, the item with the least cloud + nodata that holds the place
    (ties by item id). A place visited in several windows is several ids, `<id>_201906`, with one `place`.
    unresolved.parquet: id, reason. `stac_uri`: an ItemCollection or stac-geoparquet file (any URI), or a STAC API's search
    endpoint (`http(s)://.../search`), asked by POST with `workers` requests at once. `force`: replace another pool in `out`.
    Raises PoolError, DataError, InputError, UnavailableError.
    """
    old, windows, sign = described(pool_uri), wish.windows(), _hook(wish.sign)
    with tempfile.TemporaryDirectory(prefix="geomix-resolve-") as name:
        scratch = Path(name)
        fields = stac.Fields(wish.asset, wish.cloud, wish.nodata)
        decides: dict[str, Any] = {"wish": json.loads(json.dumps(vars(wish), default=str))}
        if stac_uri.split("?", 1)[0].endswith("/search"):
            # What an archive holds changes: its address stands for it.
            inputs = {"pool": str(old["pool_hash"]), "search": ids.sha256(stac_uri)}
            search = _Search(stac_uri, wish, fields, workers)
            find: Find = search.items
        else:
            catalogue = stac.Catalogue(stac_uri, fields, scratch)
            inputs = {"pool": str(old["pool_hash"]), "items": catalogue.digest()}
            known = list(catalogue.items())
            find = lambda lon, lat: known  # noqa: E731
        matcher = _Matcher(windows, wish, sign, scratch / "unresolved.parquet")

        def work() -> dict[str, Any]:
            source = Source(
                f"{pool_uri} resolved with {http.shown(stac_uri)}",
                str(old["kind"]),
                None,
                lambda: matcher.blocks(_places(pool_uri, old, scratch), find),
                ids.canonical_json({"places": "resolved", "asset": wish.asset}),
                matcher.notes,
                strata=old["strata"],
            )
            content = write.write(out, source, {}, progress)
            store.publish(matcher.unresolved, store.join(out, "unresolved.parquet"))
            return content

        return into(out, decides, inputs, work, force)


class _Matcher:
    """Chooses the items; `notes` and the file `unresolved` are complete when `blocks` has ended."""

    def __init__(self, windows: list[Any], wish: Wish, sign: Callable[[str], str] | None, unresolved: Path) -> None:
        self._windows, self._wish, self._sign, self.unresolved = windows, wish, sign, unresolved
        self.counts: dict[str, int] = {}
        self.notes = {"unresolved": self.counts, "sign": wish.sign, "requester_pays": wish.requester_pays}

    def blocks(self, places: Iterator[pa.Table], find: Find) -> Iterator[pa.Table]:
        schema, resolved = pa.schema([("id", pa.string()), ("reason", pa.string())]), 0
        index: tuple[Sequence[stac.Items], Any, Any] | None = None
        with pq.ParquetWriter(self.unresolved, schema, compression="zstd") as writer:
            for rows in places:
                lon, lat = rows["lon"].to_numpy(), rows["lat"].to_numpy()
                found = find(lon, lat)
                if index is None or index[0] is not found:
                    items = _together(found)
                    index = (found, items, footprints.Index(items.geometry))
                for block, lost in self._windowed(rows, index[1], *index[2].holding(lon, lat)):
                    writer.write_table(lost.cast(schema))
                    for pair in pc.value_counts(lost["reason"]).to_pylist():
                        self.counts[pair["values"]] = self.counts.get(pair["values"], 0) + int(pair["counts"])
                    resolved += len(block)
                    if len(block):
                        yield block
        if not resolved:
            why = "; ".join(f"{count}: {reason}" for reason, count in sorted(self.counts.items()))
            raise PoolError(f"no place was resolved ({why})", remedy="check the window, the collection and the limits")

    def _windowed(
        self, rows: pa.Table, items: stac.Items, place: npt.NDArray[np.int64], item: npt.NDArray[np.int64]
    ) -> Iterator[tuple[pa.Table, pa.Table]]:
        """For each window: the rows that have a scene, and (id, reason) of those that have none."""
        cloud, nodata = (pc.fill_null(values, 1.0).to_numpy() for values in (items.cloud, items.nodata))
        order = np.lexsort((np.array(items.id.to_pylist(), dtype=object), cloud + nodata)) if len(cloud) else np.empty(0, int)
        rank = np.empty(len(cloud), dtype=np.int64)
        rank[order] = np.arange(len(cloud))
        fine = (cloud <= self._wish.max_cloud) & (nodata <= self._wish.max_nodata)
        time = items.time.cast(pa.int64()).to_numpy(zero_copy_only=False)
        covered = np.bincount(place, minlength=len(rows)) > 0
        for suffix, start, end in self._windows:
            within = (time[item] >= start.timestamp()) & (time[item] < end.timestamp())
            usable = within & fine[item]
            best = np.full(len(rows), len(cloud), dtype=np.int64)
            np.minimum.at(best, place[usable], rank[item[usable]])
            there = np.bincount(place[within], minlength=len(rows)) > 0
            has = best < len(cloud)
            reason = np.where(~covered, NOT_COVERED, np.where(~there, NOT_IN_WINDOW, TOO_CLOUDY))
            names = pc.binary_join_element_wise(rows["id"].combine_chunks(), suffix, "")
            lost = pa.table({"id": names.filter(pa.array(~has)), "reason": pa.array(reason[~has], pa.string())})
            yield self._block(rows.filter(pa.array(has)), names.filter(pa.array(has)), items, order[best[has]]), lost

    def _block(self, rows: pa.Table, names: pa.Array, items: stac.Items, chosen: npt.NDArray[np.int64]) -> pa.Table:
        at = pa.array(chosen, pa.int64())
        if self._sign is not None and len(chosen):
            first = items.href.take(at.slice(0, 1))[0].as_py()
            if first is not None:
                _try(self._wish.sign, self._sign, first)
            self._sign = None  # once is enough
        new = {"id": names, "time": items.time, "href": items.href, "cloud": items.cloud, "nodata": items.nodata}
        for name, values in new.items():
            kind = tables.POOL_SCHEMA.field(name).type
            values = values if name == "id" else values.take(at)
            rows = rows.set_column(rows.column_names.index(name), name, values.cast(kind))
        rows = rows.append_column(REFERENCE, items.reference.take(at))
        return rows.append_column(VERSION, items.id.take(at))


class _Search:
    """A STAC API's search endpoint, asked box by box."""

    def __init__(self, url: str, wish: Wish, fields: stac.Fields, workers: int) -> None:
        self._url, self._wish, self._fields, self._workers = url, wish, fields, workers

    def items(self, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> list[stac.Items]:
        cells = np.stack([np.floor(lon / CELL_DEGREES), np.floor(lat / CELL_DEGREES)], axis=1)
        _, cell = np.unique(cells, axis=0, return_inverse=True)
        boxes = [(lon[cell == c], lat[cell == c]) for c in range(int(cell.max()) + 1)]
        with ThreadPoolExecutor(self._workers) as crowd:
            return [items for pages in crowd.map(lambda box: self._ask(*box), boxes) for items in pages]

    def _ask(self, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> list[stac.Items]:
        edge = 1e-4  # endpoints refuse a box without area
        low, high = (np.array([f(lon), f(lat)]) for f in (np.min, np.max))
        low, high = np.maximum(low - edge, [-180, -90]), np.minimum(high + edge, [180, 90])
        stamp = "%Y-%m-%dT%H:%M:%SZ"
        body: dict[str, Any] = {
            "bbox": [round(float(x), 6) for x in (*low, *high)],
            "datetime": f"{self._wish.start:{stamp}}/{self._wish.end:{stamp}}",
            "limit": 200,
        }
        if self._wish.collections:
            body["collections"] = list(self._wish.collections)
        pages = stac.pages_of(self._url, body)
        return [stac.json_items(stac.parse(data, uri), uri, self._fields) for uri, data in pages]


def _together(pages: Sequence[stac.Items]) -> stac.Items:
    """All items, each once (neighbouring boxes share some)."""
    if not pages:
        empty = {name: pa.array([], kind) for name, kind in _KINDS.items()}
        return stac.Items(geometry=np.empty(0, dtype=object), **empty)
    columns = {name: pa.concat_arrays([getattr(page, name) for page in pages]) for name in _KINDS}
    geometry = np.concatenate([page.geometry for page in pages])
    _, first = np.unique(np.array(columns["id"].to_pylist(), dtype=str), return_index=True)
    return stac.Items(geometry=geometry[first], **{name: c.take(pa.array(first)) for name, c in columns.items()})


_KINDS: Mapping[str, Any] = {
    "id": pa.string(),
    "time": pa.timestamp("s", tz="UTC"),
    "href": pa.string(),
    "reference": pa.string(),
    "cloud": pa.float64(),
    "nodata": pa.float64(),
}


def _places(pool_uri: str, pool: Mapping[str, Any], scratch: Path) -> Iterator[pa.Table]:
    """The rows of a pool with their strata, a few at once, in order of id. `pool`: its pool.json. Raises DataError."""
    parts = [tables.files(store.join(pool_uri, name)) for name in _TABLES]
    if len(parts[0]) != len(parts[1]):
        raise _apart(pool_uri)
    for uris in zip(*parts, strict=True):
        try:
            yield from _rows(pool_uri, pool, [store.local_copy(uri, scratch) for uri in uris])
        except (pa.ArrowException, KeyError, ValueError, OSError) as error:
            said = (str(error).splitlines() or [""])[0]
            raise DataError(f"{' or '.join(uris)} is no table of a pool ({said})", remedy="build the pool again") from None


def _rows(pool_uri: str, pool: Mapping[str, Any], paths: Sequence[Path]) -> Iterator[pa.Table]:
    places, classes = (pq.ParquetFile(path) for path in paths)
    with places, classes:
        if places.metadata.num_rows != classes.metadata.num_rows or any(
            _pool_hash(file) not in (None, pool["pool_hash"]) for file in (places, classes)
        ):
            raise _apart(pool_uri)
        for rows, found in zip(places.iter_batches(PLACES_AT_ONCE), classes.iter_batches(PLACES_AT_ONCE), strict=True):
            # Strata are joined by position.
            if not rows.column("id").equals(found.column("id")):
                raise _apart(pool_uri)
            table = pa.Table.from_batches([rows]).drop_columns(["id64", "geometry"])
            for name in pool["strata"]:
                table = table.append_column(STRATUM + name, pa.chunked_array([found.column(name)]))
            yield table


def _pool_hash(file: pq.ParquetFile) -> str | None:
    found = (file.metadata.metadata or {}).get(b"geomix.pool_hash")
    return None if found is None else str(found, "utf-8")


def _apart(pool_uri: str) -> DataError:
    return DataError(
        f"{pool_uri}: {' and '.join((*_TABLES, 'pool.json'))} are not of one pool",
        wanted="files that one command wrote",
        remedy="build the pool again, with --force",
    )


_TABLES = ("pool.parquet", "strata.parquet")


def _hook(name: str) -> Callable[[str], str] | None:
    if name == "none":
        return None
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:  # an import runs the user's code
        raise InputError(f"sign: {name}: {error}", wanted="module:function, or none") from error
    if not callable(found):
        raise InputError(f"sign: {name} is not a function", wanted="module:function, or none")
    return found  # type: ignore[no-any-return]


def _try(name: str, sign: Callable[[str], str], href: str) -> None:
    try:
        signed = sign(href)
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"
        raise InputError(f"sign: {name} fails ({said})", wanted="a function of an href to an href") from error
    if not isinstance(signed, str):
        raise InputError(f"sign: {name} does not return text", wanted="a function of an href to an href")
