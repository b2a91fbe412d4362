"""The sample step: one composition of one pool for one draw seed, and its manifest."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from geomix import atlas, config, ids, manifest, step, store, tables
from geomix.errors import CompositionError
from geomix.sample import candidates, exclude, stats, strategies
from geomix.sample.strategies import Ask, Ordered

SCHEMA = 1

WITHOUT_QUOTA = {"uniform", "where", "onehot", "cities", "spatially_balanced", "farthest_point", "ids"}
"""Strategies whose draw does not depend on `quota:`."""

_COMPOSITION: TypeAdapter[config.Composition] = TypeAdapter(config.Composition)


def run(draw: Mapping[str, Any], place: step.Place) -> str:
    """JSON text with the URI of the manifest's folder, and the draw's composition, draw_seed, pool and plan.

    `draw`: one of `pool.run`'s draws. Draws of equal recipes, whatever their labels, share one folder. Raises
    CompositionError, PoolError, DataError.
    """
    label, draw_seed, pool = str(draw["composition"]), int(draw["draw_seed"]), dict(draw["pool"])
    study = config.Study.model_validate(store.read_json(store.join(draw["plan"], "study.json")))
    definition = _COMPOSITION.validate_python(draw["definition"])
    parts = config.parts(definition, study.compositions)
    ask = Ask(
        budget=study.budget,
        # The thousandth keeps 1000 * 0.29 at 290 and not at 289.
        reserves=math.floor(study.budget * study.reserves + 1e-3),
        draw_seed=draw_seed,
        quota=study.quota,
        name=label,
        parts=parts,
    )
    everything = candidates.read(pool["uri"], None, draw_seed)
    near_km = study.exclude.near_tasks_km
    places = tables.read(store.join(draw["plan"], "places.parquet"), tables.PLACES_SCHEMA.names)
    # Contents of the user's own files count, their paths do not.
    parameters = definition.model_dump(mode="json", exclude={"strategy", "uri"}, exclude_none=True)
    recipe = {
        "strategy": definition.strategy,
        "parameters": parameters,
        "parts": {name: part.model_dump(mode="json", exclude={"uri"}, exclude_none=True) for name, part in parts.items()},
        "draw_seed": draw_seed,
        "budget": ask.budget,
        "reserves": ask.reserves,
        # Only strategies with quotas depend on it.
        "quota": None if {definition.strategy, *(p.strategy for p in parts.values())} <= WITHOUT_QUOTA else study.quota,
        "near_tasks_km": near_km,
    }
    inputs = {"pool": str(pool["hash"]), "columns": candidates.content_hash(everything), **_maps([definition, *parts.values()])}
    if near_km > 0:
        inputs["places"] = exclude.places_hash(places)
    key = ids.step_key("sample", SCHEMA, recipe, inputs)

    def work(folder: str) -> Mapping[str, Any]:
        removed = exclude.near(everything.lon, everything.lat, places, near_km)
        left = everything.keep(~removed)
        if not len(left):
            raise CompositionError(
                f"composition {label!r}: all {len(everything):,} rows of pool {pool['name']!r} lie within {near_km:g} km of a "
                "task's place",
                remedy="lower `exclude: near_tasks_km`, or take another pool",
            )
        ordered = strategies.draw(left, ask, definition)
        description = {
            **recipe,
            "pool": pool,
            "recipe": key,
            "excluded": {"near_tasks_km": near_km, "rows": int(removed.sum()), "of": len(everything)},
            **_counts(ordered, ask),
            **stats.describe(left.table.to_pandas(), ordered.positions[: ask.budget]),
        }
        rows = pd.DataFrame(
            {
                "id": left.ids_at(ordered.positions),
                "rank": np.arange(len(ordered.positions), dtype=np.int64),
                "stratum": pd.Series(ordered.strata, dtype=object),
            }
        )
        manifest.write(folder, manifest.Manifest(rows, ask.budget, description))
        return {"drawn": ask.budget, "reserves": len(rows) - ask.budget, "excluded": int(removed.sum())}

    done = step.run("sample", place, work, schema=SCHEMA, config=recipe, inputs=inputs, label=f"{label}, draw seed {draw_seed}")
    return json.dumps(
        {"manifest": done.uri, "composition": label, "draw_seed": draw_seed, "pool": pool, "plan": draw["plan"]},
        sort_keys=True,
    )


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


def _by_stratum(strata: Any) -> dict[str, int]:
    return dict(sorted(Counter("all" if s is None else str(s) for s in strata).items()))


def _maps(definitions: list[config.Composition]) -> dict[str, str]:
    """Hashes of the packaged maps and of the user's files that the strategies read beside the pool."""
    found = {}
    for one in definitions:
        if isinstance(one, config.Cities):
            largest = strategies.largest(one)
            name = f"cities_{one.top}" if one.uri is None else f"cities_{one.top}_{tables.digest(one.uri)}"
            found[name] = ids.sha256("cities", largest[["name", "lon", "lat"]].to_csv(index=False))
        elif getattr(one, "weight", None) == "area":
            found["land"] = atlas.source("landcover").sha256
        elif isinstance(one, config.Ids):
            found[f"ids_{one.column}"] = tables.digest(one.uri)
    return found
