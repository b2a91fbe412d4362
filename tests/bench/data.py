"""Benchmarks of the rooms that hold data: strata of points, reading a batch, drawing a composition."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pandas as pd

from geomix import atlas, config, series, tables
from geomix.atlas import countries
from geomix.sample import candidates, strategies
from geomix.shard.reader import SeriesReader
from geomix.shard.write import materialise
from tests.bench.measure import Measured, compare

POINTS, SERIES, BATCH, ROWS, DRAW = 200_000, 20_000, 4_096, 200_000, 5_000


def _sphere(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n points, uniform over the sphere: longitude and latitude in degrees."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def strata(_: Path) -> Measured:
    """Countries of points against geopandas.sjoin, both with polygons and index ready; the answers must be the same."""
    lon, lat = _sphere(POINTS, 0)
    land = countries.land()
    polygons = geopandas.GeoDataFrame({"part": range(len(land.polygon))}, geometry=list(land.polygon), crs="EPSG:4326")
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(lon, lat), crs="EPSG:4326")
    polygons.sindex  # noqa: B018 (built outside the timing, as ours is)

    def joined() -> pd.Series:
        return geopandas.sjoin(points, polygons, predicate="intersects", how="left")["part"]

    found = joined().groupby(level=0).min().fillna(-1).to_numpy()
    assert (found == countries.locate(lon, lat)).all(), "the answers differ"
    return compare(
        f"country of {POINTS:,} points",
        lambda: atlas.lookup("country", lon, lat),
        "geopandas.sjoin",
        joined,
        repeats=2,
    )


def reading(folder: Path) -> Measured:
    """A batch from the chip store against the same rows read one by one from the same memory map."""
    names = [f"s-{i:06d}" for i in range(SERIES)]
    rng = np.random.default_rng(0)
    lon, lat = _sphere(SERIES, 1)
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
    lon, lat = _sphere(ROWS, 2)
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
