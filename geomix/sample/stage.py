"""The sample step: one composition of one pool for one draw seed, and its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from geomix import config, ids, step, store, tables
from geomix.sample import drawing
from geomix.sample.recipe import SCHEMA, Recipe

_COMPOSITION: TypeAdapter[config.Composition] = TypeAdapter(config.Composition)


def run(draw: Mapping[str, Any], place: step.Place) -> str:
    """JSON text with the URI of the manifest's folder, and the draw's composition, draw_seed, pool and plan.

    `draw`: one of `pool.run`'s draws. Draws of equal recipes, whatever their labels, share one folder. Raises
    CompositionError, PoolError, DataError.
    """
    study = config.Study.model_validate(store.read_json(store.join(draw["plan"], "study.json")))
    definition = _COMPOSITION.validate_python(draw["definition"])
    recipe = Recipe(
        label=str(draw["composition"]),
        definition=definition,
        pool=dict(draw["pool"]),
        budget=study.budget,
        draw_seed=int(draw["draw_seed"]),
        reserves=study.reserves,
        quota=study.quota,
        near_tasks_km=study.exclude.near_tasks_km,
        places=tables.read(store.join(draw["plan"], "places.parquet"), tables.PLACES_SCHEMA.names),
        parts=config.parts(definition, study.compositions),
    )
    decides, inputs = recipe.decides, recipe.inputs()
    key = ids.step_key("sample", SCHEMA, decides, inputs)
    label = f"{recipe.label}, draw seed {recipe.draw_seed}"
    work = lambda folder: drawing.write(folder, recipe, key)  # noqa: E731 (a name for one line)
    done = step.run("sample", place, work, schema=SCHEMA, config=decides, inputs=inputs, label=label)
    told = {"composition": recipe.label, "draw_seed": recipe.draw_seed, "pool": dict(recipe.pool), "plan": draw["plan"]}
    return json.dumps({"manifest": done.uri, **told}, sort_keys=True)
