"""The pool step: pool.parquet, strata.parquet and pool.json of every pool in use, and the draws to be made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import shapely

from geomix import config, step, store, tables
from geomix.pool import coordinates, draws, simulated, strata, table
from geomix.pool.rows import Rows, pool_hash

SCHEMA = 2
"""Raised when the rules behind a stratum (atlas.continents) or the files of this step change."""

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
    decides: dict[str, Any] = {"pool": pool.model_dump(mode="json"), "strata": strata.fingerprints(study)}
    inputs = {}
    if isinstance(pool, config.TablePool):
        del decides["pool"]["uri"]
        decides["pool"]["arrays"] = table.reading(pool.arrays)
        inputs = {"table": tables.digest(pool.uri), "arrays": tables.digest(pool.arrays.uri)}
    else:
        decides["earth"] = simulated.content(study.earth)
    label = f"{name}: {pool.kind}"
    return step.run(
        "pool", place, lambda folder: _write(folder, study, pool), schema=SCHEMA, config=decides, inputs=inputs, label=label
    )


def _write(folder: str, study: config.Study, pool: config.Pool) -> Mapping[str, Any]:
    rows: Rows
    if isinstance(pool, config.TablePool):
        rows = table.build(pool, strata.names(study))
    else:
        rows = simulated.build(pool, study.earth)
    classes, sources = strata.build(study, rows.frame)
    if isinstance(pool, config.TablePool):
        coordinates.refuse_exchanged(classes["continent"], rows.frame["lon"].to_numpy(), rows.frame["lat"].to_numpy(), pool.uri)
    kept = rows.frame.drop(columns=tables.POOL_SCHEMA.names)
    described = {
        "pool_hash": pool_hash(rows),
        "rows": len(rows.frame),
        "places": int(rows.frame["place"].nunique()),
        "at_sea": strata.at_sea(classes),
        "synthetic": pool.kind == "earth",
        "modality": pool.modality,
    }
    points = shapely.points(rows.frame["lon"].to_numpy(), rows.frame["lat"].to_numpy())
    frame = rows.frame.assign(geometry=pd.Series(shapely.to_wkb(points), dtype=object))
    metadata = {"geo": tables.geo_metadata(), "geomix.pool_hash": str(described["pool_hash"])}
    tables.write_parquet(store.join(folder, "pool.parquet"), frame, tables.POOL_SCHEMA, metadata)
    strata.write(store.join(folder, "strata.parquet"), classes, sources)
    content = {**described, **rows.notes, "content": rows.content, "columns": list(kept.columns), "strata": sources}
    store.write_json(store.join(folder, "pool.json"), {**content, "counts": strata.counts(classes)})
    return described


def _draws(name: str, study: config.Study, built: step.Step, place: step.Place) -> step.Step:
    # A step of its own: a composition that cannot be drawn from this pool is recorded like every other error.
    def work(folder: str) -> Mapping[str, Any]:
        classes = tables.read(store.join(built.uri, "strata.parquet")).set_index("id")
        own = tables.read(store.join(built.uri, "pool.parquet"))
        own = own.set_index("id").drop(columns=["geometry", *tables.POOL_SCHEMA.names[1:]])
        found = [
            {"composition": label, "definition": definition}
            for label, definition in draws.definitions(study, classes.join(own)).items()
        ]
        store.write_json(store.join(folder, "draws.json"), found)
        return {"draws": found}

    # Labels decide what this step hands on; paths of weights do not.
    wanted = {label: composition.model_dump(mode="json", exclude={"uri"}) for label, composition in study.compositions.items()}
    decides = {"compositions": [[label, definition] for label, definition in wanted.items()]}
    inputs = {"pool": built.key}
    return step.run("pool", place, work, schema=SCHEMA, config=decides, inputs=inputs, label=f"{name}: compositions")
