"""Hexagons: an equal-area projection, and hexagons that hold what lies nearest to their centres."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest

from geomix.maps import hexagons


@pytest.mark.parametrize("lat", [-50.0, 0.0, 60.0])
def test_the_projection_keeps_areas(lat: float) -> None:
    steps = np.linspace(0, 1, 50)
    sides = [(steps, 0 * steps), (1 + 0 * steps, steps), (1 - steps, 1 + 0 * steps), (0 * steps, 1 - steps)]
    ring = np.concatenate([np.column_stack([10 + x, lat + y]) for x, y in sides])
    x, y = hexagons.project(ring).T
    flat = 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))
    ground, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(ring[:, 0], ring[:, 1])
    assert flat == pytest.approx(abs(ground), rel=1e-3)


def test_longitude_comes_first() -> None:
    east, north = hexagons.project(np.array([[90.0, 0.0], [0.0, 45.0]]))
    assert east[0] > 7e6
    assert abs(east[1]) < 1
    assert north[1] > 4e6


def test_hexagons_hold_the_points_nearest_to_their_centres() -> None:
    points = np.random.default_rng(0).uniform(-1000, 1000, (2000, 2))
    centres, counts = hexagons.hexagons(points, 130.0)
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert counts.sum() == 2000
    # Cells at the rim lack neighbours that hold no point: only there may a point be nearer to another centre.
    assert (np.bincount(nearest, minlength=len(centres)) == counts).mean() > 0.9
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)
    assert apart[apart > 0].min() == pytest.approx(130.0)


def test_land_is_there_and_small() -> None:
    outline = hexagons.land_outline()
    assert 10 < len(outline) < 120
    assert sum(map(len, outline)) < 4000
