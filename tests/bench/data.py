"""Benchmarks of the rooms that hold data: reading a batch, drawing a composition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from geomix import config, series, tables
from geomix.sample import candidates, strategies
from geomix.shard.reader import SeriesReader
from geomix.shard.write import materialise
from tests.bench.measure import Measured, compare
from tests.bench.strata import sphere

SERIES, BATCH, ROWS, DRAW = 20_000, 4_096, 200_000, 5_000


def reading(folder: Path) -> Measured:
    """A batch from the chip store against the same rows read one by one from the same memory map."""
    names = [f"s-{i:06d}" for i in range(SERIES)]
    rng = np.random.default_rng(0)
    lon, lat = sphere(SERIES, 1)
    pool = pd.DataFrame({"id": names, "place": names, "lon": lon, "lat": lat, "time": None, "href": ""}).set_index("id")
    x = rng.normal(size=(SERIES, 12, len(tables.SERIES_BANDS))).astype(np.float32)
    months = np.tile(np.arange(12), (SERIES, 1))

    def load(rows: pd.DataFrame) -> series.Series:
        at = np.array([int(name[2:]) for name in rows["id"]])
        return series.Series(x[at], months[at], np.full((len(at), 12), tables.MISSING_LANDCOVER))

    uri = str(folder / "store")
    materialise(uri, pool, names, load, pool_hash="bench", recipe={})
    reader = SeriesReader.open(uri, names, folder / "cache")
    positions = rng.permutation(SERIES)[:BATCH]

    def one_by_one() -> None:
        for position in positions:
            reader.batch(np.array([position]))

    return compare(f"batch of {BATCH:,} series", lambda: reader.batch(positions), "one sample at a time", one_by_one, goal=5)


def drawing(_: Path) -> Measured:
    """A nested, order-free uniform draw against pandas.DataFrame.sample, which is neither."""
    lon, lat = sphere(ROWS, 2)
    frame = pd.DataFrame({"id": [f"e-{i:08d}" for i in range(ROWS)], "lon": lon, "lat": lat})
    pool = candidates.of_frame(frame, draw_seed=0)
    ask = strategies.Ask(budget=DRAW, reserves=0, draw_seed=0)
    uniform = config.Uniform(strategy="uniform")
    return compare(
        f"draw {DRAW:,} of {ROWS:,}",
        lambda: strategies.draw(pool, ask, uniform),
        "pandas.DataFrame.sample",
        lambda: frame.sample(DRAW, random_state=0),
    )
