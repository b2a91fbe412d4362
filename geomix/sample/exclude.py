"""Exclusion zones: candidates near a downstream task's places are removed before anything is drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy  # loads scipy.spatial when it is first used

from geomix import ids, store, tables
from geomix.sample import sphere
from geomix.sample.nearest import Cells

F64 = npt.NDArray[np.float64]


def read(uri: str) -> pd.DataFrame:
    """Places of tasks in a table (Parquet, CSV): task, lon, lat (degrees, WGS84; NaN where a row has none).

    `uri`: the table, or the folder of a plan that holds places.parquet. Raises DataError.
    """
    found = tables.read(uri if uri.endswith((".parquet", ".csv", ".csv.gz")) else store.join(uri, "places.parquet"))
    tables.need(found, ["task"], uri)
    lonlat = tables.lonlat(found, "lon", "lat", uri)
    task = found["task"].map(lambda value: "(no task)" if pd.isna(value) else str(value))
    return found.assign(task=task, lon=lonlat[:, 0], lat=lonlat[:, 1])


def near(lon: F64, lat: F64, places: pd.DataFrame, km: float) -> npt.NDArray[np.bool_]:
    """Mask [N] of the points nearer than `km` to a place of any task: great circle, compared in whole metres.

    `places`: tables.PLACES_SCHEMA; rows without coordinates are left out. `km` 0 excludes nothing.
    """
    known = _coordinates(places)
    mask = np.zeros(len(lon), dtype=bool)
    if km <= 0 or not len(known) or not len(lon):
        return mask
    targets = sphere.unit_vectors(known[:, 0], known[:, 1])
    reach = sphere.chord(km * 1000 + 1)
    # Most rows of a large pool are far from every place: their cells say so.
    rows = Cells(lon, lat).near(targets, reach)
    chords, _ = scipy.spatial.cKDTree(targets).query(
        sphere.unit_vectors(lon[rows], lat[rows]), distance_upper_bound=reach, workers=-1
    )
    far = ~np.isfinite(chords)
    distance = sphere.metres(np.where(far, 2.0, chords))
    mask[rows] = ~far & (np.round(distance) < round(km * 1000))
    return mask


def places_hash(places: pd.DataFrame) -> str:
    """Hex SHA-256 of the different coordinates of all tasks: what an exclusion zone depends on."""
    return ids.sha256("places", _coordinates(places).astype("<f8").tobytes())


def _coordinates(places: pd.DataFrame) -> F64:
    known = places[["lon", "lat"]].dropna().to_numpy(dtype=np.float64)
    return np.unique(known, axis=0) if len(known) else known.reshape(0, 2)
