"""Where the synthetic Earth has samples: rows of a pool, and labelled places of a task."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix import config
from geomix.earth import land, simulation, worlds
from geomix.earth.land import Candidates
from geomix.errors import PoolError, TaskError

MOST_CANDIDATES = 10**8
"""Ids have eight digits."""


def pool_rows(pool: config.EarthPool, earth: config.Earth) -> pd.DataFrame:
    """The pool's `size` rows, in order of id: id (`earth-<8 digits>`), place (the id), lon, lat (degrees, WGS84).

    Density: area * (1 + bias * w), w = `land.city_weight`. The places are a prefix of one endless sequence: a larger pool
    holds every smaller one of the same bias and Earth. Raises PoolError if the size is beyond what ids can number.
    """
    worlds.check(earth)
    parts: list[Candidates] = []
    found = number = 0
    while found < pool.size:
        if (number + 1) * land.BLOCK > MOST_CANDIDATES:
            raise PoolError(
                f"a pool of {pool.size} simulated places: only {found} have ids of eight digits",
                remedy="ask for a smaller `size`",
            )
        part = land.thinned(land.block(number, earth.seed, "pool"), pool.bias, earth.seed, "pool")
        parts.append(part)
        found += len(part.index)
        number += 1
    rows = land.joined(parts).take(slice(pool.size))
    names = [f"earth-{i:08d}" for i in rows.index]
    return pd.DataFrame({"id": names, "place": names, "lon": rows.lon, "lat": rows.lat})


def task_rows(task: config.EarthTask, earth: config.Earth, name: str) -> pd.DataFrame:
    """The task's `size` labelled places: row (0, 1, ...), lon, lat (degrees, WGS84).

    The task's continents (all six, if it names none) have equal counts (a remainder goes to the first by name), and in
    each, half of the places are crops (of an odd count the larger half is not). Places are drawn from all land with the
    same density, by a sequence of their own for every task name. Raises TaskError if `size` cannot hold both classes in
    every continent.
    """
    worlds.check(earth)
    unknown = sorted(set(task.regions or ()) - set(land.CONTINENTS))
    if unknown:
        raise TaskError(
            f"task {name}: {unknown[0]!r} is not a continent of the synthetic Earth",
            wanted=f"regions among {', '.join(land.CONTINENTS)}",
        )
    named = [c for c in land.CONTINENTS if task.regions is None or c in task.regions]
    if task.size < 2 * len(named):
        raise TaskError(
            f"task {name}: size {task.size}",
            wanted=f"{2 * len(named)} or more: both classes in each of {len(named)} continents",
        )
    wanted = np.zeros((len(land.CONTINENTS), 2), dtype=np.int64)
    for n, continent in enumerate(named):
        count = task.size // len(named) + (n < task.size % len(named))
        wanted[land.CONTINENTS.index(continent)] = count - count // 2, count // 2
    chosen = _fill(wanted, f"task {name}", earth)
    return pd.DataFrame({"row": np.arange(len(chosen.lon)), "lon": chosen.lon, "lat": chosen.lat})


def _fill(wanted: npt.NDArray[np.int64], stream: str, earth: config.Earth) -> Candidates:
    """The first candidates of `stream` that fill `wanted` [continents, 2 classes], in order of the sequence."""
    kept: list[Candidates] = []
    left = wanted.copy()
    number = 0
    while left.any():
        if (number + 1) * land.BLOCK > MOST_CANDIDATES:
            raise TaskError(f"{stream}: not enough places of both classes", remedy="ask for a smaller `size`")
        part = land.block(number, earth.seed, stream)
        number += 1
        open_continents = [c for c, n in zip(land.CONTINENTS, left.sum(axis=1), strict=True) if n]
        part = part.take(np.isin(part.continent.astype(str), open_continents))
        label = simulation.labels(part.lon, part.lat, earth)
        mask = np.zeros(len(part.lon), dtype=bool)
        for c, continent in enumerate(land.CONTINENTS):
            for y in (0, 1):
                rows = np.flatnonzero((part.continent == continent) & (label == y))[: left[c, y]]
                mask[rows] = True
                left[c, y] -= len(rows)
        kept.append(part.take(mask))
    return land.joined(kept)
