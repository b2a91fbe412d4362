"""Carries out a recipe: reads the candidates, removes those near tasks, draws, and writes the manifest."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from geomix import manifest
from geomix.errors import CompositionError
from geomix.sample import beyond, pool_files, stats, strategies
from geomix.sample.beyond import Drawn
from geomix.sample.recipe import Recipe
from geomix.sample.strategies import Ask, Ordered


def write(folder: str, recipe: Recipe, key: str, pool_uri: str | None = None) -> dict[str, int]:
    """Draws `recipe` and writes manifest.parquet and manifest.json into `folder`; counts of what was drawn and left out.

    `key`: the recipe's hash, kept in the manifest. `pool_uri`: a nearer copy of the pool to read from. A pool that is too large
    for memory is drawn from in passes (`beyond`), with the same result. Raises CompositionError, PoolError, DataError.
    """
    drawn = _drawn(recipe, pool_uri or str(recipe.pool["uri"]))
    left, ordered, ask = drawn.pool, drawn.ordered, recipe.ask
    text = {name: left.text(name) for name in stats.STRATA if name in left.table.column_names}
    head = ordered.positions[: ask.budget]
    description = {
        **recipe.decides,
        "pool": dict(recipe.pool),
        "recipe": key,
        "excluded": {"near_tasks_km": recipe.near_tasks_km, "rows": drawn.removed, "of": drawn.rows},
        **_counts(ordered, ask),
        **stats.describe_columns(left.lon, left.lat, text, head),
        # Of all candidates: a large pool's rows that were not kept count too.
        "coverage": stats.coverage(stats.cell_counts(left.lon[head], left.lat[head]), drawn.cells),
    }
    rows = pd.DataFrame(
        {
            "id": left.ids_at(ordered.positions),
            "rank": np.arange(len(ordered.positions), dtype=np.int64),
            "stratum": pd.Series(ordered.strata, dtype=object),
        }
    )
    manifest.write(folder, manifest.Manifest(rows, ask.budget, description))
    return {"drawn": ask.budget, "reserves": len(rows) - ask.budget, "excluded": drawn.removed}


def _drawn(recipe: Recipe, pool_uri: str) -> Drawn:
    """The draw, in memory or in passes over the pool's files: by size."""
    read = strategies.columns(recipe.definition, recipe.parts)
    columns = None if read is None else [*read, *stats.STRATA]
    with tempfile.TemporaryDirectory() as folder:
        pool, room = pool_files.opened(pool_uri, columns, Path(folder)), beyond.limit()
        if recipe.budget > pool.rows:
            raise CompositionError(
                f"composition {recipe.label!r}: {pool.rows:,} candidates in all",
                wanted=f"{recipe.budget:,} samples (`budget:`)",
                remedy="lower `budget:`, or take a larger pool",
            )
        if beyond.needed(pool) > room:
            return beyond.draw(pool, recipe, room)
        everything = pool_files.collected(pool, recipe.draw_seed)
    left = everything
    if recipe.zone is not None:
        near = recipe.zone(everything.lon, everything.lat)
        if near.all():
            raise recipe.nothing_left(len(everything))
        left = everything.keep(~near)
    ordered = strategies.draw(left, recipe.ask, recipe.definition)
    return Drawn(left, ordered, len(everything), len(everything) - len(left), stats.cell_counts(left.lon, left.lat))


def _counts(ordered: Ordered, ask: Ask) -> dict[str, Any]:
    return {
        "requested": dict(ordered.requested),
        "drawn": _by_stratum(ordered.strata[: ask.budget]),
        "reserves": {
            "requested": ask.reserves,
            "drawn": len(ordered.positions) - ask.budget,
            "by_stratum": _by_stratum(ordered.strata[ask.budget :]),
        },
        "notes": dict(ordered.notes),
    }


def _by_stratum(strata: Any) -> Mapping[str, int]:
    return dict(sorted(Counter("all" if s is None else str(s) for s in strata).items()))
