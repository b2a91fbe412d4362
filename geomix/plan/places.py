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
        tables.need(frame, [task.lon, task.lat], task.uri)
        lon, lat = (frame[c].to_numpy(dtype=np.float64)[kept] for c in (task.lon, task.lat))
        bad = np.flatnonzero((np.abs(lon) > 180) | (np.abs(lat) > 90))
        if len(bad):
            raise DataError(
                f"task {name}: row {kept[bad[0]]} of {task.uri} has longitude {lon[bad[0]]}, latitude {lat[bad[0]]}",
                wanted="degrees, WGS84, longitude -180 to 180, latitude -90 to 90",
                remedy="are `lon` and `lat` exchanged?",
            )
    return pd.DataFrame({"task": name, "row": kept, "lon": lon, "lat": lat})
