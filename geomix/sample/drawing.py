"""Carries out a recipe: reads the candidates, removes those near tasks, draws, and writes the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from geomix import manifest
from geomix.errors import CompositionError
from geomix.sample import candidates, exclude, stats, strategies
from geomix.sample.candidates import Candidates
from geomix.sample.recipe import Recipe
from geomix.sample.strategies import Ask, Ordered


def write(folder: str, recipe: Recipe, key: str, pool_uri: str | None = None) -> dict[str, int]:
    """Draws `recipe` and writes manifest.parquet and manifest.json into `folder`; counts of what was drawn and left out.

    `key`: the recipe's hash, kept in the manifest. `pool_uri`: a nearer copy of the pool to read from. Raises
    CompositionError, PoolError, DataError.
    """
    everything = _candidates(recipe, pool_uri or str(recipe.pool["uri"]))
    left, removed = _away_from_tasks(everything, recipe)
    ask = recipe.ask
    ordered = strategies.draw(left, ask, recipe.definition)
    text = {name: left.text(name) for name in stats.STRATA if name in left.table.column_names}
    description = {
        **recipe.decides,
        "pool": dict(recipe.pool),
        "recipe": key,
        "excluded": {"near_tasks_km": recipe.near_tasks_km, "rows": removed, "of": len(everything)},
        **_counts(ordered, ask),
        **stats.describe_columns(left.lon, left.lat, text, ordered.positions[: ask.budget]),
    }
    rows = pd.DataFrame(
        {
            "id": left.ids_at(ordered.positions),
            "rank": np.arange(len(ordered.positions), dtype=np.int64),
            "stratum": pd.Series(ordered.strata, dtype=object),
        }
    )
    manifest.write(folder, manifest.Manifest(rows, ask.budget, description))
    return {"drawn": ask.budget, "reserves": len(rows) - ask.budget, "excluded": removed}


def _candidates(recipe: Recipe, pool_uri: str) -> Candidates:
    read = strategies.columns(recipe.definition, recipe.parts)
    columns = None if read is None else [*read, *stats.STRATA]
    return candidates.read(pool_uri, columns, recipe.draw_seed)


def _away_from_tasks(everything: Candidates, recipe: Recipe) -> tuple[Candidates, int]:
    if recipe.places is None or recipe.near_tasks_km <= 0:
        return everything, 0
    near = exclude.near(everything.lon, everything.lat, recipe.places, recipe.near_tasks_km)
    if near.all():
        raise CompositionError(
            f"composition {recipe.label!r}: all {len(everything):,} rows of pool {recipe.pool['name']!r} lie within "
            f"{recipe.near_tasks_km:g} km of a task's place",
            remedy="lower `exclude: near_tasks_km`, or take another pool",
        )
    return everything.keep(~near), int(near.sum())


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
