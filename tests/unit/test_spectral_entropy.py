"""Spectral entropy: values by hand, bins at their edges, missing values, and the same numbers in any block and type."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geomix import spectral_entropy as entropy


def one(x_TC: list[list[float]]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in entropy.of_series(np.array([x_TC], dtype=np.float32)).items()}


def test_by_hand() -> None:
    # Band 0: bins 6, 6, 6, 12; band 1: bins 12, 12, 25, 25. Together: three, three and two of eight.
    found = one([[0.1, 0.2], [0.1, 0.2], [0.1, 0.4], [0.2, 0.4]])
    assert found["pooled"] == pytest.approx(-(2 * 3 / 8 * math.log(3 / 8) + 2 / 8 * math.log(2 / 8)), abs=1e-6)
    first, second = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), math.log(2)
    assert found["per_band"] == pytest.approx((first + second) / 2, abs=1e-6)
    p = 0.125 / (0.125 + 0.3)
    assert found["spectrum"] == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p), abs=1e-6)


def test_constant_images_have_none() -> None:
    found = entropy.of_images(np.full((3, 4, 8, 8), 0.3, dtype=np.float32))
    assert found["pooled"].tolist() == found["per_band"].tolist() == [0.0] * 3
    assert not np.signbit(found["pooled"]).any()
    assert found["spectrum"] == pytest.approx(math.log(4), abs=1e-6)


def test_uniform_histograms_have_the_most() -> None:
    values = (np.arange(entropy.BINS) + 0.5) / entropy.BINS
    image = np.stack([values, values[::-1]]).reshape(1, 2, 8, 8)
    found = entropy.of_images(image)
    assert found["pooled"][0] == found["per_band"][0] == pytest.approx(math.log(64), abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges_belong_to_the_bin_above(dtype: type) -> None:
    # Each edge and the number just below the next one share a bin: 63 bins of two, and 1 with its last edge.
    low = entropy.EDGES[:-1].astype(dtype)
    high = np.nextafter(entropy.EDGES[1:].astype(dtype), dtype(0))
    alone = entropy.of_series(low[None, :, None])["pooled"][0]
    both = entropy.of_series(np.concatenate([low, high])[None, :, None])["pooled"][0]
    assert alone == both == pytest.approx(math.log(64), abs=1e-6)
    shifted = np.nextafter(low, dtype(-1))  # just below every edge: bins 0, 0, 1, ..., 62
    assert entropy.of_series(shifted[None, :, None])["pooled"][0] < alone


def test_outliers_go_to_the_end_bins() -> None:
    assert one([[-0.5], [0.0], [1.0], [7.0]])["pooled"] == pytest.approx(math.log(2), abs=1e-6)
    assert one([[-0.5, 1.7], [-0.1, 1.0]])["spectrum"] == 0.0


def test_nothing_valid_is_not_a_number() -> None:
    nothing = entropy.of_series(np.full((2, 5, 3), np.nan, dtype=np.float32))
    assert all(np.isnan(values).all() for values in nothing.values())
    black = one([[0.0, 0.0], [0.0, 0.0]])
    assert (black["pooled"], black["per_band"]) == (0.0, 0.0)
    assert math.isnan(black["spectrum"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 5))
def test_missing_values_change_nothing(seed: int, steps: int, bands: int) -> None:
    random = np.random.default_rng(seed)
    x = random.uniform(-0.1, 1.2, (3, steps, bands)).astype(np.float32)
    x[random.uniform(size=x.shape) < 0.2] = np.nan
    padded = np.full((3, steps + 4, bands + 2), np.nan, dtype=np.float32)
    padded[:, 1 : steps + 1, 1 : bands + 1] = x
    padded[0, 0, 0] = np.inf
    turned = padded[:, ::-1, :]
    for name, values in entropy.of_series(x).items():
        assert np.array_equal(values, entropy.of_series(padded)[name], equal_nan=True)
        assert np.array_equal(values, entropy.of_series(turned)[name], equal_nan=True)


def test_neither_type_nor_block_nor_layout_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).uniform(0, 1, (50, 12, 10)).astype(np.float32)
    whole, wide = entropy.of_series(x), entropy.of_series(x.astype(np.float64))
    images = entropy.of_images(x.transpose(0, 2, 1).reshape(50, 10, 3, 4))
    monkeypatch.setattr(entropy, "_BLOCK_VALUES", 1)
    single = entropy.of_series(x)
    for name in entropy.VARIANTS:
        assert whole[name].tolist() == wide[name].tolist() == images[name].tolist() == single[name].tolist()
        assert (np.round(whole[name], entropy.DECIMALS) == whole[name]).all()


def test_the_definition_is_json() -> None:
    assert entropy.definition() == {
        "version": 1,
        "bins": 64,
        "range": [0, 1],
        "unit": "nat",
        "decimals": 6,
        "variants": ["pooled", "per_band", "spectrum"],
    }
