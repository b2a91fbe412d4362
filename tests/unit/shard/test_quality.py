"""Refusal: at least min(3, T) steps with a finite Sentinel-1 or Sentinel-2 value."""

from __future__ import annotations

import numpy as np
import pytest

from geomix import tables
from geomix.series import Series
from geomix.shard import quality

BAND = {name: n for n, name in enumerate(tables.SERIES_BANDS)}


def series(n: int, steps: int = 12) -> Series:
    x = np.full((n, steps, len(BAND)), np.nan, dtype=np.float32)
    side = np.zeros((n, steps), dtype=np.int64)
    return Series(x, side, side)


@pytest.mark.parametrize(("seen", "code"), [(0, "few_steps"), (2, "few_steps"), (3, None), (12, None)])
@pytest.mark.parametrize("band", ["VV", "VH", "B2", "B8A", "B12"])
def test_three_steps_of_radar_or_optical_are_enough(seen: int, code: str | None, band: str) -> None:
    one = series(1)
    one.x_NTC[0, :, BAND["elevation"]] = 100.0
    one.x_NTC[0, :seen, BAND[band]] = 0.0  # zero is a value
    assert quality.refusals(one).tolist() == [code]


def test_radar_and_optical_steps_count_together_and_only_once() -> None:
    two = series(2)
    two.x_NTC[:, :, BAND["temperature_2m"]] = 280.0
    two.x_NTC[0, 0, BAND["VV"]] = two.x_NTC[0, 4, BAND["B4"]] = two.x_NTC[0, 7, BAND["B11"]] = 1.0
    two.x_NTC[1, 0, BAND["VV"]] = two.x_NTC[1, 0, BAND["B4"]] = two.x_NTC[1, 7, BAND["B11"]] = 1.0
    assert quality.refusals(two).tolist() == [None, "few_steps"]


def test_nothing_finite_has_its_own_code() -> None:
    three = series(3)
    three.x_NTC[1, 5, BAND["B4"]] = np.inf  # not a value either
    three.x_NTC[2, 5, BAND["slope"]] = 1.0
    assert quality.refusals(three).tolist() == ["no_values", "no_values", "few_steps"]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_short_series_needs_all_its_steps(steps: int) -> None:
    two = series(2, steps)
    two.x_NTC[0, :, BAND["B8"]] = 0.3
    two.x_NTC[1, 1:, BAND["B8"]] = 0.3
    two.x_NTC[1, :, BAND["slope"]] = 0.3
    assert quality.refusals(two).tolist() == [None, "few_steps"]


def test_neighbours_do_not_matter() -> None:
    many = series(50)
    rng = np.random.default_rng(0)
    many.x_NTC[rng.random(many.x_NTC.shape) < 0.01] = 1.0
    order = rng.permutation(50)
    assert (quality.refusals(many.take(order)) == quality.refusals(many)[order]).all()
    assert {None, "few_steps"} <= set(quality.refusals(many).tolist())
