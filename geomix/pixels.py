"""The series of a pool's rows: simulated on the synthetic Earth, or read from arrays beside the user's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from geomix import config, series, tables
from geomix.errors import DataError

Load = Callable[[pd.DataFrame], series.Series]
"""Pool rows (id, lon, lat, href) -> their series, in that order."""


def recipe(pool: config.Pool, earth: config.Earth) -> dict[str, Any]:
    """What decides the pixels beside the pool itself: with the pool hash it keys the store. No paths."""
    if isinstance(pool, config.EarthPool):
        return {"kind": "earth", "earth": earth.model_dump(mode="json")}
    arrays = _arrays(pool)
    corrections = [c.model_dump(exclude={"why"}) for c in arrays.corrections]
    return {
        "kind": "table",
        "array": arrays.array,
        "channels": dict(arrays.channels),
        "factor": dict(arrays.factor),
        "corrections": corrections,
        "start_month": arrays.start_month,
    }


def loader(pool: config.Pool, earth: config.Earth) -> Load:
    """The function that makes or reads the series of pool rows."""
    if isinstance(pool, config.EarthPool):
        return _earth_loader(earth)
    arrays = _arrays(pool)
    assert isinstance(pool, config.TablePool)
    return _table_loader(pool, arrays)


def _arrays(pool: config.Pool) -> config.SeriesArrays:
    if not isinstance(pool, config.TablePool) or pool.arrays is None:
        raise DataError(f"a pool of kind {pool.kind} has places, not pixels", remedy="give a table `arrays:`")
    return pool.arrays


def _earth_loader(earth: config.Earth) -> Load:
    def load(rows: pd.DataFrame) -> series.Series:
        from geomix import earth as synthetic  # loads maps: only where something is simulated

        lon, lat = rows["lon"].to_numpy(dtype=np.float64), rows["lat"].to_numpy(dtype=np.float64)
        simulated: series.Series = synthetic.simulate(lon, lat, rows["id"].tolist(), earth)[0]
        return simulated

    return load


def _table_loader(pool: config.TablePool, arrays: config.SeriesArrays) -> Load:
    frame: pd.DataFrame | None = None

    def load(rows: pd.DataFrame) -> series.Series:
        nonlocal frame
        frame = tables.read(pool.uri) if frame is None else frame
        at = pd.to_numeric(rows["href"].str.rsplit("#", n=1).str[-1], errors="coerce")
        if at.isna().any() or (len(rows) and not 0 <= at.min() <= at.max() < len(frame)):
            raise DataError(
                f"{pool.uri}: {len(frame)} rows, but the pool names rows beyond it",
                remedy="the table was changed after the pool was built: run the study again",
            )
        return series.read(arrays, frame, np.asarray(at, dtype=np.int64), pool.uri)

    return load
