"""The pool step: pool.parquet, strata.parquet and pool.json of every pool in use, and the draws to be made from them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geomix import config, pixels, spectral_entropy, step, store
from geomix.pool import draws, measure, sources, strata, write
from geomix.pool.build import SCHEMA
from geomix.pool.columns import PoolColumns

Draw = dict[str, Any]


def run(plan_uri: str, place: step.Place) -> list[Draw]:
    """The draws of a study, plain JSON: one a (pool in use, composition, draw seed).

    Builds every pool that a model uses. A draw holds `plan`, `pool` (name, uri, hash), `composition` (label), `definition`
    (the composition as in the study, an `each` as its `by` and `value`) and `draw_seed`. Raises PoolError,
    CompositionError, DataError, StudyError.
    """
    study = config.Study.model_validate(store.read_json(store.join(plan_uri, "study.json")))
    found: list[Draw] = []
    for name in dict.fromkeys(use.pool for use in study.models.values()):
        built = _pool(name, study, place)
        pool = {"name": name, "uri": built.uri, "hash": built.outputs["pool_hash"]}
        for one in _draws(name, study, built, place).outputs["draws"]:
            seeds = study.seeds.draw
            found += [{**one, "plan": plan_uri, "pool": pool, "draw_seed": seed} for seed in seeds]
    return found


def _pool(name: str, study: config.Study, place: step.Place) -> step.Step:
    pool = study.pools[name]
    with tempfile.TemporaryDirectory(prefix="geomix-pool-") as scratch:
        read = sources.opened(pool, study.earth, Path(scratch))

        def work(folder: str) -> Mapping[str, Any]:
            known = strata.known(study.strata)
            content = write.write(folder, read.source(known), known)
            if measured:
                content = measure.add(folder, content, pixels.loader(pool, study.earth))
            return write.described(content)

        decides = {**read.decides, "strata": strata.fingerprints(study.strata)}
        # Pixels of every candidate are read only where a composition asks for what is measured on them.
        measured = any(isinstance(c, config.Drawn) and c.needs_pixels for c in study.compositions.values())
        if measured:
            decides["measured"] = spectral_entropy.definition()
        label = f"{name}: {pool.kind}"
        return step.run("pool", place, work, schema=SCHEMA, config=decides, inputs=read.inputs, label=label)


def _draws(name: str, study: config.Study, built: step.Step, place: step.Place) -> step.Step:
    # A step of its own: a composition that cannot be drawn from this pool is recorded like every other error.
    def work(folder: str) -> Mapping[str, Any]:
        columns = PoolColumns(built.uri)
        found = [
            {"composition": label, "definition": definition}
            for label, definition in draws.definitions(study.compositions, columns).items()
        ]
        store.write_json(store.join(folder, "draws.json"), found)
        return {"draws": found}

    # Labels decide what this step hands on; paths of weights do not.
    wanted = {label: composition.model_dump(mode="json", exclude={"uri"}) for label, composition in study.compositions.items()}
    decides = {"compositions": [[label, definition] for label, definition in wanted.items()]}
    inputs = {"pool": built.key}
    return step.run("pool", place, work, schema=SCHEMA, config=decides, inputs=inputs, label=f"{name}: compositions")
