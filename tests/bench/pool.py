"""Benchmark of draws from a pool of 10 million rows: seconds and peak memory of every strategy, each in its own process.

`python -m tests.bench.pool` prints the table; `python -m tests.bench.pool FOLDER STRATEGY N` is one draw, for the parent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

ROWS, PART, DRAW, RESERVES, SMALLER = 10_000_000, 5_000_000, 700_000, 175_000, 50_000

CONTINENTS = ["Africa", "Antarctica", "Asia", "Europe", "North America", "Oceania", "South America"]

COMPOSITIONS: dict[str, dict[str, Any]] = {
    "uniform": {"strategy": "uniform"},
    "uniform by area": {"strategy": "uniform", "weight": "area"},
    "stratified equal": {"strategy": "stratified", "by": "biome"},
    "stratified proportional": {"strategy": "stratified", "by": "biome", "allocation": "proportional"},
    "stratified sqrt": {"strategy": "stratified", "by": "biome", "allocation": "sqrt"},
    "balanced": {"strategy": "balanced"},
    "onehot": {"strategy": "onehot", "by": "continent", "value": "Africa"},
    "leave_one_out": {"strategy": "leave_one_out", "by": "continent", "value": "Africa"},
    "where": {"strategy": "where", "expr": "biome IN ('biome 01', 'biome 02') AND f1 > 0"},
    "cities": {"strategy": "cities"},
    "clustered": {"strategy": "clustered", "clusters": 100, "radius_km": 500},
    "cluster_balanced": {"strategy": "cluster_balanced", "columns": ["f1", "f2", "f3", "f4"], "clusters": 64},
    "entropy top": {"strategy": "entropy", "mode": "top"},
    "entropy stratified": {"strategy": "entropy", "mode": "stratified"},
    "entropy matched": {"strategy": "entropy", "mode": "matched", "by": "continent", "value": "Africa", "like": "Europe"},
    "mix": {"strategy": "mix", "of": {"uniform": 0.5, "onehot": 0.25, "where": 0.25}},
    "dose": {"strategy": "dose", "of": ["uniform", "onehot"], "percent": [50]},
    "placebo": {"strategy": "placebo", "of": "stratified equal"},
    "ids": {"strategy": "ids", "uri": "ids.parquet"},
    "spatially_balanced": {"strategy": "spatially_balanced"},
    "farthest_point": {"strategy": "farthest_point", "columns": ["f1", "f2", "f3", "f4"], "candidates": 100_000},
}


def made(folder: Path, rows: int = ROWS) -> None:
    """Writes a pool of `rows` rows on land, in parts, as the pool stage leaves one."""
    from geomix import ids
    from geomix.sample.area import is_land

    rng = np.random.default_rng(0)
    for name in ("pool", "strata", "measured"):
        (folder / f"{name}.parquet").mkdir(parents=True)
    for number, start in enumerate(range(0, rows, PART)):
        count = min(PART, rows - start)
        lon, lat = np.empty(0), np.empty(0)
        while len(lon) < count:
            x, y = rng.uniform(-180, 180, 2_000_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 2_000_000)))
            land = is_land(x, y)
            lon, lat = np.append(lon, x[land]), np.append(lat, y[land])
        lon, lat = lon[:count], lat[:count]
        names = pa.array(np.char.mod("%08d", np.arange(start, start + count)))
        # Bands of longitude by rank of latitude: as uneven as continents are.
        continent = np.searchsorted([0.2, 0.27, 0.57, 0.64, 0.81, 0.88], rng.permutation(count) / count).astype(np.int32)
        biome = (14 * rng.beta(1.2, 1.6, count)).astype(np.int32)
        features = rng.normal(size=(count, 4)) + (biome % 4)[:, None]
        pool = {"id": names, "id64": ids.id64(names.to_pylist()), "lon": lon, "lat": lat}
        own = {f"f{k + 1}": features[:, k] for k in range(4)}
        strata = {
            "id": names,
            "continent": pa.DictionaryArray.from_arrays(continent, CONTINENTS),
            "biome": pa.DictionaryArray.from_arrays(biome, [f"biome {k + 1:02d}" for k in range(14)]),
        }
        entropy = np.clip(rng.normal(4 + 0.2 * continent, 1.0), 0, None)
        for name, columns in (
            ("pool", {**pool, **own}),
            ("strata", strata),
            ("measured", {"id": names, "spectral_entropy_pooled": entropy}),
        ):
            pq.write_table(
                _hashed(pa.table(columns)), folder / f"{name}.parquet" / f"part-{number:05d}.parquet", compression="zstd"
            )
    listed = rng.permutation(rows)[: DRAW + RESERVES]
    pd.DataFrame({"id": np.char.mod("%08d", listed)}).to_parquet(folder / "ids.parquet")


def _hashed(table: pa.Table) -> pa.Table:
    """`table` with the pool's hash in its file metadata, as the pool stage writes it."""
    return table.replace_schema_metadata({"geomix.pool_hash": "bench"})


