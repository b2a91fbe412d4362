"""Makes the files that a report is written from, for a study whose scores are drawn from stated effects.

Nothing here is measured: `make` simulates plan, pool, manifests, labels and sweeps as the stages leave them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from geomix import atlas, config, ids, manifest, store, study_file, tables

STUDY = """
name: made
scale: debug
earth: {seed: 0, world: realistic}
pools:
  series: {kind: earth, modality: series, size: 4000, bias: 3.0}
exclude: {near_tasks_km: 10}
budget: 300
quota: exact
compositions:
  uar:       {strategy: uniform}
  continent: {strategy: stratified, by: continent}
  climate:   {strategy: stratified, by: climate_zone}
  forest:    {strategy: where, expr: "landcover IN (1, 2, 3, 4, 5)"}
  cities:    {strategy: cities, top: 2000, sigma_km: 50}
  zero:      {strategy: none}
models: {presto: {pool: series}}
seeds: {draw: [0, 1], train: [0, 1], label: 10}
tasks:
  cropland: {kind: earth, models: [presto], size: 6000}
sweep: {heads: [logistic, mlp, random_forest, knn], shots: [100], splits: [random, block], region: continent, block_km: 500}
report:
  primary: {task: cropland, split: block, head: logistic, metric: f1, shots: 100, aggregate: region_mean, alpha: 0.05}
