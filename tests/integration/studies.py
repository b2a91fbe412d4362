"""The tiny study, its variations, and the command line that runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

TINY: dict[str, Any] = {
    "name": "tiny",
    "scale": "tiny",
    "earth": {"seed": 0, "world": "realistic"},
    "pools": {"series": {"kind": "earth", "modality": "series", "size": 3000, "bias": 3.0}},
    "exclude": {"near_tasks_km": 10},
    "budget": 200,
    "compositions": {"uar": {"strategy": "uniform"}, "forest": {"strategy": "where", "expr": "landcover IN (1, 2, 3, 4, 5)"}},
    "models": {"presto": {"pool": "series"}},
    "seeds": {"draw": [0], "train": [0, 1], "label": 2},
    "tasks": {"cropland": {"kind": "earth", "models": ["presto"], "size": 1200}},
    "sweep": {"heads": ["logistic"], "shots": [20], "splits": ["random"], "region": "continent"},
    "report": {"primary": {"task": "cropland", "split": "random", "head": "logistic", "metric": "f1", "shots": 20}},
}


def study(path: Path, **changes: Any) -> Path:
    """Writes the tiny study with `changes` (a dotted key names a nested one; None removes it) to `path`."""
    content = json.loads(json.dumps(TINY))
    for key, value in changes.items():
        *parents, last = key.split("__")
        target = content
        for parent in parents:
            target = target.setdefault(parent, {})
        if value is None:
            del target[last]
        else:
            target[last] = value
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def command(*arguments: str) -> list[str]:
    """The command line of `geomix` with this interpreter."""
    return [sys.executable, "-c", "from geomix.cli import main; main()", *arguments]
