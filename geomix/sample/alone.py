"""Draws outside of a study: `geomix sample draw`, from the folder of any pool into folders that the user names."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from geomix import config, ids, step, store, tables
from geomix.errors import CompositionError
from geomix.sample import drawing
from geomix.sample.recipe import SCHEMA, Recipe, pool_description


@dataclass(frozen=True)
class Done:
    """A manifest that is there: its folder, counts, and the seconds that it took (of this call)."""

    label: str
    seed: int
    uri: str
    drawn: int
    reserves: int
    excluded: int
    skipped: bool
    seconds: float


def draw(
    pool_uri: str,
    compositions: Mapping[str, config.Composition],
    out: str,
    *,
    budget: int,
    seeds: Sequence[int] = (0,),
    reserves: float = 0.25,
    quota: str = "exact",
    near_tasks_km: float = 0.0,
    places_uri: str | None = None,
    parts: Mapping[str, config.Composition] | None = None,
    force: bool = False,
) -> Iterator[Done]:
    """Draws every composition for every seed from the pool's folder into `{out}/{label}/{seed}/`, one after the other.

    `parts`: compositions that a mix or placebo names, where they are not among `compositions`. A folder that holds the same
    draw is left as it is. Raises CompositionError, PoolError, DataError, InputError (a folder holds another draw).
    """
    pool = pool_description(pool_uri)
    if near_tasks_km > 0 and places_uri is None:
        raise CompositionError("an exclusion zone without places", remedy="name the tasks' places with --places")
    places = None if places_uri is None else _places(places_uri)
    everything = {**(parts or {}), **compositions}
    for label, definition in compositions.items():
        for seed in seeds:
            recipe = Recipe(
                label=label,
                definition=definition,
                pool={"name": pool_uri.rstrip("/").rsplit("/", 1)[-1], "uri": pool_uri, "hash": pool["pool_hash"]},
                budget=budget,
                draw_seed=seed,
                reserves=reserves,
                quota=quota,
                near_tasks_km=near_tasks_km,
                places=places,
                parts=config.parts(definition, everything),
            )
            yield _one(recipe, store.join(out, label, str(seed)), force)


def _one(recipe: Recipe, folder: str, force: bool) -> Done:
    started = time.monotonic()
    decides, inputs = recipe.decides, recipe.inputs()
    key = ids.step_key("sample", SCHEMA, decides, inputs)
    done = step.named(
        "sample",
        folder,
        lambda uri: drawing.write(uri, recipe, key),
        schema=SCHEMA,
        config=decides,
        inputs=inputs,
        force=force,
    )
    counts = {name: int(done.outputs[name]) for name in ("drawn", "reserves", "excluded")}
    return Done(recipe.label, recipe.draw_seed, folder, **counts, skipped=done.skipped, seconds=time.monotonic() - started)


def _places(uri: str) -> pd.DataFrame:
    found = tables.read(uri)
    lonlat = tables.lonlat(found, "lon", "lat", uri)
    return found.assign(lon=lonlat[:, 0], lat=lonlat[:, 1])
