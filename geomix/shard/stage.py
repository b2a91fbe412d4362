"""The shard step: chip stores filled, manifests realised, items listed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from geomix import config, ids, manifest, pixels, step, store, tables
from geomix.errors import DataError
from geomix.manifest import Manifest
from geomix.shard import items, layout
from geomix.shard.items import Drawn, Item, Realised
from geomix.shard.realise import realise
from geomix.shard.write import materialise

SCHEMA = 2

MANIFESTS = "manifests"
"""Folder of the realised manifests in the step's output."""


def run(plan_uri: str, draws: Sequence[str | Mapping[str, Any]], place: step.Place) -> list[Item]:
    """The items of a study, one a (realised manifest, model): what pretrain and sweep work on. Plain JSON.

    `draws`: what `sample.run` returned, in any order. Fills `{root}/store/{store key}/`, writes the realised manifests and
    labels.json. Raises CompositionError where refused samples cannot be replaced, DataError on files that are not what was
    promised, BusyError while another process writes the same store.
    """
    study = config.Study.model_validate(store.read_json(store.join(plan_uri, "study.json")))
    weights = items.weights_sha256(study)  # early: a missing file must not be found out after hours
    drawn = _drawn(draws)
    manifests = [manifest.read(d.manifest) for d in drawn]
    # Labels decide what this step writes (labels.json), unlike the pixels and the manifests themselves.
    decides = {
        "draws": [[d.composition, d.draw_seed, d.pool, m.budget] for d, m in zip(drawn, manifests, strict=True)],
        "compositions": sorted(study.compositions),
        "pools": {d.pool: pixels.recipe(study.pools[d.pool], study.earth) for d in drawn},
        "models": {name: use.pool for name, use in study.models.items()},
        "train_seeds": list(study.seeds.train),
        "store_schema": layout.SCHEMA_VERSION,
    }
    inputs = {f"draw-{n}": _drawn_hash(m, d) for n, (d, m) in enumerate(zip(drawn, manifests, strict=True))}
    inputs |= {f"weights-{label}": digest for label, digest in weights.items()}
    supplies = {d.pool: _Supply.of(study, d, place) for d in drawn}

    def work(folder: str) -> Mapping[str, Any]:
        return _work(folder, study, drawn, manifests, weights, supplies)

    done = step.run("shard", place, work, schema=SCHEMA, config=decides, inputs=inputs, label=f"{len(drawn)} draws")
    found = [_at_home(item, plan_uri, done.uri, study, place) for item in done.outputs["items"]]
    if done.skipped:
        _refill(found, supplies)
    return found


@dataclass(frozen=True)
class _Supply:
    """Where the pixels of a pool come from, and the store they go to."""

    pool: config.Pool
    earth: config.Earth
    pool_uri: str
    pool_hash: str
    store_uri: str

    @staticmethod
    def of(study: config.Study, drawn: Drawn, place: step.Place) -> _Supply:
        pool = study.pools[drawn.pool]
        key = layout.store_key(drawn.pool_hash, pixels.recipe(pool, study.earth))
        return _Supply(pool, study.earth, drawn.pool_uri, drawn.pool_hash, store.join(place.root, "store", key))

    def rows(self) -> pd.DataFrame:
        """The pool's rows by id."""
        names = ["id", "lon", "lat", "time", "href"]
        return tables.read(store.join(self.pool_uri, "pool.parquet"), names).set_index("id")

    def fill(self, rows: pd.DataFrame, wanted: Sequence[str]) -> pd.DataFrame:
        """The store's index with all of `wanted` in it."""
        recipe = pixels.recipe(self.pool, self.earth)
        load = pixels.loader(self.pool, self.earth)
        return materialise(self.store_uri, rows, wanted, load, pool_hash=self.pool_hash, recipe=recipe)


def _drawn(draws: Sequence[str | Mapping[str, Any]]) -> list[Drawn]:
    found: dict[tuple[str, str, int], Drawn] = {}
    for text in draws:
        draw = json.loads(text) if isinstance(text, str) else text
        pool = draw["pool"]
        # KFP turns 0 into 0.0 on its way through JSON.
        one = Drawn(draw["composition"], int(draw["draw_seed"]), pool["name"], pool["uri"], pool["hash"], draw["manifest"])
        found[one.pool, one.composition, one.draw_seed] = one
    # Sorted by name, so that neither the order of the draws nor that of the study file decides anything.
    return [found[key] for key in sorted(found)]


def _drawn_hash(drawn: Manifest, one: Drawn) -> str:
    rows = drawn.rows
    strata = ["" if pd.isna(s) else str(s) for s in rows["stratum"]]
    return ids.sha256("drawn", one.pool_hash, *rows["id"], *strata)


