"""Area weights: known land, islands, and a draw that follows area on a biased pool."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from geomix import atlas
from geomix.sample import area, order

EARTH_KM2 = 510_072_000.0


def everywhere(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return np.ones(len(lon), dtype=bool)


def northern(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return lat > 0


def biased(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on the sphere, the north three times as dense as the south, and a cluster about (10, 50)."""
    random = np.random.default_rng(seed)
    sine = random.uniform(-1, 1, rows)
    sine = np.where((sine < 0) & (random.uniform(size=rows) < 0.5), -sine, sine)
    lon, lat = random.uniform(-180, 180, rows), np.degrees(np.arcsin(sine))
    cluster = random.uniform(size=rows) < 0.3
    return np.where(cluster, random.normal(10, 10, rows), lon), np.where(cluster, random.normal(50, 6, rows), lat)


def test_weights_add_up_to_the_area() -> None:
    lon, lat = biased(60_000, 0)
    weights = area.weights(lon, lat, everywhere)
    assert weights.min() > 0
    # All 2,048 base cells hold rows: together they stand for the whole Earth.
    assert weights.sum() == pytest.approx(EARTH_KM2, rel=1e-9)
    for sine in (-0.8, -0.2, 0.5):
        below = np.sin(np.radians(lat)) < sine
        assert weights[below].sum() == pytest.approx(EARTH_KM2 * (1 + sine) / 2, rel=0.03)


def test_only_land_counts() -> None:
    lon, lat = biased(60_000, 0)
    weights = area.weights(lon, lat, northern)
    assert weights[lat > 0].sum() == pytest.approx(EARTH_KM2 / 2, rel=1e-6)
    assert weights[lat < -1].max() < 244  # water: half a finest cell, whatever the row's cell


def western(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return lon % 5.625 < 2.8125


def test_a_quarter_without_land_needs_no_rows() -> None:
    # One cell at the equator, land in its western half: eighty rows in one landed quarter, twenty in the other.
    random = np.random.default_rng(0)
    top = np.degrees(np.arcsin(1 / 16))
    south = np.arange(100) < 80
    lat = np.where(south, random.uniform(0.01, 0.49 * top, 100), random.uniform(0.51 * top, 0.99 * top, 100))
    weights = area.weights(random.uniform(0.01, 2.8, 100), lat, western)
    quarter = EARTH_KM2 / (64 * 32) / 4
    assert weights[south].sum() == pytest.approx(quarter)
    assert weights[~south].sum() == pytest.approx(quarter)


def test_weights_do_not_depend_on_the_order_of_rows() -> None:
    lon, lat = biased(5000, 1)
    turned = np.random.default_rng(2).permutation(5000)
    assert (area.weights(lon, lat, everywhere)[turned] == area.weights(lon[turned], lat[turned], everywhere)).all()


def test_a_lone_island_weighs_its_land_and_not_its_sea() -> None:
    # 20,000 rows on real land and one on Mauritius (2,040 km2), 800 km from the next shore.
    random = np.random.default_rng(3)
    lon, lat = random.uniform(-180, 180, 80_000), np.degrees(np.arcsin(random.uniform(-1, 1, 80_000)))
    land = area.is_land(lon, lat)
    lon, lat = np.append(lon[land], 57.55), np.append(lat[land], -20.3)
    weights = area.weights(lon, lat, area.is_land)
    assert 500 < weights[-1] < 6000
    assert weights.sum() == pytest.approx(EARTH_KM2 * 0.285, rel=0.03)  # the map's land, nearly all of it


@pytest.mark.parametrize("seed", range(3))
def test_a_draw_by_area_follows_area_by_latitude_band(seed: int) -> None:
    rows, n = 100_000, 3000
    lon, lat = biased(rows, seed)
    numbers = order.draw_numbers([f"{seed}-{i}" for i in range(rows)], seed)
    edges = np.degrees(np.arcsin(np.linspace(-1, 1, 13)))  # twelve bands of equal area
    expected = np.full(12, n / 12)
    by_area = order.by_number(numbers, area.weights(lon, lat, everywhere))[:n]
    by_rows = order.by_number(numbers)[:n]
    assert scipy_stats.chisquare(np.histogram(lat[by_area], edges)[0], expected).pvalue > 1e-3
    assert scipy_stats.chisquare(np.histogram(lat[by_rows], edges)[0], expected).pvalue < 1e-30
    # And within the cluster: a 10 by 10 degree window holds its share of the area.
    window = (np.abs(lon - 10) < 5) & (np.abs(lat - 50) < 5)
    share = (np.sin(np.radians(55)) - np.sin(np.radians(45))) / 2 * 10 / 360
    assert scipy_stats.binomtest(int(window[by_area].sum()), n, share).pvalue > 1e-3
    assert window[by_rows].sum() > 5 * share * n


def test_continental_shares_of_a_biased_pool_match_those_of_the_land() -> None:
    random = np.random.default_rng(7)

    def on_land(points: int) -> tuple[np.ndarray, np.ndarray]:
        lon, lat = random.uniform(-180, 180, points), np.degrees(np.arcsin(random.uniform(-0.86, 1, points)))
        land = area.is_land(lon, lat)
        return lon[land], lat[land]

    def shares(lon: np.ndarray, lat: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        continents = np.asarray(atlas.lookup("continent", lon, lat), dtype=object)
        total = weights[continents != None].sum()  # noqa: E711 (an array of objects)
        return {c: float(weights[continents == c].sum() / total) for c in ("Africa", "Asia", "Europe", "Oceania")}

    lon, lat = on_land(600_000)
    true = shares(lon, lat, np.ones(len(lon)))
    lon, lat = on_land(200_000)
    # Four times as dense about the North Sea, and thinner with every degree from there.
    keep = random.uniform(size=len(lon)) < 0.25 + 0.75 * np.exp(-(((lon - 5) / 40) ** 2) - ((lat - 52) / 20) ** 2)
    lon, lat = lon[keep], lat[keep]
    rows = shares(lon, lat, np.ones(len(lon)))
    weighted = shares(lon, lat, area.weights(lon, lat, area.is_land))
    assert rows["Europe"] > 1.5 * true["Europe"]
    for continent, share in true.items():
        assert weighted[continent] == pytest.approx(share, abs=0.01)
