"""Benchmarks of strata: classes of places against geopandas.sjoin, with identical answers; memory for ten million places."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geomix import atlas, config
from geomix.atlas import countries
from geomix.atlas.parts import Locator
from tests.bench.measure import Measured, compare

POINTS, MANY = 1_000_000, 10_000_000
F64 = npt.NDArray[np.float64]


def sphere(n: int, seed: int) -> tuple[F64, F64]:
    """n points, uniform over the sphere: longitude and latitude in degrees."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def _data(*names: str) -> Path | None:
    folder = os.environ.get("GEOMIX_DATA")
    path = Path(folder, *names) if folder else None
    return path if path is not None and path.exists() else None


def _built(locator: Locator) -> float:
    # Seconds to build the index of cells.
    started = time.perf_counter()
    locator.index  # noqa: B018
    return time.perf_counter() - started


def _first_part(joined: pd.DataFrame, points: int) -> npt.NDArray[np.int64]:
    return joined["part"].groupby(level=0).min().reindex(range(points)).fillna(-1).to_numpy().astype(np.int64)


def nations(_: Path) -> Measured:
    """Countries of points, as codes, against geopandas.sjoin with polygons and its index ready."""
    lon, lat = sphere(POINTS, 0)
    land = countries.land()
    built = _built(land.locator)
    polygons = geopandas.GeoDataFrame({"part": range(len(land.polygon))}, geometry=list(land.polygon), crs=4326)
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(lon, lat), crs=4326)
    polygons.sindex  # noqa: B018 (built outside the timing, as ours is)

    def joined() -> pd.DataFrame:
        return geopandas.sjoin(points, polygons, predicate="intersects", how="left")

    assert (_first_part(joined(), POINTS) == countries.locate(lon, lat)).all(), "the answers differ"
    name = f"country of {POINTS:,} points (index built in {built:.1f} s)"
    return compare(name, lambda: atlas.STRATA["country"].codes(lon, lat), "geopandas.sjoin", joined, goal=20, repeats=2)


def biomes(_: Path) -> Measured | str:
    """Biomes of points, as codes, in polygons drawn in Mollweide, against geopandas: to_crs and sjoin."""
    path = _data("strata", "biomes_allen2020.gpkg")
    if path is None:
        return "biomes: no strata/biomes_allen2020.gpkg under $GEOMIX_DATA"
    lon, lat = sphere(POINTS, 1)
    own = atlas.read_polygons(str(path), "biome_id")
    built = _built(own.locator)
    parts = own.locator.parts.polygon
    polygons = geopandas.GeoDataFrame({"part": range(len(parts))}, geometry=list(parts), crs=own.locator.crs)
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(lon, lat), crs=4326)
    polygons.sindex  # noqa: B018

    def joined() -> pd.DataFrame:
        return geopandas.sjoin(points.to_crs(polygons.crs), polygons, predicate="intersects", how="left")

    assert (_first_part(joined(), POINTS) == own.locator.locate(lon, lat)).all(), "the answers differ"
    name = f"biome (Mollweide) of {POINTS:,} points (index built in {built:.1f} s)"
    return compare(name, lambda: own.find(lon, lat), "geopandas to_crs, sjoin", joined, goal=20, repeats=2)


_LABEL_MANY = """
import json, resource, time
from geomix import atlas
from tests.bench.strata import MANY, sphere
lon, lat = sphere(MANY, 2)
started = time.perf_counter()
table = atlas.table(atlas.STRATA, lon, lat)
seconds = time.perf_counter() - started
print(json.dumps({"rows": table.num_rows, "seconds": seconds, "kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def memory(_: Path) -> Measured:
    """Peak memory of a process that labels ten million points with every built-in stratum, against the 2 GB allowed."""
    done = subprocess.run([sys.executable, "-c", _LABEL_MANY], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["rows"] == MANY
    name = f"{len(atlas.STRATA)} strata of {MANY:,} points, peak memory ({found['seconds']:.0f} s)"
    return Measured(name, "allowed", found["kb"] / 1e6, 2.0, goal=1, unit="GB")


def bigearthnet(_: Path) -> Measured | str:
    """Every built-in stratum, biomes and agro-ecological zones of the 590,326 BigEarthNet places, nothing built before.

    The baseline joins three of the maps: countries, biomes, zones.
    """
    path, folder = _data("pool", "bigearthnet_v1_locations.parquet"), _data("strata")
    if path is None or folder is None:
        return "BigEarthNet: no pool/bigearthnet_v1_locations.parquet under $GEOMIX_DATA"
    frame = pd.read_parquet(path)
    lon, lat = (frame[c].to_numpy(dtype=np.float64) for c in ("lon", "lat"))
    own = {
        "biome": config.Polygons(uri=str(folder / "biomes_allen2020.gpkg"), column="biome_id"),
        "zone": config.Polygons(uri=str(folder / "aez.geojson"), column="zoneID"),
    }

    def ours() -> None:
        countries.land.cache_clear()
        countries._legend.cache_clear()
        table = atlas.table({**atlas.STRATA, **atlas.of_strata(own)}, lon, lat)
        assert table.num_rows == len(frame)

    def joined() -> None:
        points = geopandas.GeoDataFrame(geometry=shapely.points(lon, lat), crs=4326)
        whole = geopandas.read_parquet(Path(countries.__file__).with_name("natural_earth_countries.parquet"))
        for polygons in (whole, *(geopandas.read_file(p.uri) for p in own.values())):
            there = points.to_crs(polygons.crs)
            geopandas.sjoin(there, polygons.explode(ignore_index=True), predicate="intersects", how="left")

    name = f"{len(atlas.STRATA) + len(own)} strata of {len(frame):,} BigEarthNet places, with indices"
    return compare(name, ours, "geopandas, 3 of the maps", joined, repeats=1)
