"""Keyed random numbers: known distributions, and independence of order, batch and stream."""

from __future__ import annotations

import numpy as np

from geomix.earth import keyed

KEYS = np.arange(20_000, dtype=np.uint64)


def test_numbers_belong_to_their_key() -> None:
    whole = keyed.normal(KEYS, 3, "noise", 5)
    order = np.random.default_rng(0).permutation(len(KEYS))
    assert np.array_equal(keyed.normal(KEYS[order], 3, "noise", 5), whole[order])
    assert np.array_equal(keyed.normal(KEYS[:7], 3, "noise", 5), whole[:7])
    assert np.array_equal(keyed.normal(KEYS[:7], 3, "noise", 2), whole[:7, :2])


def test_streams_and_seeds_are_independent() -> None:
    one, other, reseeded = (keyed.normal(KEYS, s, w) for s, w in ((0, "a"), (0, "b"), (1, "a")))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert abs(np.corrcoef(one, reseeded)[0, 1]) < 0.03
    within = np.corrcoef(keyed.normal(KEYS, 0, "a", 6).T)
    assert np.abs(within - np.eye(6)).max() < 0.03


def test_distributions() -> None:
    u, z = keyed.uniform(KEYS, 0, "u"), keyed.normal(KEYS, 0, "z")
    assert u.min() > 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.01
    assert abs(z.mean()) < 0.03
    assert abs(z.std() - 1) < 0.02


def test_place_keys_tell_places_apart_at_a_metre() -> None:
    lon, lat = np.array([10.0, 10.00001, 10.0, -10.0, 45.0]), np.array([45.0, 45.0, 45.00001, 45.0, 10.0])
    keys = keyed.place_keys(lon, lat)
    assert len(set(keys.tolist())) == 5
    assert np.array_equal(keyed.place_keys(lon + 1e-9, lat), keys)


def test_a_field_is_smooth_and_has_no_seam() -> None:
    lat = np.linspace(-80, 80, 50)
    west, east = (keyed.field(np.full(50, x), lat, 0, "f", (500.0, 3000.0)) for x in (-180.0, 180.0))
    assert np.allclose(west, east, atol=1e-9)
    poles = keyed.field(np.array([0.0, 90.0, -170.0]), np.full(3, 90.0), 0, "f", (500.0, 3000.0))
    assert np.ptp(poles) < 1e-9
    near = keyed.field(np.full(50, 0.01), lat, 0, "f", (500.0, 3000.0)) - keyed.field(
        np.zeros(50), lat, 0, "f", (500.0, 3000.0)
    )
    assert np.abs(near).max() < 0.1
    spread = np.std([keyed.field(np.array([20.0]), np.array([10.0]), s, "f", (500.0, 3000.0))[0] for s in range(200)])
    assert 0.8 < spread < 1.2
