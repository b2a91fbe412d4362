"""Terrain and parcels: as steep as the landscape, lit from where the sun stands, fields as large as their style's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geomix import config
from geomix.earth import days, grid, landscapes, noise, parcels, spectra, terrain
from geomix.earth.grid import Windows

EARTH = config.Earth()


def day_of(text: str) -> np.ndarray:
    return np.array([np.datetime64(text, "D").astype(np.int64)])


def test_sun_stands_where_the_almanac_says() -> None:
    # Noon minus 90 minutes; heights from sin h = sin(lat) sin(dec) + cos(lat) cos(dec) cos(22.5 degrees).
    height, azimuth = days.sun(np.array([0.0]), day_of("2021-03-21"))
    assert np.degrees(height[0]) == pytest.approx(67.5, abs=0.5)
    assert np.degrees(azimuth[0]) == pytest.approx(90, abs=3)
    summer, winter = (days.sun(np.array([48.0]), day_of(d)) for d in ("2021-06-21", "2021-12-21"))
    assert np.degrees(summer[0][0]) == pytest.approx(59.4, abs=0.5)
    assert np.degrees(winter[0][0]) == pytest.approx(15.7, abs=0.5)
    assert 90 < np.degrees(summer[1][0]) < np.degrees(winter[1][0]) < 180  # south-east
    assert 0 < np.degrees(days.sun(np.array([-35.0]), day_of("2021-06-21"))[1][0]) < 90  # north-east
    assert days.sun(np.array([80.0]), day_of("2021-12-21"))[0][0] == days.LOWEST_SUN


def test_months_wrap_round_the_year() -> None:
    curve = np.cos(2 * np.pi * np.arange(12) / 12)[None, :]
    at = {
        t: float(days.on_day(curve, days.month_of(day_of(f"2021-{t}")))[0])
        for t in ("01-16", "07-17", "12-31", "01-01", "04-17")
    }
    assert at["01-16"] == pytest.approx(1, abs=0.01)
    assert at["07-17"] == pytest.approx(-1, abs=0.01)
    assert at["04-17"] == pytest.approx(0, abs=0.05)
    assert at["12-31"] == pytest.approx(at["01-01"], abs=0.02)


def test_ground_is_as_steep_as_declared_and_bright_towards_the_sun() -> None:
    w = Windows(32601 + np.arange(8), *(np.full(8, v) for v in (50000, -500000, 18800)), 128, 128)
    around = landscapes.around(w, EARTH)
    steep = np.full(len(around.month), 20.0)
    around = replace(around, ground=replace(around.ground, slope_deg=steep))
    height = terrain.heights(w.grown(1), 0).astype(np.float64)
    east = (height[:, 1:-1, 2:] - height[:, 1:-1, :-2]) / 20
    north = (height[:, :-2, 1:-1] - height[:, 2:, 1:-1]) / 20
    assert np.sqrt((east**2 + north**2).mean()) == pytest.approx(1, rel=0.12)
    light = terrain.sunlight(around, 0, np.zeros(height[:, 1:-1, 1:-1].shape, dtype=bool))
    towards = -(east * np.sin(around.sun_azimuth[0]) + north * np.cos(around.sun_azimuth[0]))
    assert np.corrcoef(light.ravel(), towards.ravel())[0, 1] > 0.9
    assert light[towards > 0.3].mean() > 1 > light[towards < -0.3].mean()
    assert (terrain.sunlight(around, 0, np.ones(light.shape, dtype=bool)) == 1).all()


@pytest.mark.parametrize("name", parcels.NAMES)
def test_parcels_are_as_large_as_their_style(name: str) -> None:
    side = 480
    row, column = (v.ravel() for v in np.mgrid[:side, :side] + 7000)
    bend = noise.smooth(Windows(*(np.array([v]) for v in (32633, 7000, 7000, 0)), side, side), 40, 0, "bends", 2)[0].reshape(
        2, -1
    )
    state = np.full(len(row), 5, dtype=np.uint64)
    key, edge = parcels.divided(state, column, row, bend, np.full(len(row), parcels.NAMES.index(name)))
    count = np.unique(key, return_counts=True)[1]
    style = parcels.STYLES[name]
    # The mean over pixels of the size of a pixel's parcel is little changed by those that the border or a region's end cuts.
    area = (count.astype(np.float64) ** 2).sum() / count.sum() * 100
    assert 0.5 < area / (style.width_m * style.length_m) < 2.2
    # Edges: about the perimeter times half the width, over the area.
    expected = style.edge_m * (1 / style.width_m + 1 / style.length_m)
    assert edge.mean() == pytest.approx(expected, rel=0.5)
    assert 0 <= edge.min() < edge.max() <= 1


def test_a_landscape_has_its_cells_mixture_and_its_neighbours() -> None:
    # Inside the Sahara all cells are barren; nodes at sea by the coast have the continent beside them.
    w = grid.centred(np.array([10.0]), np.array([25.0]), np.array([18800]), 8)
    around = landscapes.around(w, EARTH)
    np.testing.assert_allclose(around.share_K9.sum(axis=1), 1)
    assert (around.share_K9[:, spectra.BARE] > 0.7).all()
    assert set(around.ground.continent) == {"Africa"}
    ice = landscapes.around(grid.centred(np.array([-42.0]), np.array([72.0]), np.array([18800]), 8), EARTH)
    assert (ice.ice == 1).all()
    assert (ice.share_K9[:, [spectra.TREE, spectra.CROP, spectra.MANGROVE]] == 0).all()
