"""Random fields over the ground: the same bits in any window, unit variance, and the stated correlation length."""

from __future__ import annotations

import numpy as np
import pytest

from geomix.earth import noise
from geomix.earth.grid import Windows


def windows(column: int, row: int, width: int, height: int, zones: int = 1) -> Windows:
    return Windows(32601 + np.arange(zones), *(np.full(zones, v) for v in (column, row, 18800)), height, width)


@pytest.mark.parametrize("spacing", [2, 3, 16, 64, 768])
def test_windows_agree_to_the_bit_where_they_overlap(spacing: int) -> None:
    large = noise.smooth(windows(-50, -70, 190, 140), spacing, 1, "a", 4)
    for column, row, width, height in ((-50, -70, 7, 9), (-13, -20, 64, 64), (31, 2, 109, 68)):
        small = noise.smooth(windows(column, row, width, height), spacing, 1, "a", 4)
        r, c = row + 70, column + 50
        np.testing.assert_array_equal(small, large[:, :, r : r + height, c : c + width])


@pytest.mark.parametrize("spacing", [4, 9])
def test_mean_variance_and_correlation_are_as_stated(spacing: int) -> None:
    x = noise.smooth(windows(0, 0, 24 * spacing, 24 * spacing, 12), spacing, 0, "b", 4).astype(np.float64)
    assert abs(x.mean()) < 0.02
    assert x.var() == pytest.approx(1, abs=0.03)
    # The variance is one everywhere: on the lattice's nodes and between them.
    assert x[..., ::spacing, ::spacing].var() == pytest.approx(1, abs=0.08)
    reach = noise.CORRELATION * spacing
    for axis in (2, 3):
        both = [
            (np.moveaxis(x, axis, -1)[..., d:] * np.moveaxis(x, axis, -1)[..., : x.shape[3] - d]).mean()
            for d in range(3 * spacing)
        ]
        assert np.interp(reach, np.arange(3 * spacing), both) == pytest.approx(np.exp(-1), abs=0.05)
        assert abs(both[-1]) < 0.06


def test_seeds_streams_lanes_zones_and_days_are_independent() -> None:
    w = windows(100, 100, 64, 64, 2)
    later = Windows(w.epsg, w.column, w.row, w.day + 1, 64, 64)
    x = noise.smooth(w, 2, 0, "c", 2, daily=True)
    others = [
        noise.smooth(w, 2, 1, "c", 1, daily=True)[0, 0],
        noise.smooth(w, 2, 0, "d", 1, daily=True)[0, 0],
        noise.smooth(later, 2, 0, "c", 1, daily=True)[0, 0],
        x[1, 0],
        x[0, 1],
        x[0, 0].T,
    ]
    for other in others:
        assert abs(np.corrcoef(x[0, 0].ravel(), other.ravel())[0, 1]) < 0.1
    np.testing.assert_array_equal(noise.smooth(w, 2, 0, "c"), noise.smooth(later, 2, 0, "c"))


def test_white_noise_is_normal_and_white() -> None:
    x = noise.white(windows(7, 9, 200, 200), 0, "e", 4)[0].astype(np.float64)
    assert abs(x.mean()) < 0.01
    assert x.std() == pytest.approx(1, abs=0.01)
    assert np.abs(np.corrcoef(x.reshape(4, -1)) - np.eye(4)).max() < 0.02
    assert abs((x[:, :, 1:] * x[:, :, :-1]).mean()) < 0.02
    assert (np.abs(x) < 1.2815515655446004).mean() == pytest.approx(0.8, abs=0.01)
