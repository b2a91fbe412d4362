"""Statistics of compositions as one JSON value: what `geomix sample stats` prints and writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix.sample import area, compare, exclude, spread, stats
from geomix.sample.drawn import Composition, Pool

F64 = npt.NDArray[np.float64]

SCHEMA = 1
"""Raised when a key or a definition of `statistics` changes."""


def statistics(compositions: Sequence[Composition], places_uri: str | None = None) -> dict[str, Any]:
    """Statistics of `drawn.read`'s compositions: shares, spread, distances, and what they have in common.

    pools: one entry a pool, by its hash. compositions: one entry each, in order: strata (`stats.classes`), numbers
    (`stats.numbers`), coverage, neighbours_m, effective, to_uniform, tasks_m (`spread`). overlap: `compare.overlap`. Keys
    that end in `_m` hold metres. `places_uri`: a places.parquet, or the folder of a plan that holds one; without it, tasks_m
    is empty. Numbers are rounded so that they repeat on any machine. Raises DataError.
    """
    places = exclude.read(places_uri) if places_uri is not None else pd.DataFrame(columns=["task", "lon", "lat"])
    land = {c.pool.hash: spread.covered_land(c.pool.cells, area.is_land) for c in compositions}
    cells = [stats.cell_counts(c.lon, c.lat) for c in compositions]
    return {
        "schema": SCHEMA,
        "pools": {c.pool.hash: _pool(c.pool, land[c.pool.hash]) for c in compositions},
        "compositions": [_one(c, held, land[c.pool.hash], places) for c, held in zip(compositions, cells, strict=True)],
        "overlap": {
            "labels": [c.label for c in compositions],
            **compare.overlap([c.pool.hash for c in compositions], [c.positions for c in compositions], cells),
        },
    }


def _pool(pool: Pool, land_km2: F64) -> dict[str, Any]:
    return {
        "name": pool.name,
        "uri": pool.uri,
        "synthetic": pool.synthetic,
        "rows": pool.rows,
        "cells": int((pool.cells > 0).sum()),
        "covered_land_km2": round(float(land_km2.sum())),
        "strata": {name: _pool_stratum(counted, pool.rows) for name, counted in pool.counts.items()},
    }


def _pool_stratum(counted: dict[str, int], rows: int) -> dict[str, Any]:
    nats = stats.entropy(np.array(list(counted.values()), dtype=np.int64))
    return {"shares": stats.shares(counted), "unknown": rows - sum(counted.values()), "entropy": round(nats, 6)}


def _one(c: Composition, cells: npt.NDArray[np.int64], land_km2: F64, places: pd.DataFrame) -> dict[str, Any]:
    index = spread.tree(c.lon, c.lat)
    return {
        "label": c.label,
        "manifest": c.uri,
        "pool": c.pool.hash,
        "strategy": c.description.get("strategy"),
        "draw_seed": c.description.get("draw_seed"),
        "samples": len(c),
        "reserves": c.reserves,
        "strata": {name: stats.classes(*text, len(c.pool.counts[name])) for name, text in c.text.items()},
        "numbers": {name: stats.numbers(values) for name, values in c.number.items()},
        "coverage": stats.coverage(cells, c.pool.cells),
        "neighbours_m": spread.neighbours(index, land_km2),
        "effective": spread.effective(cells, land_km2),
        "to_uniform": spread.to_uniform(cells, land_km2),
        "tasks_m": {
            str(task): spread.to_places(index, *(rows[x].to_numpy(dtype=np.float64, na_value=np.nan) for x in ("lon", "lat")))
            for task, rows in places.groupby("task", sort=True)
        },
    }