def _work(
    folder: str,
    study: config.Study,
    drawn: Sequence[Drawn],
    manifests: Sequence[Manifest],
    weights: Mapping[str, str],
    supplies: Mapping[str, _Supply],
) -> Mapping[str, Any]:
    realised: list[Realised] = []
    counts: dict[str, Any] = {}
    for pool, supply in supplies.items():
        chosen = [n for n, d in enumerate(drawn) if d.pool == pool]
        mine, counts[pool] = _realise(folder, [drawn[n] for n in chosen], [manifests[n] for n in chosen], supply)
        realised += mine
    found, labels = items.items(study, realised, weights)
    for label in labels:  # relative to labels.json
        label["manifest"] = label["manifest"] and f"{MANIFESTS}/{_last(label['manifest'])}"
    store.write_json(store.join(folder, "labels.json"), labels)
    return {"items": [_portable(item) for item in found], "samples": counts}


def _realise(
    folder: str, drawn: Sequence[Drawn], manifests: Sequence[Manifest], supply: _Supply
) -> tuple[list[Realised], dict[str, Any]]:
    rows = supply.rows()
    _in_pool(rows, drawn, manifests)
    refused: Mapping[str, str] = {}
    asked: set[str] = {i for m in manifests for i in m.drawn["id"]}
    while True:
        # Reserves are materialised only when they are used; a reserve that proves refused starts the choice afresh.
        now = [realise(m, refused, d.composition) for d, m in zip(drawn, manifests, strict=True)]
        asked.update(i for m in now for i in m.rows["id"])
        index = supply.fill(rows, sorted(asked))
        known = index[index["refusal"].notna()]
        refused = dict(zip(known["id"], known["refusal"], strict=True))
        if not any(i in refused for m in now for i in m.rows["id"]):
            break
    codes = Counter(refused[i] for i in asked if i in refused)
    counts = {"asked": len(asked), "refused": dict(sorted(codes.items()))}
    return [_publish(folder, d, m, supply.store_uri) for d, m in zip(drawn, now, strict=True)], counts


def _in_pool(rows: pd.DataFrame, drawn: Sequence[Drawn], manifests: Sequence[Manifest]) -> None:
    for one, drew in zip(drawn, manifests, strict=True):
        strangers = drew.rows.loc[~drew.rows["id"].isin(rows.index), "id"]
        if len(strangers):
            raise DataError(
                f"composition {one.composition!r}: {len(strangers)} ids are not in pool {one.pool!r}: {strangers.iloc[0]}, ...",
                wanted=f"ids of {one.pool_uri}",
                remedy="draw it again: `geomix sample`",
            )


def _publish(folder: str, one: Drawn, realised: Manifest, store_uri: str) -> Realised:
    hash_ = manifest.manifest_hash(realised.rows["id"], one.pool_hash)
    # Draws whose realised manifests are equal share an item, but each keeps the description of how it was drawn.
    description = {**realised.description, "manifest_hash": hash_}
    name = f"{hash_[:16]}-{ids.sha256(ids.canonical_json(description), *realised.rows['id'])[:8]}"
    target = store.join(folder, MANIFESTS, name)
    if not store.exists(store.join(target, "manifest.json")):
        manifest.write(target, Manifest(realised.rows, realised.budget, description))
    return Realised(one, hash_, target, store_uri)


def _portable(item: Item) -> Item:
    # Only names are remembered: the work folder may be moved between two runs.
    return {**item, "store": _last(item["store"]), "manifest": _last(item["manifest"])}


def _last(uri: str | None) -> str | None:
    return None if uri is None else uri.rstrip("/").rsplit("/", 1)[-1]


def _at_home(item: Item, plan_uri: str, folder: str, study: config.Study, place: step.Place) -> Item:
    """The item with URIs: of its plan, its labels, its store, its manifest, its published file."""
    published = {label: c.uri for label, c in study.compositions.items() if isinstance(c, config.Weights)}
    return {
        **item,
        "plan": plan_uri,
        "labels": store.join(folder, "labels.json"),
        "store": item["store"] and store.join(place.root, "store", item["store"]),
        "manifest": item["manifest"] and store.join(folder, MANIFESTS, item["manifest"]),
        "weights": published[item["compositions"][0]] if item["weights"] else None,
    }


def _refill(found: Sequence[Item], supplies: Mapping[str, _Supply]) -> None:
    # The store lies outside the step's folder: somebody may have removed a damaged one, as its error message says.
    for pool, supply in supplies.items():
        folders = {item["manifest"] for item in found if item["pool"] == pool and item["manifest"]}
        wanted = {i for folder in sorted(folders) for i in manifest.read(folder).rows["id"]}
        if not wanted <= set(layout.read_index(supply.store_uri).rows["id"]):
            supply.fill(supply.rows(), sorted(wanted))
