"""Draws outside of a study: `geomix sample draw`, from the folder of any pool into folders that the user names."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from geomix import config, ids, step, store, tables
from geomix.errors import CompositionError
from geomix.sample import drawing, exclude
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
    places = None if places_uri is None else exclude.read(places_uri)
    everything = {**(parts or {}), **compositions}
    with tempfile.TemporaryDirectory(prefix="geomix-sample-") as scratch:
        near_by = _Near(pool_uri, Path(scratch))
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
                yield _one(recipe, store.join(out, label, str(seed)), near_by, force)


def _one(recipe: Recipe, folder: str, near_by: Callable[[], str], force: bool) -> Done:
    started = time.monotonic()
    decides, inputs = recipe.decides, recipe.inputs()
    key = ids.step_key("sample", SCHEMA, decides, inputs)
    done = step.named(
        "sample",
        folder,
        lambda uri: drawing.write(uri, recipe, key, near_by()),
        schema=SCHEMA,
        config=decides,
        inputs=inputs,
        force=force,
    )
    counts = {name: int(done.outputs[name]) for name in ("drawn", "reserves", "excluded")}
    return Done(recipe.label, recipe.draw_seed, folder, **counts, skipped=done.skipped, seconds=time.monotonic() - started)


class _Near:
    """The pool where it can be read fast: as it is if it is local, else a copy that is made when it is first asked for."""

    def __init__(self, uri: str, scratch: Path) -> None:
        self.uri, self.scratch = uri, scratch

    def __call__(self) -> str:
        if not store.is_local(self.uri) and not (self.scratch / "pool.parquet").exists():
            for name in ("strata.parquet", "measured.parquet", "pool.parquet"):
                whole = store.join(self.uri, name)
                if store.exists(whole):
                    for part in tables.files(whole):
                        target = self.scratch / part.removeprefix(self.uri.rstrip("/") + "/")
                        target.parent.mkdir(parents=True, exist_ok=True)
                        store.local_copy(part, self.scratch / "copies").replace(target)
        return self.uri if store.is_local(self.uri) else str(self.scratch)
