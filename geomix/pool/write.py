"""Writes a pool's folder, block by block: pool.parquet, strata.parquet and pool.json, checked and hashed on the way."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from geomix import atlas, sql, store, tables
from geomix.errors import PoolError
from geomix.pool import coordinates, hashes, sorting
from geomix.pool.parts import Parts
from geomix.pool.rows import BLOCK_SCHEMA, REFERENCE, STRATUM, VERSION, Source
from geomix.pool.strata import Counts, Strata

Progress = Callable[[int], None]
"""Called with the number of rows written so far."""


def write(folder: str, source: Source, strata: Strata, progress: Progress | None = None) -> dict[str, Any]:
    """Writes the pool of `source` into `folder` (local or s3) and returns the content of its pool.json.

    Nothing is left in `folder` if anything is wrong. Raises PoolError (repeated ids, places off the Earth, no rows) and what
    the source raises.
    """
    local = store.local_path(folder) if store.is_local(folder) else None
    if local is not None:
        local.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=local) as scratch:
        return _Writing(folder, source, strata, Path(scratch), progress).run()


class _Writing:
    """One pool on its way to its folder."""

    def __init__(self, folder: str, source: Source, strata: Strata, scratch: Path, progress: Progress | None) -> None:
        self.folder, self.source, self.strata, self.scratch, self.progress = folder, source, strata, scratch, progress
        self.pool = Parts(scratch, "pool.parquet")
        self.classes = Parts(scratch, "strata.parquet", store_schema=False)
        self.hash = hashes.PoolHash(source.content)
        self.columns: dict[str, hashes.ColumnHash] = {}
        self.counts = Counts()
        self.exchange = coordinates.Exchange(source.name, source.kind)
        self.own: list[str] = []
        self.rows = self.merged = 0
        self.places_are_ids = True

    def run(self) -> dict[str, Any]:
        try:
            for block in self._checked():
                self._add(block)
        except BaseException:
            self.close()
            raise
        if not self.rows:
            raise PoolError(f"{self.source.name}: no rows")
        if self.source.may_be_exchanged:
            self.exchange.refuse()
        sources = self.source.strata or {name: stratum.source().to_json() for name, stratum in self.strata.items()}
        pool_hash = self.hash.hexdigest()
        self.pool.finish({"geo": tables.geo_metadata(), "geomix.pool_hash": pool_hash})
        self.classes.finish({"geomix.strata": json.dumps(sources, sort_keys=True), "geomix.pool_hash": pool_hash})
        content = {
            "pool_hash": pool_hash,
            "rows": self.rows,
            "places": self._places(),
            "kind": self.source.kind,
            "modality": self.source.modality,
            "synthetic": self.source.kind == "earth",
            "content": self.source.content,
            "columns": self.own,
            "strata": {name: dict(described) for name, described in sources.items()},
            "counts": self.counts.to_json(),
            "column_hashes": {name: found.hexdigest() for name, found in self.columns.items()},
            **({"exact_duplicates": self.merged} if self.source.merge else {}),
            **self.source.notes,
        }
        for parts in (self.pool, self.classes):
            parts.publish(self.folder)
        store.write_json(store.join(self.folder, "pool.json"), content)
        return content

    def close(self) -> None:
        for parts in (self.pool, self.classes):
            parts.close()

    def _checked(self) -> Iterator[pa.Table]:
        """Blocks in order of id, each id once, places on the Earth."""
        blocks = self.source.blocks()
        last: str | None = None
        for block in blocks if self.source.ordered else sorting.by_id(blocks, self.scratch):
            if not block.num_rows:
                continue
            coordinates.refuse_off_earth(block, self.source.name)
            ids = block["id"].combine_chunks()
            same = pc.equal(ids, pa.concat_arrays([pa.array([last], ids.type), ids.slice(0, len(ids) - 1)]))
            same = pc.fill_null(same, False)
            if pc.any(same).as_py():
                if not self.source.merge:
                    self._refuse_repeated(ids.filter(same))
                self.merged += pc.sum(same).as_py()
                block = block.filter(pc.invert(same))
            last = ids[-1].as_py()
            if block.num_rows:
                yield block

    def _refuse_repeated(self, repeated: pa.Array) -> None:
        some = ", ".join(map(repr, list(dict.fromkeys(repeated.slice(0, 1000).to_pylist()))[:5]))
        raise PoolError(
            f"{self.source.name}: ids are repeated: {some}",
            wanted="ids that are unique; visits of one place are different ids that share a `place`",
            remedy="remove the repeated rows, or name a column of unique ids",
        )

    def _add(self, block: pa.Table) -> None:
        own = [n for n in block.column_names if n not in BLOCK_SCHEMA.names and not n.startswith("_")]
        rows = block.select(BLOCK_SCHEMA.names).cast(BLOCK_SCHEMA)
        lon, lat = (rows[name].to_numpy() for name in ("lon", "lat"))
        if self.source.strata is None:
            found = atlas.table(self.strata, lon, lat)
        else:
            found = pa.table({name: block[STRATUM + name] for name in self.source.strata})
        self.hash.update(rows, block[REFERENCE], block[VERSION])
        for name, column in [
            *((name, rows[name]) for name in ("place", "cloud", "nodata")),
            *((name, block[name]) for name in own),
            *((name, found[name]) for name in found.column_names),
        ]:
            self.columns.setdefault(name, hashes.ColumnHash()).update(column)
        self.counts.update(found)
        self.exchange.update(lon, lat, found)
        self.own, self.rows = own, self.rows + len(rows)
        self.places_are_ids = self.places_are_ids and rows["id"].equals(rows["place"])
        table = rows.append_column(tables.POOL_SCHEMA.field("id64"), hashes.id64(rows["id"]))
        for name in own:
            table = table.append_column(block.schema.field(name), block[name])
        self.pool.write(table.append_column("geometry", hashes.points(lon, lat)))
        self.classes.write(pa.table({"id": rows["id"], **{name: found[name] for name in found.column_names}}))
        if self.progress is not None:
            self.progress(self.rows)

    def _places(self) -> int:
        if self.places_are_ids:
            return self.rows
        limits = {"memory_limit": sorting.MEMORY_LIMIT, "temp_directory": str(self.scratch / "duckdb")}
        with duckdb.connect(config=limits) as connection:
            found = connection.sql(f"SELECT count(DISTINCT place) FROM read_parquet({sql.files(self.pool.paths)})").fetchall()
        return int(found[0][0])


def described(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a pool step hands on of its pool.json."""
    return {name: content[name] for name in ("pool_hash", "rows", "places", "synthetic", "modality")}
