"""Distances, offsets and nearest unused rows on the sphere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geomix.sample import sphere, unused


def metres_between(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great circle by the haversine formula: another way than the module's."""
    (lon1, lat1), (lon2, lat2) = np.radians(a), np.radians(b)
    h = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return float(2 * sphere.RADIUS_M * np.arcsin(np.sqrt(h)))


def test_known_distances() -> None:
    quarter = np.pi / 2 * sphere.RADIUS_M
    points = sphere.unit_vectors(np.array([0.0, 90.0, 0.0, -180.0, 180.0]), np.array([0.0, 0.0, 90.0, 0.0, 0.0]))
    assert sphere.metres(np.linalg.norm(points[0] - points[1:3], axis=1)) == pytest.approx([quarter, quarter])
    assert np.linalg.norm(points[3] - points[4]) == pytest.approx(0, abs=1e-12)  # the dateline is one line
    assert sphere.metres(np.array(sphere.chord(12_345.0))) == pytest.approx(12_345.0)


@settings(deadline=None)
@given(st.floats(-180, 180), st.sampled_from([0.0, 45.0, 65.0, -65.0, 89.9]), st.floats(1, 200_000), st.floats(0, 2 * np.pi))
def test_destination_lies_at_its_distance(lon: float, lat: float, distance: float, bearing: float) -> None:
    to_lon, to_lat = sphere.destination(np.array([lon]), np.array([lat]), np.array([distance]), np.array([bearing]))
    assert metres_between((lon, lat), (to_lon[0], to_lat[0])) == pytest.approx(distance, abs=0.05)
    assert -180 <= to_lon[0] <= 180
    assert -90 <= to_lat[0] <= 90


@pytest.mark.parametrize("lat", [0.0, 45.0, 65.0])
def test_offsets_are_round_in_metres(lat: float) -> None:
    random = np.random.default_rng(1)
    n, sigma_m = 20_000, 50_000.0
    at = np.full(n, 179.9), np.full(n, lat)
    lon2, lat2 = sphere.gaussian_offsets(*at, 50.0, random.uniform(size=n), random.uniform(size=n))
    east = np.radians((lon2 - 179.9 + 180) % 360 - 180) * np.cos(np.radians(lat2)) * sphere.RADIUS_M
    north = np.radians(lat2 - lat) * sphere.RADIUS_M
    assert east.std() == pytest.approx(sigma_m, rel=0.02)
    assert north.std() == pytest.approx(sigma_m, rel=0.02)
    assert np.corrcoef(east, north)[0, 1] == pytest.approx(0, abs=0.03)


def nearest_by_hand(points: np.ndarray, tie: np.ndarray, targets: np.ndarray) -> list[int]:
    used: set[int] = set()
    found = []
    for lon, lat in targets:
        keys = [(round(metres_between((lon, lat), tuple(p))), int(tie[n]), n) for n, p in enumerate(points) if n not in used]
        found.append(min(keys)[2])
        used.add(found[-1])
    return found


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 60), st.booleans())
def test_nearest_unused_is_exact(seed: int, count: int, crowded: bool) -> None:
    random = np.random.default_rng(seed)
    # Places shared by rows, targets on top of each other: ties and rows that are taken.
    points = np.round(np.column_stack([random.uniform(-180, 180, 60), random.uniform(-90, 90, 60)]), -1)
    targets = np.column_stack([random.uniform(-180, 180, count), random.uniform(-90, 90, count)])
    if crowded:
        targets[:] = targets[0]
    tie = random.permutation(60).astype(np.uint64)
    found, far = unused.nearest_unused(points[:, 0], points[:, 1], tie, targets[:, 0], targets[:, 1])
    assert found.tolist() == nearest_by_hand(points, tie, targets)
    assert far[0] == pytest.approx(metres_between(tuple(targets[0]), tuple(points[found[0]])), abs=0.6)


def test_a_tie_of_more_rows_than_are_looked_at_first() -> None:
    # Sixty rows at one place: the smallest ties go first, though the tree hands out any sixteen.
    tie = np.random.default_rng(0).permutation(60).astype(np.uint64)
    found, far = unused.nearest_unused(np.full(60, 5.0), np.full(60, 5.0), tie, np.full(60, 5.1), np.full(60, 5.0))
    assert tie[found].tolist() == list(range(60))
    assert len(set(far.tolist())) == 1


def test_a_crowd_larger_than_a_block_takes_the_nearest_rows() -> None:
    # All targets at one point: together they take the nearest rows, whatever shortcuts are used on the way.
    random = np.random.default_rng(5)
    lon, lat = random.uniform(-10, 10, 8000), random.uniform(-10, 10, 8000)
    count = 5000
    found, far = unused.nearest_unused(lon, lat, np.arange(8000, dtype=np.uint64), np.zeros(count), np.zeros(count))
    assert len(set(found.tolist())) == count
    assert (np.diff(far) >= 0).all()
    all_metres = np.round(
        sphere.metres(np.linalg.norm(sphere.unit_vectors(lon, lat) - sphere.unit_vectors(np.zeros(1), np.zeros(1)), axis=1))
    )
    assert far.tolist() == np.sort(all_metres)[:count].tolist()
