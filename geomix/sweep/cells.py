"""Cells: one encoder, task, split, number of shots and head. Judged at once, stored at once, skipped if stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from geomix import config, ids, store, tables
from geomix.sweep import embed, heads, search
from geomix.sweep.prepared import Prepared
from geomix.sweep.search import Bench
from geomix.sweep.shots import Shots


@dataclass(frozen=True)
class Cell:
    """A cell of one sweep step. `encoder` is the checkpoint's SHA-256 (or "raw"), `features` the URI of its features."""

    model: str
    manifest_hash: str
    train_seed: int
    encoder: str
    features: str
    task: str
    split: config.SplitName
    shots: Shots
    head: config.HeadName

    def protocol_hash(self, prepared: Prepared) -> str:
        """Hash of everything that decides the score besides the encoder."""
        own = {"split": self.split, "shots": self.shots, "head": self.head}
        grid = heads.grid(self.head, self.shots, prepared.rules.scale)
        return ids.sha256(
            "protocol", ids.canonical_json({**prepared.rules.protocol, **own, "grid": grid, "search": search.DRAWS})
        )

    def key(self, prepared: Prepared) -> str:
        """Name of the cell's file: encoder, training seed, protocol and label draws."""
        draws = len(prepared.rules.label_seeds(self.shots))
        return ids.sha256("cell", self.encoder, str(self.train_seed), self.protocol_hash(prepared), str(draws))


def cells(
    model: str, manifest_hash: str, encoders: Sequence[Mapping[str, Any]], prepared: Mapping[str, Prepared], folder: str
) -> list[Cell]:
    """All cells of an item, encoder by encoder and task by task; features lie in `folder`."""
    return [
        Cell(
            model=model,
            manifest_hash=manifest_hash,
            train_seed=int(encoder["train_seed"]),
            encoder=str(encoder["sha256"]),
            features=embed.uri(folder, str(encoder["sha256"]), ready.rules.protocol["task"]),
            task=name,
            split=split,
            shots=wanted,
            head=head,
        )
        for encoder in encoders
        for name, ready in prepared.items()
        for split in ready.folds
        for wanted in ready.rules.shots
        for head in ready.rules.heads
    ]


def judge(cell: Cell, prepared: Prepared) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The cell's scores (RESULT_SCHEMA) and what to tell about it: its choices, and scores that are not defined."""
    folds = prepared.folds[cell.split]
    bench = Bench(embed.read(cell.features), prepared.data, cell.split, cell.shots, cell.head)
    configs = heads.grid(cell.head, cell.shots, prepared.rules.scale)
    chosen = search.choose(bench, folds, configs)
    draws = prepared.rules.label_seeds(cell.shots)
    found, undefined = [], 0
    for position in sorted(set(chosen)):
        own = [fold for fold, choice in zip(folds, chosen, strict=True) if choice == position]
        for problems, slices in bench.batches(own, draws):
            asked = [(fold, which, region, rows) for fold, which in slices for region, rows in fold.tests]
            queries = [heads.Query(which, bench.features_ND[rows]) for _, which, _, rows in asked]
            scores = heads.judge(cell.head, problems, queries, [configs[position]])
            for (fold, _, region, rows), score in zip(asked, scores, strict=True):
                for metric, values in bench.metrics_of(score[0], rows).items():
                    defined = np.isfinite(values)
                    undefined += int((~defined).sum())
                    found.append((fold.train_region, region, metric, len(rows), np.array(draws)[defined], values[defined]))
    frame = pd.concat([_rows(*f) for f in found], ignore_index=True)
    fixed: dict[str, Any] = {
        "modality": "series",
        "manifest_hash": cell.manifest_hash,
        "model": cell.model,
        "train_seed": cell.train_seed,
        "task": cell.task,
        "split": cell.split,
        "head": cell.head,
        "shots": str(cell.shots),
        "protocol_hash": cell.protocol_hash(prepared),
    }
    nothing: dict[str, Any] = dict.fromkeys(("study", "composition", "run_id"), None)
    frame = frame.assign(**fixed, **nothing, draw_seed=pd.array([None] * len(frame), dtype="Int64"))
    choices = {fold.train_region: dict(configs[choice]) for fold, choice in zip(folds, chosen, strict=True)}
    return frame[tables.RESULT_SCHEMA.names], {"choices": choices, "undefined": undefined}


def _rows(train_region: str, test_region: str, metric: str, n: int, label_seed: Any, value: Any) -> pd.DataFrame:
    columns = {"train_region": train_region, "test_region": test_region, "label_seed": label_seed, "metric": metric}
    return pd.DataFrame({**columns, "value": value, "n": n})


@dataclass(frozen=True)
class Judge:
    """Judges the cell of a number and stores it in `folder`; sent to the workers as it is."""

    folder: str
    cells: tuple[Cell, ...]
    prepared: Mapping[str, Prepared]

    def uri(self, cell: Cell) -> str:
        """Where the cell's scores are kept."""
        return store.join(self.folder, cell.key(self.prepared[cell.task]) + ".parquet")

    def missing(self) -> list[int]:
        """Numbers of the cells that are not stored yet."""
        there = set(store.list_names(self.folder))
        return [i for i, cell in enumerate(self.cells) if self.uri(cell).rsplit("/", 1)[-1] not in there]

    def __call__(self, number: int) -> dict[str, Any]:
        """Judges and stores one cell. Returns what Tune reports: seconds and the number of scores."""
        import time

        started = time.perf_counter()
        cell = self.cells[number]
        if cell.head in heads.TORCH_HEADS:
            import torch

            # Ray gives a trial one CPU, and the bits of a score must not depend on how many cores a machine has.
            torch.set_num_threads(1)
        frame, told = judge(cell, self.prepared[cell.task])
        told["seconds"] = round(time.perf_counter() - started, 3)
        text = {"told": store.json_bytes(told).decode()}
        tables.write_parquet(self.uri(cell), frame, tables.RESULT_SCHEMA, text)
        return {"seconds": told["seconds"], "scores": len(frame)}

    def stored(self) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """All scores, sorted, and one record a cell (what it is, its choices, seconds, mean of each metric)."""
        import json

        frames, records = [], []
        for cell in self.cells:
            frame = tables.read(self.uri(cell), tables.RESULT_SCHEMA.names)
            told = json.loads(tables.file_metadata(self.uri(cell))["told"])
            means = {str(m): float(v) for m, v in frame.groupby("metric")["value"].mean().items()}
            what = {"train_seed": cell.train_seed, "task": cell.task, "split": cell.split, "shots": str(cell.shots)}
            records.append({**what, "head": cell.head, **told, "means": means, "scores": len(frame)})
            frames.append(frame)
        order = ["train_seed", "task", "split", "shots", "head", "train_region", "test_region", "metric", "label_seed"]
        whole = pd.concat(frames, ignore_index=True) if frames else tables.RESULT_SCHEMA.empty_table().to_pandas()
        return whole.sort_values(order, kind="stable", ignore_index=True), records
