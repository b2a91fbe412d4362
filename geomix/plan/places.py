"""Coordinates of every task's samples: what exclusion zones and distances are measured from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from geomix import config, earth, tables
from geomix.errors import DataError


def of_study(study: config.Study) -> pd.DataFrame:
    """One row a task sample (tables.PLACES_SCHEMA), tasks in order of name; lon and lat NaN where a task has none."""
    frames = [_of_task(name, study.tasks[name], study.earth) for name in sorted(study.tasks)]
    return pd.concat(frames, ignore_index=True)


def _of_task(name: str, task: config.EarthTask | config.TableTask, world: config.Earth) -> pd.DataFrame:
    if isinstance(task, config.EarthTask):
        rows = earth.task_rows(task, world, name)
        return pd.DataFrame({"task": name, "row": rows["row"], "lon": rows["lon"], "lat": rows["lat"]})
    frame = tables.read(task.uri)
    kept = np.flatnonzero(tables.select(frame, task.where, task.uri))
    if not len(kept):
        raise DataError(f"task {name}: no row of {task.uri} satisfies `{task.where}`", remedy="mend `where:`")
    if task.lon is None or task.lat is None:
        lon = lat = np.full(len(kept), np.nan)
    else:
        lon, lat = tables.lonlat(frame.iloc[kept], task.lon, task.lat, f"task {name}, {task.uri}").T
    return pd.DataFrame({"task": name, "row": kept, "lon": lon, "lat": lat})
