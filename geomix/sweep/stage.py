"""The sweep step: every encoder of one item on every task, split, number of shots and head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geomix import config, ids, manifest, step, store, tables
from geomix.sweep import embed, ray_tune, search
from geomix.sweep.cells import Judge, cells
from geomix.sweep.prepared import names, prepare, rules

SCHEMA = 1


def run(item: Mapping[str, Any], encoders: Sequence[Mapping[str, Any]], place: step.Place) -> str:
    """URI of the folder with results.parquet (`tables.RESULT_SCHEMA`), notes.json and choices.json of one item.

    `item` and `encoders` are what `shard` and `pretrain` returned. study, composition and draw_seed stay null: one
    manifest can serve several labels, which the report joins. Raises StudyError, DataError, TaskError.
    """
    study = config.Study.model_validate(store.read_json(store.join(str(item["plan"]), "study.json")))
    model, manifest_hash = str(item["model"]), str(item["manifest_hash"])
    judged = [{"train_seed": int(e["train_seed"]), "uri": str(e["uri"]), "sha256": str(e["sha256"])} for e in encoders]
    if model == manifest.RAW:
        judged = [{"train_seed": 0, "uri": "", "sha256": manifest.RAW}]
    ruled = {name: rules(name, study, model) for name in names(study, model)}
    settings = {
        "model": model,
        "tasks": {name: own.to_json() for name, own in ruled.items()},
        "train_seeds": [e["train_seed"] for e in judged],
        "search": search.DRAWS,
    }
    inputs = {"manifest": manifest_hash, **{f"encoder-{e['train_seed']}": str(e["sha256"]) for e in judged}}
    key = ids.step_key("sweep", SCHEMA, settings, inputs)
    folder = store.join(place.root, "sweep", key)

    def work(attempt: str) -> Mapping[str, Any]:
        prepared = {name: prepare(name, study, own) for name, own in ruled.items()}
        features = store.join(folder, "features")
        grid = cells(model, manifest_hash, judged, prepared, features)
        light = {name: ready.without_inputs() for name, ready in prepared.items()}
        judge = Judge(store.join(folder, "cells"), tuple(grid), light)
        missing = judge.missing()
        by_sha = {str(e["sha256"]): str(e["uri"]) or None for e in judged}
        for cell in (grid[i] for i in missing):
            embed.write(cell.features, prepared[cell.task].data, by_sha[cell.encoder])
        if missing:
            ray_tune.run(missing, judge)
        rows, records = judge.stored()
        rows["run_id"] = place.run
        marks = {"geomix.synthetic": str(study.synthetic).lower()}
        tables.write_parquet(store.join(attempt, "results.parquet"), rows, tables.RESULT_SCHEMA, marks)
        undefined = sum(int(r["undefined"]) for r in records)
        notes = {"tasks": {name: dict(ready.notes) for name, ready in prepared.items()}, "undefined_scores": undefined}
        store.write_json(store.join(attempt, "notes.json"), notes)
        store.write_json(store.join(attempt, "choices.json"), records)
        _track(item, place.root, key, study, records, store.join(attempt, "results.parquet"))
        return {"scores": len(rows), "cells": len(grid), "cells_found": len(grid) - len(missing)}

    label = f"{model}: {', '.join(item.get('compositions', [])) or manifest_hash}"
    return step.run("sweep", place, work, schema=SCHEMA, config=settings, inputs=inputs, label=label).uri


def _track(
    item: Mapping[str, Any], root: str, key: str, study: config.Study, records: Sequence[Mapping[str, Any]], results: str
) -> None:
    from geomix import track

    name = f"{item['model']} {', '.join(item.get('compositions', []))}".strip()
    params = {"model": item["model"], "manifest_hash": item["manifest_hash"], "label_draws": study.seeds.label}
    tags = {"geomix.manifest_hash": str(item["manifest_hash"]), "geomix.synthetic": str(study.synthetic).lower()}
    with track.child(root, study.identity, kind="sweep", name=name, run_hash=key, params=params, tags=tags) as run:
        sums: dict[str, list[float]] = {}
        for r in records:
            for metric, value in r["means"].items():
                sums.setdefault(f"{r['task']}/{r['split']}/{r['shots']}/{r['head']}/{metric}", []).append(value)
        run.metrics({name: sum(v) / len(v) for name, v in sums.items()})
        columns = ["train_seed", "task", "split", "shots", "head", "scores", "seconds", "choices"]
        table = {c: [r[c] if c != "choices" else ids.canonical_json(r[c]) for r in records] for c in columns}
        metrics = sorted({m for r in records for m in r["means"]})
        table["synthetic"] = [study.synthetic] * len(records)
        run.table("trials.json", {**table, **{m: [r["means"].get(m) for r in records] for m in metrics}})
        run.file(results)
