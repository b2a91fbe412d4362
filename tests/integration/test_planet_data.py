"""Pools of real places: what is known of them comes out of the strata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from geomix import atlas, config, tables
from geomix.atlas import countries
from geomix.pool.build import build


def strata_of(out: Path) -> pd.DataFrame:
    return tables.read(str(out / "strata.parquet"))


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """A land grid of 40 km with its strata."""
    out = tmp_path_factory.mktemp("land")
    build(config.GridPool(kind="grid", spacing_km=40), {}, str(out))
    return tables.read(str(out / "pool.parquet"), ["id", "lon", "lat"]).merge(strata_of(out), on="id")


def test_shares_of_the_land_grid_are_those_of_the_polygons_areas(land: pd.DataFrame) -> None:
    import geopandas

    known = countries.land()
    frame = geopandas.GeoDataFrame(
        {"country": known.country, "continent": known.continent}, geometry=list(known.polygon), crs=4326
    )
    # Russia is divided at 60 E, as METHODOLOGY.md says; Thrace, the part of Turkey in Europe, is 0.2 % of it.
    east = shapely.union_all([shapely.box(60, -90, 180, 90), shapely.box(-180, -90, 0, 90)])
    russia = frame[frame["country"] == "Russia"]
    asian = russia.assign(geometry=shapely.intersection(np.array(russia.geometry), east), continent="Asia")
    european = russia.assign(geometry=shapely.difference(np.array(russia.geometry), east), continent="Europe")
    parts = pd.concat([frame[frame["country"] != "Russia"], asian, european])
    area = parts.to_crs("EPSG:6933").area.groupby(parts["continent"]).sum() / 1e6
    # A cell's own area: rows are 40 km high, and as many columns as come nearest to 40 km share a parallel.
    lat = np.radians(land["lat"])
    columns = np.maximum(1, np.rint(2 * np.pi * 6371.0072 * np.cos(lat) / 40))
    height = np.pi / 2 / np.rint(np.pi / 2 * 6371.0072 / 40)
    cell = 6371.0072**2 * (np.sin(lat + height / 2) - np.sin(lat - height / 2)) * 2 * np.pi / columns
    found = cell.groupby(land["continent"]).sum()
    assert set(found.index) == set(area.index)
    share, wanted = found / found.sum(), area / area.sum()
    assert (np.abs(share / wanted - 1) < 0.02).all(), pd.DataFrame({"grid": share, "polygons": wanted})


@pytest.mark.shared
def test_bigearthnet_is_europe_and_nothing_else(tmp_path: Path, shared_data: Path) -> None:
    listed = shared_data / "pool" / "bigearthnet_v1_locations.parquet"
    pool = config.TablePool(kind="table", uri=str(listed))
    content = build(pool, {}, str(tmp_path))
    # Patches of sea have no continent.
    assert {name for name, rows in content["counts"]["continent"].items() if rows and name != "none"} == {"Europe"}
    assert content["counts"]["continent"]["none"] < 0.15 * content["rows"]
    assert content["counts"]["un_region"]["Europe"] == content["counts"]["continent"]["Europe"]


@pytest.mark.shared
def test_ssl4eo_is_more_urban_than_the_land(tmp_path: Path, shared_data: Path, land: pd.DataFrame) -> None:
    places = shared_data / "pool" / "minipool_open.parquet"
    sources = tables.read(str(places), ["source"])["source"].astype(str)
    name = next(s for s in sources.unique() if "ssl4eo" in s.lower())
    pool = config.TablePool(kind="table", uri=str(places), where=f"source = '{name}'")
    build(pool, {}, str(tmp_path))
    found = strata_of(tmp_path)
    urban, anywhere = ((f["urban"] == "urban").mean() for f in (found, land))
    assert urban > 5 * anywhere
    assert found["city_km"].median() < 0.5 * land["city_km"].median()


def test_every_stratum_says_what_it_is_at_sea() -> None:
    sea = {name: atlas.table({name: one}, [-40.0], [30.0])[name][0].as_py() for name, one in atlas.STRATA.items()}
    known = {name: value for name, value in sea.items() if value is not None}
    assert set(known) == {"landcover", "latitude_band", "city_km"}
    assert known["landcover"] == 0
