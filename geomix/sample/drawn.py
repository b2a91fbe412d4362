"""What manifests drew: the coordinates, classes and numbers of their rows, read from their pools part by part."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geomix import manifest, store
from geomix.errors import DataError, PoolError
from geomix.sample import stats

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@dataclass
class Pool:
    """A pool as a whole: `cells`, candidates in each equal-area cell, and `counts`, stratum -> class -> candidates."""

    name: str
    uri: str
    hash: str
    synthetic: bool
    rows: int = 0
    cells: I64 = field(default_factory=lambda: stats.cell_counts(np.empty(0), np.empty(0)))
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass
class Composition:
    """The draw of one manifest (without its reserves), rows in order of id.

    `positions`: rows of the pool, int64 [n]; `lon`, `lat`: degrees, WGS84, float64 [n]; `text` and `number`: its strata and
    measured columns, of classes and of numbers.
    """

    label: str
    uri: str
    description: Mapping[str, Any]
    pool: Pool
    ids: pa.Array
    reserves: int
    positions: I64
    lon: F64
    lat: F64
    text: dict[str, stats.Text] = field(default_factory=dict)
    number: dict[str, F64] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)


def read(manifests: Sequence[str]) -> list[Composition]:
    """The draws of manifest folders, in that order; pools are read once each. Raises DataError, PoolError."""
    pools: dict[str, Pool] = {}
    found = []
    for uri in manifests:
        if not store.exists(store.join(uri, "manifest.json")):
            raise DataError(f"{uri}: no manifest here", wanted="a folder with manifest.parquet and manifest.json")
        content = manifest.read(uri)
        asked = dict(content.description["pool"])
        if asked["hash"] not in pools:
            pools[asked["hash"]] = _pool(uri, asked)
        ids = pa.array(content.drawn["id"], pa.string())
        none = np.empty(0, dtype=np.int64), np.empty(0), np.empty(0)
        label = _label(uri, content.description)
        found.append(Composition(label, uri, content.description, pools[asked["hash"]], ids, len(content.reserves), *none))
    _tell_apart(found)
    for pool in pools.values():
        _fill(pool, [c for c in found if c.pool is pool])
    return found


def _label(uri: str, description: Mapping[str, Any]) -> str:
    folders = [p for p in uri.rstrip("/").split("/") if not re.fullmatch(r"attempt-\d+|[0-9a-f]{32,}|\.", p)]
    if folders and uri.rstrip("/").endswith(folders[-1]):
        # A folder that somebody named, or one a draw seed inside it (`geomix sample draw`).
        return f"{folders[-2]}/{folders[-1]}" if re.fullmatch(r"-?\d+", folders[-1]) and len(folders) > 1 else folders[-1]
    settings = description.get("parameters") or {}
    told = ", ".join(f"{k} {v}" for k, v in settings.items() if isinstance(v, (str, int, float)))
    seed = description.get("draw_seed")
    name = f"{description.get('strategy', 'composition')}{f' ({told})' if told else ''}"
    return name if seed is None else f"{name}, draw {seed}"


def _tell_apart(found: Sequence[Composition]) -> None:
    labels = [c.label for c in found]
    for at, composition in enumerate(found):
        if labels.count(composition.label) > 1:
            composition.label = f"{composition.label} #{labels[: at + 1].count(labels[at])}"


def _pool(manifest_uri: str, asked: Mapping[str, Any]) -> Pool:
    for uri in _places_of_pool(manifest_uri, str(asked["uri"])):
        if not store.exists(store.join(uri, "pool.parquet")):
            continue
        about = store.join(uri, "pool.json")
        description = store.read_json(about) if store.exists(about) else {}
        if description.get("pool_hash", asked["hash"]) == asked["hash"]:
            return Pool(str(asked.get("name", "pool")), uri, str(asked["hash"]), bool(description.get("synthetic", False)))
    raise PoolError(
        f"{manifest_uri}: its pool is not at {asked['uri']}, nor beside the manifest",
        wanted=f"the pool of hash {asked['hash'][:12]}",
        remedy="move the pool back, or draw the composition again",
    )


def _places_of_pool(manifest_uri: str, pool_uri: str) -> list[str]:
    # Manifests remember where their pool was when they were drawn; both may have been moved together since.
    found = [pool_uri, store.join(manifest_uri, pool_uri)]
    above, tail = manifest_uri.rstrip("/").split("/"), pool_uri.rstrip("/").split("/")
    for kept in (3, 2, 1):
        for depth in range(len(above) - 1, max(0, len(above) - 7), -1):
            root = "/".join(above[:depth])
            if root and not root.endswith((":", "/")):
                found.append(store.join(root, *tail[-kept:]))
    return found


def _fill(pool: Pool, compositions: Sequence[Composition]) -> None:
    """Reads the pool's tables, one part after the other, and keeps what the compositions drew."""
    gathered: list[list[_Rows]] = [[] for _ in compositions]
    names: dict[str, dict[str, int]] = {}
    totals: dict[str, I64] = {}
    own = {column for c in compositions for column in _columns_of(c.description)}
    with tempfile.TemporaryDirectory() as folder:
        for part in _parts(pool.uri):
            place, columns = _read_part(pool.uri, part, Path(folder), own)
            lon, lat = (np.asarray(place[c].to_numpy(), dtype=np.float64) for c in ("lon", "lat"))
            pool.cells = pool.cells + stats.cell_counts(lon, lat)
            taken = [_found(place["id"], c.ids) for c in compositions]
            for rows, at in zip(gathered, taken, strict=True):
                rows.append(_Rows(at + pool.rows, lon[at], lat[at]))
            for name, column in columns.items():
                if pa.types.is_floating(column.type):
                    values = np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
                    for rows, at in zip(gathered, taken, strict=True):
                        rows[-1].number[name] = values[at]
                    continue
                codes = _codes(column, names.setdefault(name, {}))
                counted = np.bincount(codes[codes >= 0], minlength=len(names[name]))
                before = totals.get(name, np.empty(0, dtype=np.int64))
                totals[name] = counted + np.pad(before, (0, len(counted) - len(before)))
                for rows, at in zip(gathered, taken, strict=True):
                    rows[-1].codes[name] = codes[at]
            pool.rows += len(lon)
    pool.counts = {s: {n: int(totals[s][code]) for n, code in sorted(known.items())} for s, known in names.items()}
    for composition, parts in zip(compositions, gathered, strict=True):
        _keep(composition, parts, names)


