"""Draws from pools that are larger than memory: which those are, and the same draws from passes over their files.

A pool is read whole where its candidates fit into the limit: half of this machine's free memory, or GEOMIX_POOL_MEMORY
(bytes, or with a unit: 8GB, 8GiB). Beyond it the strategies that `reductions` knows draw the same ids in the same order, with
the same counts and statistics, in two to four passes. The others need the whole pool, and say so.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from geomix import config
from geomix.errors import CompositionError, InputError
from geomix.sample import area, passes, reductions, stats, strategies
from geomix.sample.candidates import Candidates
from geomix.sample.pool_files import Opened
from geomix.sample.recipe import Recipe
from geomix.sample.registry import Ordered
from geomix.sample.scan import Scan

LIMIT = "GEOMIX_POOL_MEMORY"
_UNITS: dict[str, int] = {"": 1, "B": 1}
for _n, _p in enumerate("KMGT", 1):
    _UNITS |= {f"{_p}B": 1000**_n, f"{_p}IB": 1024**_n}
_AT_WORK = 2
"""Bytes in use while a strategy draws, as a multiple of the columns that it reads (0002-beyond-memory.md)."""


@dataclass(frozen=True)
class Drawn:
    """What was drawn: rows that hold all of it, and what is known of all candidates."""

    pool: Candidates
    ordered: Ordered
    rows: int
    """Rows of the pool."""
    removed: int
    """Rows of it in the exclusion zone."""
    cells: npt.NDArray[np.int64]
    """Candidates in each base cell (`stats.cell_counts`)."""


def limit() -> int:
    """Bytes that the candidates of a draw may take. Raises InputError if GEOMIX_POOL_MEMORY is not a size."""
    said = os.environ.get(LIMIT, "").strip()
    if not said:
        return _available() // 2
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", said)
    if parsed is None or parsed[2].upper() not in _UNITS or float(parsed[1]) <= 0:
        raise InputError(
            f"{LIMIT}={said!r} is not a size", wanted="bytes, or a number with KB, MB, GB, TB, KiB, MiB, GiB or TiB"
        )
    return round(float(parsed[1]) * _UNITS[parsed[2].upper()])


def needed(pool: Opened) -> int:
    """Bytes that drawing in memory takes, about: twice the columns that are read, as Arrow holds them, and the numbers."""
    numbers = 8 * pool.rows
    return int(_AT_WORK * (numbers + sum(_table_bytes(pool, name) for name in pool.wanted)))


def draw(pool: Opened, recipe: Recipe, room: int) -> Drawn:
    """What `strategies.draw` draws from all candidates outside of the exclusion zone, from passes over the files of `pool`.

    At most `room` bytes of rows are kept at a time, beside a few blocks. Raises CompositionError as `strategies.draw` does,
    and for strategies that need the whole pool; PoolError, DataError.
    """
    _refuse(pool, recipe, room)
    scan = Scan(pool, recipe.draw_seed, recipe.zone, room // 2)
    whole = passes.Whole(room)
    reduction = reductions.of(whole, recipe.ask, recipe.definition)
    looks, first = next(reduction), True
    while True:
        kept = _pass(scan, looks, whole if first else None, recipe, room)
        if first and not whole.rows:
            raise recipe.nothing_left(scan.rows)
        first = False
        try:
            looks = reduction.send([one and replace(one, pool=replace(one.pool, of=whole.rows)) for one in kept])
        except StopIteration as end:
            found: passes.Found = end.value
            break
    return Drawn(found.pool, found.ordered, scan.rows, scan.rows - whole.rows, area.pyramid_of(whole.finest)[0].ravel())


def _pass(scan: Scan, looks: list[passes.Look], whole: passes.Whole | None, recipe: Recipe, room: int) -> passes.Answers:
    """What each look keeps of one pass over the pool; `whole` is told of all candidates."""
    keep = any(look.keeps for look in looks)
    columns: set[str] | None = set(stats.STRATA) if keep else set()
    for look in looks:
        columns = None if columns is None or look.columns is None else columns | set(look.columns)
    kept: list[list[passes.Kept]] = [[] for _ in looks]
    size = 0
    for block, rows in scan.blocks(columns, keep):
        if whole is not None:
            whole.rows += len(block)
            area.add_rows(whole.finest, block.lon, block.lat)
        for look, mine in zip(looks, kept, strict=True):
            mask = look.see(block)
            if mask is not None and look.keeps:
                mine.append(passes.Kept(block.keep(mask), rows[mask]))
                size += mine[-1].pool.table.nbytes + 16 * len(mine[-1].rows)
        if size > room:
            raise CompositionError(
                f"{recipe.ask.who}: the rows that may be drawn take more than {room / 1e9:.2g} GB",
                remedy=f"lower `budget:`, or raise {LIMIT}",
            )
    return [_together(mine) if look.keeps else None for look, mine in zip(looks, kept, strict=True)]


def _together(parts: list[passes.Kept]) -> passes.Kept:
    table = pa.concat_tables([one.pool.table for one in parts])
    numbers, rows = (np.concatenate(a) for a in zip(*((one.pool.numbers, one.rows) for one in parts), strict=True))
    return passes.Kept(Candidates(table, numbers, parts[0].pool.known), rows)


def _refuse(pool: Opened, recipe: Recipe, room: int) -> None:
    """Raises CompositionError for a composition that draws nothing, or that less than the whole pool does not decide."""
    definition = recipe.definition
    several = len(definition.percent) > 1 if isinstance(definition, config.Dose) else getattr(definition, "several", False)
    if several or definition.strategy not in strategies.STRATEGIES:
        nothing = pa.table({"id": pa.array([], pa.string())})
        strategies.draw(Candidates(nothing, np.empty(0, dtype=np.uint64), pool.known), recipe.ask, definition)
    for one in (definition, *recipe.parts.values()):
        if not reductions.reducible(one):
            raise CompositionError(
                f"{recipe.ask.who}: {one.strategy} needs the whole pool in memory, about {needed(pool) / 1e9:.2g} GB",
                wanted=f"at most {room / 1e9:.2g} GB",
                remedy=f"raise {LIMIT} on a machine that has the memory, or take another strategy"
                + (" (farthest_point with `candidates:` can do with less)" if one.strategy == "farthest_point" else ""),
            )


def _table_bytes(pool: Opened, name: str) -> int:
    """Bytes of the wanted columns of a table as Arrow holds them."""
    total = 0
    for path in pool.parts[name]:
        metadata = pq.read_metadata(path)
        for column in pool.wanted[name]:
            kind = pool.schemas[name].field(column).type
            if pa.types.is_dictionary(kind):
                total += 4 * metadata.num_rows
            elif pa.types.is_primitive(kind):
                total += max(kind.bit_width // 8, 1) * metadata.num_rows
            else:
                groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
                chunks = [group.column(n) for group in groups for n in range(group.num_columns)]
                total += sum(c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] == column)
    return total


def _available() -> int:
    """Bytes of memory that are free on this machine, or that this process's control group has at most if that is less."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([free, *_group_limits()])


def _group_limits() -> list[int]:
    found = []
    try:
        groups = [line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return []
    for controllers, inside in groups:
        root, name = ("/sys/fs/cgroup", "memory.max") if not controllers else ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        if controllers and "memory" not in controllers.split(","):
            continue
        path = Path(root, inside.lstrip("/"))
        for folder in (path, *path.parents):
            if not folder.is_relative_to(root):
                break
            try:
                said = (folder / name).read_text().strip()
            except OSError:
                continue  # a container sees its own group at the root
            found += [int(said)] if said.isdigit() else []
    return found
