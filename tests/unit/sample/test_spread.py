"""How points lie on land: known neighbours, the sphere's random expectation, effective sizes and distances by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.spatial.distance import jensenshannon

from geomix.sample import area, sphere, spread, stats


def everywhere(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return np.ones(len(lon), dtype=bool)


def northern(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return lat > 0


def on_sphere(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.uniform(-180, 180, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))


WHOLE = spread.covered_land(np.ones(2048, dtype=np.int64), everywhere)


def test_covered_land() -> None:
    assert WHOLE.sum() == pytest.approx(510_072_000)
    held = stats.cell_counts(np.array([10.0, 10.0]), np.array([1.0, -1.0]))
    land = spread.covered_land(held, northern)
    assert np.count_nonzero(land) == 2
    assert sorted(land[land > 0]) == pytest.approx([area.FINEST_KM2 / 2, 510_072_000 / 2048])


def test_neighbours_over_the_dateline_and_the_pole() -> None:
    lon, lat = np.array([179.5, -179.5, 0.0, 180.0, 20.0, 20.0]), np.array([0.0, 0.0, 89.0, 89.0, -40.0, -40.0])
    found = spread.neighbours(spread.tree(lon, lat), WHOLE)
    degree = np.radians(1) * sphere.RADIUS_M
    assert (found["min"], found["max"]) == (0.0, pytest.approx(2 * degree, rel=1e-5))
    assert found["mean"] == pytest.approx(degree, rel=1e-5)
    assert found["same_place"] == 2
    assert spread.neighbours(spread.tree(lon[:1], lat[:1]), WHOLE)["median"] is None
    assert spread.neighbours(spread.tree(lon[:0], lat[:0]), WHOLE)["clark_evans"] is None


def test_clark_evans_of_random_clustered_and_regular_points() -> None:
    lon, lat = on_sphere(20_000, 0)
    # Random on the whole sphere, which has no edge: 1, with a standard error of 0.26136 / 0.5 / sqrt(n) (Clark and Evans 1954).
    assert spread.neighbours(spread.tree(lon, lat), WHOLE)["clark_evans"] == pytest.approx(1, abs=4 * 0.523 / np.sqrt(20_000))
    assert spread.neighbours(spread.tree(lon / 4, lat), WHOLE)["clark_evans"] < 0.6
    turns = np.arange(20_000) + 0.5
    lattice = turns * 180 * (np.sqrt(5) - 1) % 360 - 180, np.degrees(np.arcsin(1 - 2 * turns / 20_000))
    assert spread.neighbours(spread.tree(*lattice), WHOLE)["clark_evans"] > 1.7


def test_effective_sizes() -> None:
    land = np.zeros(2048)
    land[:4] = 100.0
    cells = np.zeros(2048, dtype=np.int64)
    cells[:4] = 25
    assert spread.effective(cells, land) == {"cells": 4.0, "samples": 100.0, "per_sample": 1.0, "land_reached": 1.0}
    cells[:4] = [70, 10, 10, 10]
    found = spread.effective(cells, land)
    assert found["samples"] == pytest.approx(1 / (0.25**2 * (1 / 70 + 3 / 10)), abs=0.05)
    assert found["cells"] == pytest.approx(np.exp(scipy_stats.entropy([0.7, 0.1, 0.1, 0.1])), abs=0.005)
    cells[1:4] = 0
    assert spread.effective(cells, land) == {"cells": 1.0, "samples": 70.0, "per_sample": 1.0, "land_reached": 0.25}
    assert spread.effective(np.zeros(2048, dtype=np.int64), land)["samples"] == 0.0


def test_distances_to_uniform() -> None:
    land = np.zeros(2048)
    land[:4] = [1.0, 1.0, 1.0, 5.0]
    cells = np.zeros(2048, dtype=np.int64)
    cells[:5] = [40, 0, 10, 50, 0]
    p, q = cells / 100, land / 8
    found = spread.to_uniform(cells, land)
    assert found["total_variation"] == pytest.approx(np.abs(p - q).sum() / 2)
    assert found["jensen_shannon"] == pytest.approx(jensenshannon(p, q, base=2), abs=1e-6)
    assert spread.to_uniform((land * 10).astype(np.int64), land)["jensen_shannon"] == 0.0
    apart = spread.to_uniform(np.roll(cells, 100), land)
    assert (apart["total_variation"], apart["jensen_shannon"]) == (1.0, 1.0)
    assert spread.to_uniform(cells * 0, land)["total_variation"] is None


@pytest.mark.parametrize("count", [1, 7, 300])
def test_what_chance_makes(count: int) -> None:
    land = np.zeros(2048)
    land[:3] = [1.0, 3.0, 6.0]
    cells = np.zeros(2048, dtype=np.int64)
    cells[0] = count
    k = np.arange(count + 1)
    expected = sum((np.abs(k - count * q) * scipy_stats.binom.pmf(k, count, q)).sum() / (2 * count) for q in (0.1, 0.3, 0.6))
    assert spread.to_uniform(cells, land)["expected_total_variation"] == pytest.approx(expected, abs=1e-6)
    alone = np.where(np.arange(2048) == 0, 1.0, 0.0)
    assert spread.to_uniform(cells, alone)["expected_total_variation"] == 0.0


def test_a_uniform_draw_is_as_far_as_chance_says() -> None:
    lon, lat = on_sphere(30_000, 3)
    found = spread.to_uniform(stats.cell_counts(lon, lat), WHOLE)
    assert found["total_variation"] == pytest.approx(found["expected_total_variation"], rel=0.05)


def test_distance_to_places() -> None:
    index = spread.tree(np.array([0.0, 90.0]), np.array([0.0, 0.0]))
    found = spread.to_places(index, np.array([1.0, 90.0, np.nan, 3.0]), np.array([0.0, 2.0, 5.0, np.nan]))
    degree = np.radians(1) * sphere.RADIUS_M
    assert (found["n"], found["without_coordinates"]) == (2, 2)
    assert (found["min"], found["max"]) == (pytest.approx(degree, rel=1e-5), pytest.approx(2 * degree, rel=1e-5))
    nowhere = spread.to_places(index, np.array([np.nan]), np.array([np.nan]))
    assert (nowhere["n"], nowhere["median"]) == (0, None)