@dataclass
class _Rows:
    positions: I64
    lon: F64
    lat: F64
    codes: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    number: dict[str, F64] = field(default_factory=dict)


def _keep(composition: Composition, parts: Sequence[_Rows], names: Mapping[str, Mapping[str, int]]) -> None:
    composition.positions = np.concatenate([p.positions for p in parts])
    if len(composition.positions) != len(composition.ids):
        raise DataError(
            f"{composition.uri}: {len(composition.ids):,} samples, of which its pool holds {len(composition.positions):,}",
            wanted=f"ids of the pool at {composition.pool.uri}, each once",
            remedy="draw the composition again",
        )
    composition.lon, composition.lat = (np.concatenate([getattr(p, c) for p in parts]) for c in ("lon", "lat"))
    for stratum, known in names.items():
        composition.text[stratum] = np.concatenate([p.codes[stratum] for p in parts]), list(known)
    for column in parts[0].number:
        composition.number[column] = np.concatenate([p.number[column] for p in parts])


def _parts(uri: str) -> list[str]:
    """Names of the parts of a pool's tables; one empty name if they are single files."""
    return [n for n in store.list_names(store.join(uri, "pool.parquet")) if n.startswith("part-")] or [""]


def _columns_of(description: Mapping[str, Any]) -> list[str]:
    """Columns that a composition was drawn by, and its parts."""
    drawn_by = [description.get("parameters") or {}, *(description.get("parts") or {}).values()]
    found = [one.get(key) for one in drawn_by for key in ("by", "column")]
    return [name for name in found if isinstance(name, str)] + [c for one in drawn_by for c in one.get("columns") or ()]


def _read_part(uri: str, part: str, folder: Path, own: Collection[str]) -> tuple[pa.Table, dict[str, pa.ChunkedArray]]:
    """id, lon and lat of a part's rows, and the columns of strata, of what was measured, and those of the user's in `own`.

    The user's other columns may hold anything, a name for every row too: they are not described.
    """
    beneath = [part] if part else []
    place = _table(store.join(uri, "pool.parquet", *beneath), folder, ["id", "lon", "lat"], own)
    columns: dict[str, pa.ChunkedArray] = {c: place[c] for c in place.column_names if c not in ("id", "lon", "lat")}
    for name in ("strata.parquet", "measured.parquet"):
        one = store.join(uri, name, *beneath)
        if not store.exists(one):
            continue
        table = _table(one, folder, None)
        if "id" not in table.column_names or not table["id"].cast(pa.string()).equals(place["id"].cast(pa.string())):
            raise PoolError(
                f"{one} does not hold the pool's ids, in their order",
                wanted=f"{len(place):,} rows, one an id",
                remedy="remove the pool's folder and build it again",
            )
        columns |= {c: table[c] for c in table.column_names if c != "id"}
    return place, columns


def _table(uri: str, folder: Path, columns: list[str] | None, also: Collection[str] = ()) -> pa.Table:
    """The table at `uri` with `columns` (None: all), and those of `also` that it has."""
    try:
        path = store.local_copy(uri, folder)
        if columns is not None:
            columns = [*columns, *(c for c in pq.read_schema(path).names if c in also and c not in columns)]
        return pq.read_table(path, columns=columns, memory_map=True)
    except FileNotFoundError:
        raise DataError(f"{uri}: no such file", remedy="build the pool again") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{uri}: not a readable table ({error})", remedy="build the pool again") from None


def _found(pool_ids: pa.ChunkedArray, ids: pa.Array) -> I64:
    """Rows of the pool's part that a manifest names, in order: int64."""
    held = pc.is_in(pool_ids.cast(pa.string()), value_set=ids)
    return np.flatnonzero(held.to_numpy())


def _codes(column: pa.ChunkedArray, known: dict[str, int]) -> npt.NDArray[np.int32]:
    """Code of each row, int32, -1 where null; classes seen first are added to `known` (name -> code)."""
    if pa.types.is_null(column.type):
        return np.full(len(column), -1, dtype=np.int32)
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = [np.empty(0, dtype=np.int32)]
    for chunk in coded.chunks:
        names = chunk.dictionary.cast(pa.string()).to_pylist()
        used = np.unique(chunk.indices.drop_null().to_numpy())
        renamed = np.full(len(names) + 1, -1, dtype=np.int32)  # code -1 takes the last
        renamed[used] = [-1 if names[u] is None else known.setdefault(names[u], len(known)) for u in used]
        codes.append(renamed[np.asarray(chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)])
    return np.concatenate(codes)
