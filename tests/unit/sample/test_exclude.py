"""Exclusion zones against distances worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from geomix.sample import exclude, sphere

KM = np.degrees(1000 / sphere.RADIUS_M)  # a kilometre in degrees of latitude


def places(*points: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame({"task": "t", "row": range(len(points)), "lon": [p[0] for p in points], "lat": [p[1] for p in points]})


def test_near_and_far() -> None:
    lon, lat = np.array([0.0, 0.0, 0.0, 50.0]), np.array([9.9 * KM, 10 * KM, 10.1 * KM, 0.0])
    assert exclude.near(lon, lat, places((0, 0)), 10).tolist() == [True, False, False, False]
    assert not exclude.near(lon, lat, places((0, 0)), 0).any()
    assert not exclude.near(lon, lat, places(), 10).any()
    assert exclude.near(lon, lat, places((0, 0)), 30_000).all()


def test_over_the_dateline_and_at_the_pole() -> None:
    lon, lat = np.array([179.99, 0.0, 0.0]), np.array([0.0, 89.99, 89.0])
    assert exclude.near(lon, lat, places((-179.99, 0), (180, 89.99)), 10).tolist() == [True, True, False]


def test_places_without_coordinates_are_left_out() -> None:
    found = exclude.near(np.array([0.0]), np.array([0.0]), places((np.nan, np.nan), (1, 1)), 10)
    assert found.tolist() == [False]


def test_the_hash_follows_the_coordinates_alone() -> None:
    one = exclude.places_hash(places((1, 2), (3, 4)))
    assert exclude.places_hash(places((3, 4), (1, 2), (1, 2), (np.nan, np.nan)).assign(task="other")) == one
    assert exclude.places_hash(places((1, 2), (3, 4.1))) != one
    assert exclude.places_hash(places()) != one


def test_agrees_with_all_distances() -> None:
    random = np.random.default_rng(0)
    lon, lat = random.uniform(-180, 180, 500), random.uniform(-90, 90, 500)
    tasks = places(*zip(random.uniform(-180, 180, 50), random.uniform(-90, 90, 50), strict=True))
    chords = np.linalg.norm(sphere.unit_vectors(lon, lat)[:, None] - sphere.unit_vectors(tasks["lon"], tasks["lat"]), axis=2)
    expected = sphere.metres(chords).min(axis=1) < 500_000
    assert 50 < expected.sum() < 450
    assert (exclude.near(lon, lat, tasks, 500) == expected).all()