def one(folder: Path, name: str, n: int, reserves: int) -> dict[str, Any]:
    """Reads what the strategy needs, draws, and writes the manifest: seconds of each, and peak memory."""
    import resource

    from pydantic import TypeAdapter

    from geomix import atlas, config, manifest
    from geomix.sample import pool_files, strategies

    atlas.lookup("landcover", np.zeros(1), np.zeros(1))  # packaged maps are read once a process, whatever is drawn
    made_of = {**COMPOSITIONS[name]}
    if "uri" in made_of:
        made_of["uri"] = str(folder / made_of["uri"])
    adapter: TypeAdapter[config.Composition] = TypeAdapter(config.Composition)
    all_of = {label: adapter.validate_python(c) for label, c in COMPOSITIONS.items()}
    definition = adapter.validate_python(made_of)
    parts = config.parts(definition, all_of)
    started = time.perf_counter()
    pool = pool_files.read(str(folder), strategies.columns(definition, parts), 0)
    read = time.perf_counter()
    ask = strategies.Ask(n, reserves, 0, "water_fill", name, parts=parts)
    found = strategies.draw(pool, ask, definition)
    drawn = time.perf_counter()
    rows = pd.DataFrame(
        {
            "id": pool.ids_at(found.positions),
            "rank": np.arange(len(found.positions), dtype=np.int64),
            "stratum": pd.Series(found.strata, dtype=object),
        }
    )
    with tempfile.TemporaryDirectory() as out:
        manifest.write(out, manifest.Manifest(rows, n, {"requested": dict(found.requested)}))
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"read": read - started, "draw": drawn - read, "write": ended - drawn, "all": ended - started, "gib": peak}


def draws() -> list[dict[str, Any]]:
    """A row a strategy: composition, samples, seconds of reading, drawing and writing, and peak memory in GiB."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made(folder)
        for label in COMPOSITIONS:
            sizes = [(DRAW, RESERVES)]
            if label == "spatially_balanced":
                sizes = [(SMALLER, 0), (4 * SMALLER, 0)]
            elif label == "farthest_point":
                sizes = [(2_500, 0), (10_000, 0)]
            found += [{"composition": label, "n": n, **_child(folder, label, n, reserves)} for n, reserves in sizes]
    return found


def _child(folder: Path, label: str, n: int, reserves: int) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.bench.pool", str(folder), label, str(n), str(reserves)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "2"})
    if done.returncode:
        raise RuntimeError(f"{label}: {done.stderr}")
    return dict(json.loads(done.stdout))


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the table of `draws`."""
    table = Table("composition", "samples", "read s", "draw s", "write s", "all s", "peak GiB", title=f"of {ROWS:,} rows")
    for row in rows:
        times = [f"{row[k]:.1f}" for k in ("read", "draw", "write", "all", "gib")]
        table.add_row(row["composition"], f"{row['n']:,}", *times)
    Console(width=120).print(table)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
    else:
        show(draws())
