"""Equal-distance grids: spacing, area, stable ids, land."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from geomix import atlas, config
from geomix.pool import grid
from geomix.pool.grid import EARTH_KM


def cells(spacing_km: float, **settings: object) -> pa.Table:
    pool = config.GridPool.model_validate({"kind": "grid", "spacing_km": spacing_km, **settings})
    return pa.concat_tables(grid.source(pool).blocks())


def test_cells_have_nearly_equal_area_and_cover_the_earth() -> None:
    found = cells(250, land=False)
    assert abs(len(found) * 250**2 / (4 * np.pi * EARTH_KM**2) - 1) < 0.01
    lat = found["lat"].to_numpy()
    rows, columns = np.unique(lat, return_counts=True)
    height = np.diff(rows)
    assert np.allclose(height, height[0])
    assert abs(np.radians(height[0]) * EARTH_KM / 250 - 1) < 0.01
    width = 2 * np.pi * EARTH_KM * np.cos(np.radians(rows)) / columns
    assert np.abs(width[np.abs(rows) < 80] / 250 - 1).max() < 0.06
    # Uniform over the sphere: sin(latitude) is.
    expected = 2 * (np.arange(len(lat)) + 0.5) / len(lat) - 1
    assert np.abs(np.sort(np.sin(np.radians(lat))) - expected).max() < 0.03


def test_ids_are_sorted_and_depend_on_the_spacing_alone() -> None:
    found = cells(300, land=False)
    names = found["id"].to_pylist()
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert names[0] == "g300_000N_000"
    assert found["place"].equals(found["id"])
    some = cells(300, lat_min=-60, lat_max=10)
    assert set(some["id"].to_pylist()) < set(names)
    assert some["lat"].to_numpy().min() > -60
    assert cells(2.5, land=False, lat_min=88, lat_max=88.1)["id"][0].as_py().startswith("g2.5_")
    assert found.slice(0, 1)["lon"][0].as_py() < -178  # columns are counted from 180 degrees west


def test_land_cells_lie_on_land() -> None:
    found = cells(300)
    lon, lat = found["lon"].to_numpy(), found["lat"].to_numpy()
    assert all(name is not None for name in atlas.lookup("country", lon, lat))
    share = len(found) / len(cells(300, land=False))
    assert 0.27 < share < 0.31  # 29 % of the Earth is land
