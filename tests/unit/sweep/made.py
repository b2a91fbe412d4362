"""Makers of small tasks with known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from geomix import config
from geomix.series import Series
from geomix.sweep.tasks import TaskData

REGIONS = ("north", "south", "west")


def task(n: int = 600, seed: int = 0, classes: int = 2, located: bool = True, signal: float = 2.0) -> TaskData:
    """A task of `n` rows in three regions; raw feature 0 carries the label, three more are noise. classes=0: regression."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    hidden = signal * x[:, 0] + rng.normal(size=n)
    label = hidden if not classes else np.digitize(hidden, np.quantile(hidden, np.arange(1, classes) / classes)).astype(float)
    region = np.array([REGIONS[i % 3] for i in range(n)], dtype=object)
    lon = rng.uniform(-5, 5, n) + 20.0 * (np.arange(n) % 3)
    lonlat = np.stack([lon, rng.uniform(40, 50, n)], axis=1) if located else np.full((n, 2), np.nan)
    return TaskData(
        name="made",
        kind="classification" if classes else "regression",
        ids=tuple(f"made:{i}" for i in range(n)),
        lonlat_N2=lonlat,
        series=Series(np.zeros((n, 1, 16), np.float32), np.zeros((n, 1), np.int64), np.full((n, 1), 9)),
        label_N=label,
        classes=tuple("abcdefgh"[:classes]),
        region_N=region,
        published_N=np.arange(n) % 5 // 3 * 2,
        raw_NF=x,
        location=located,
    )


def table(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """A user's table: two bands in two steps, a class, a number, places, regions and a split."""
    rng = np.random.default_rng(seed)
    b4, b8 = rng.uniform(0.02, 0.3, (2, n)), rng.uniform(0.1, 0.5, (2, n))
    crop = (b8[1] - b4[1] + rng.normal(0, 0.05, n) > 0.15).astype(int)
    columns: dict[str, Any] = {"red_1": b4[0], "red_2": b4[1], "nir_1": b8[0], "nir_2": b8[1], "crop": crop}
    columns |= {"yield": b8[1] * 10, "lon": rng.uniform(0, 30, n), "lat": rng.uniform(10, 40, n)}
    return pd.DataFrame(columns).assign(
        area=[REGIONS[i % 3] for i in range(n)], part=np.where(np.arange(n) % 5 == 0, "test", "train")
    )


def study(uri: str, sweep: dict[str, Any] | None = None, metric: str = "f1", **task: Any) -> config.Study:
    """A study whose one task is the table at `uri`; `task` changes the task, `sweep` the sweep."""
    own = {
        "kind": "table",
        "models": ["presto"],
        "uri": uri,
        "target": "classification",
        "label": "crop",
        "lon": "lon",
        "lat": "lat",
        "region": "area",
        "split": "part",
        "series": {
            "steps": [
                {"month": 3, "bands": {"B4": "red_1", "B8": "nir_1"}},
                {"month": 9, "bands": {"B4": "red_2", "B8": "nir_2"}},
            ]
        },
        **task,
    }
    rules = {"heads": ["logistic", "knn"], "shots": [20], "splits": ["random"], **(sweep or {})}
    heads, shots = own.get("heads", rules["heads"]), own.get("shots", rules["shots"])
    split = (own.get("splits") or rules["splits"])[0]
    primary = {"task": "made", "split": split, "head": heads[0], "metric": metric, "shots": shots[0]}
    return config.Study.model_validate(
        {
            "name": "s",
            "scale": "tiny",
            "pools": {"series": {"kind": "earth", "size": 100}},
            "budget": 10,
            "compositions": {"uar": {"strategy": "uniform"}, "zero": {"strategy": "none"}},
            "models": {"presto": {"pool": "series"}},
            "seeds": {"label": 3},
            "tasks": {"made": own},
            "sweep": rules,
            "report": {"primary": primary},
        }
    )