"""

REGIONS = {"Africa": 0.02, "Asia": 0.0, "Europe": 0.05, "North America": 0.03, "Oceania": -0.04, "South America": 0.01}
HEADS = {"logistic": 0.0, "mlp": 0.01, "random_forest": 0.015, "knn": -0.03}
METRICS = ("f1", "auc", "accuracy")


@dataclass(frozen=True)
class Effects:
    """What the simulated scores are made of: 0.6 + composition + region + head, and normal noise by level."""

    composition: Mapping[str, float] = field(
        default_factory=lambda: {"continent": 0.05, "climate": 0.045, "cities": -0.02, "zero": -0.06, "raw": 0.0}
    )
    draw: float = 0.008
    seed: float = 0.006
    label: float = 0.02
    by_region: float = 0.01
    """Standard deviation of what a composition does in one region."""


@dataclass(frozen=True)
class Made:
    """URIs that `geomix.report.run` takes."""

    root: str
    plan: str
    labels: str
    rows: list[str]
    study: config.Study


def make(root: Path, text: str = STUDY, effects: Effects | None = None, seed: int = 0) -> Made:
    """Everything below `root` that a report of the study in `text` reads."""
    study = study_file.parse(text)
    rng = np.random.default_rng(seed)
    plan = _folder(root, "plan", "study")
    store.write_json(store.join(plan, "study.json"), study.to_json())
    pool = _pool(root, rng)
    places = pool[1].head(500).assign(task=sorted(study.tasks)[0], row=range(500))[tables.PLACES_SCHEMA.names]
    tables.write_parquet(store.join(plan, "places.parquet"), places, tables.PLACES_SCHEMA)
    labels = _labels(root, study, pool, rng)
    uri = store.join(_folder(root, "shard", "labels"), "labels.json")
    store.write_json(uri, labels)
    rows = _sweeps(root, study, labels, effects or Effects(), rng)
    return Made(str(root), plan, uri, rows, study)


def _folder(root: Path, stage: str, name: str) -> str:
    return store.join(str(root), stage, ids.sha256(name), "attempt-0")


def land_points(count: int, rng: np.random.Generator) -> pd.DataFrame:
    """`count` places on land, uniform in area: lon, lat, continent."""
    lon, lat = rng.uniform(-180, 180, 12 * count), np.degrees(np.arcsin(rng.uniform(-0.85, 0.97, 12 * count)))
    frame = pd.DataFrame({"lon": lon, "lat": lat, "continent": atlas.lookup("continent", lon, lat)}).dropna()
    return frame.head(count).reset_index(drop=True)


def _pool(root: Path, rng: np.random.Generator) -> tuple[str, pd.DataFrame]:
    uri = _folder(root, "pool", "series")
    frame = land_points(4000, rng)
    frame["id"] = [f"p{n:05d}" for n in range(len(frame))]
    tables.write_parquet(store.join(uri, "pool.parquet"), frame[["id", "lon", "lat"]])
    return uri, frame


_LIKING = {"forest": ("South America", "Africa"), "cities": ("Europe", "Asia"), "us": ("North America",)}


def _labels(root: Path, study: config.Study, pool: tuple[str, pd.DataFrame], rng: np.random.Generator) -> list[dict[str, Any]]:
    uri, frame = pool
    found = []
    for name, composition in study.compositions.items():
        entry = {"composition": name, "draw_seed": None, "pool": "series", "model": "presto", "manifest": None}
        if isinstance(composition, config.NoPretraining):
            found.append({**entry, "manifest_hash": manifest.NONE})
        elif isinstance(composition, config.Weights):
            found.append({**entry, "manifest_hash": manifest.weights_hash("ab" * 32)})
        else:
            for draw in study.seeds.draw:
                chosen = _draw(name, composition, study.budget, frame, rng)
                folder = store.join(_folder(root, "shard", "labels"), "manifests", f"{name}-{draw}")
                hash_ = _write(folder, composition, chosen, study.budget, {"name": "series", "uri": uri, "hash": "cd" * 32})
                found.append({**entry, "draw_seed": draw, "manifest": f"manifests/{name}-{draw}", "manifest_hash": hash_})
    raw = {"composition": "raw", "draw_seed": None, "pool": None, "model": "raw", "manifest_hash": "raw", "manifest": None}
    return [*found, raw]


def _draw(
    name: str, composition: config.Composition, budget: int, frame: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    if isinstance(composition, config.Stratified):
        sizes = frame.groupby("continent").size()
        shares = [frame[frame["continent"] == c].sample(min(n, budget // 6), random_state=rng) for c, n in sizes.items()]
        chosen = pd.concat(shares).head(budget)
        rest = frame.drop(chosen.index).sample(budget - len(chosen), random_state=rng)
        return pd.concat([chosen, rest]).assign(stratum=lambda f: f["continent"])
    liked = frame[frame["continent"].isin(_LIKING[name])] if name in _LIKING else frame
    return liked.sample(budget, random_state=rng).assign(stratum=None)


def _write(folder: str, composition: config.Composition, rows: pd.DataFrame, budget: int, pool: dict[str, str]) -> str:
    rows = rows.assign(rank=np.arange(len(rows)))
    counts = {str(k): int(v) for k, v in rows["stratum"].fillna("all").value_counts().items()}
    asked = dict(counts)
    refused = 0
    if isinstance(composition, config.Stratified):
        first, second = sorted(counts, key=lambda name: counts[name])[-2:]
        asked |= {first: counts[first] + 3, second: counts[second] - 3}
        refused = 3
    description = {
        "strategy": composition.strategy,
        "pool": pool,
        "requested": asked,
        "realised": counts,
        "refused": [{"id": f"r{n}", "code": "few_steps", "replaced_by": f"q{n}"} for n in range(refused)],
        "refused_by_code": {"few_steps": refused} if refused else {},
        "excluded": {"near_tasks_km": 10.0, "rows": 211, "of": 4000},
    }
    manifest.write(folder, manifest.Manifest(rows[["id", "rank", "stratum"]], budget, description))
    return manifest.manifest_hash(rows["id"], pool["hash"])


def _sweeps(
    root: Path, study: config.Study, labels: list[dict[str, Any]], effects: Effects, rng: np.random.Generator
) -> list[str]:
    labelled = rng.normal(0, effects.label, (len(REGIONS), study.seeds.label))
    uris = []
    by_hash = {(entry["manifest_hash"], entry["model"]): entry for entry in labels}
    for (hash_, model), entry in by_hash.items():
        one_seed = model == "raw" or hash_.startswith("weights:")
        seeds = (0,) if one_seed else study.seeds.train
        shift = effects.composition.get(entry["composition"], 0.0) + rng.normal(0, effects.draw if entry["manifest"] else 0.0)
        regional = rng.normal(0, effects.by_region, len(REGIONS))
        rows = [
            row
            for seed in seeds
            for row in _rows(study, hash_, model, seed, shift + rng.normal(0, effects.seed), regional, labelled)
        ]
        uri = _folder(root, "sweep", f"{hash_}-{model}")
        tables.write_parquet(store.join(uri, "results.parquet"), pd.DataFrame(rows), tables.RESULT_SCHEMA)
        uris.append(uri)
    return uris


def _rows(
    study: config.Study, hash_: str, model: str, seed: int, shift: float, regional: Any, labelled: Any
) -> list[dict[str, Any]]:
    found = []
    for task in study.tasks:
        heads, shots, splits = study.judged(task)
        regression = getattr(study.tasks[task], "target", "classification") == "regression"
        judged = ("random_forest",) if model == "raw" else heads
        for split, head, shot in ((s, h, n) for s in splits for h in judged for n in shots):
            for at, (region, offset) in enumerate(REGIONS.items()):
                base = 0.6 + shift + offset + HEADS.get(head, 0.0) + regional[at] + (0.03 if split == "random" else 0.0)
                for draw in range(study.seeds.label):
                    score = base + labelled[at, draw]
                    values = {"rmse": 40 * (1 - score), "r2": score} if regression else dict.fromkeys(METRICS, score)
                    for metric, value in values.items():
                        found.append(
                            {
                                "study": None,
                                "modality": "series",
                                "manifest_hash": hash_,
                                "composition": None,
                                "model": model,
                                "draw_seed": None,
                                "train_seed": seed,
                                "task": task,
                                "split": split,
                                "train_region": f"not {region}" if split == "leave_region_out" else region,
                                "test_region": region,
                                "head": head,
                                "shots": str(shot),
                                "label_seed": draw,
                                "metric": metric,
                                "value": float(value),
                                "n": 200 + 10 * at,
                                "protocol_hash": ids.sha256(task, split, str(shot))[:16],
                                "run_id": f"run-{seed}",
                            }
                        )
    return found
