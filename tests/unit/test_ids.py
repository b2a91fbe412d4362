"""Names that repeat on any machine: known answers, so that a change of one bit is seen."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geomix import ids

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_canonical_json_is_one_text_a_value() -> None:
    assert ids.canonical_json({"b": 1.0, "a": [True, None, "é"]}) == '{"a":[true,null,"é"],"b":1}'
    assert ids.canonical_json((1, 2)) == ids.canonical_json([1.0, 2]) == "[1,2]"
    assert ids.canonical_json({"x", "a"}) == '["a","x"]'
    assert ids.canonical_json(np.float32(0.5)) == "0.5"
    assert ids.canonical_json({"n": np.int64(3)}) == '{"n":3}'
    assert ids.canonical_json(-0.0) == "0"
    assert ids.canonical_json([1, "1", True]) == '[1,"1",true]'


@given(JSON)
def test_canonical_json_survives_a_way_through_json(value: object) -> None:
    text = ids.canonical_json(value)
    assert ids.canonical_json(json.loads(text)) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": [-math.inf]}, np.float64("nan")])
def test_what_is_not_a_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        ids.canonical_json(value)


def test_sha256_keeps_its_parts_apart() -> None:
    assert ids.sha256("ab", "c") != ids.sha256("a", "bc") != ids.sha256("abc")
    assert ids.sha256("é") == ids.sha256("é".encode())
    expected = hashlib.sha256((2).to_bytes(8, "big") + b"ab" + (1).to_bytes(8, "big") + b"c").hexdigest()
    assert ids.sha256("ab", "c") == expected


def test_step_key_follows_everything_that_matters() -> None:
    key = ids.step_key("pool", 1, {"a": 1.0}, {"x": "y"})
    assert key == "0ca65c7b301295d3b9133cdf905e4ecca051a39ae767b58e3c8c6e2870d41741"
    assert key == ids.step_key("pool", 1, {"a": 1}, {"x": "y"})
    others = [
        ids.step_key("sample", 1, {"a": 1}, {"x": "y"}),
        ids.step_key("pool", 2, {"a": 1}, {"x": "y"}),
        ids.step_key("pool", 1, {"a": 2}, {"x": "y"}),
        ids.step_key("pool", 1, {"a": "1"}, {"x": "y"}),
        ids.step_key("pool", 1, {"a": 1}, {"x": "z"}),
    ]
    assert len({key, *others}) == 6


def test_derived_seeds() -> None:
    assert ids.derive_seed("train", 0, "init") == 638119892578428695
    assert ids.derive_seed("train", 0, "init") != ids.derive_seed("train", "0", "init")
    seeds = {ids.derive_seed("train", k) for k in range(1000)}
    assert len(seeds) == 1000
    assert all(0 <= s < 2**63 for s in seeds)


def test_id64_is_the_head_of_the_hash() -> None:
    found = ids.id64(["abc", ""])
    assert [hex(int(v)) for v in found] == ["0xba7816bf8f01cfea", "0xe3b0c44298fc1c14"]
    assert ids.id64([]).shape == (0,)


def test_splitmix64_gives_the_published_sequence() -> None:
    # The first outputs of SplitMix64 seeded with 0 and with 1234567 (state advances by the golden gamma).
    gamma, mask = 0x9E3779B97F4A7C15, 2**64 - 1
    for seed, first in (
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]),
        (1234567, [6457827717110365317, 3203168211198807973, 9817491932198370423]),
    ):
        states = np.array([(seed + k * gamma) & mask for k in range(3)], dtype=np.uint64)
        assert ids.splitmix64(states).tolist() == first


def test_permanent_numbers_belong_to_the_sample_not_to_its_row() -> None:
    names = [f"s{k}" for k in range(2000)]
    numbers = ids.permanent_random(ids.id64(names), 7)
    order = np.random.default_rng(0).permutation(2000)
    assert (ids.permanent_random(ids.id64([names[k] for k in order]), 7) == numbers[order]).all()
    assert int(ids.permanent_random(ids.id64(["earth-00000001"]), 7)[0]) == 9421726377438534816
    other = ids.unit_interval(ids.permanent_random(ids.id64(names), 8))
    correlation = np.corrcoef(ids.unit_interval(numbers), other)[0, 1]
    assert abs(correlation) < 0.08  # 3.6 standard errors
    counts = np.histogram(ids.unit_interval(numbers), bins=10, range=(0, 1))[0]
    assert ((counts - 200.0) ** 2 / 200).sum() < 27.9  # chi-square, 9 degrees of freedom, p = 0.001


def test_seeds_beyond_64_bits_and_negative_ones_are_folded() -> None:
    one = ids.id64(["a"])
    assert ids.permanent_random(one, 2**64 + 3) == ids.permanent_random(one, 3)
    assert ids.permanent_random(one, -1) == ids.permanent_random(one, 2**64 - 1)


def test_the_unit_interval_is_open() -> None:
    ends = ids.unit_interval(np.array([0, 2**64 - 1, 2**63], dtype=np.uint64))
    assert 0 < ends[0] < 2.0**-52
    assert 1 - 2.0**-52 < ends[1] < 1
    assert ends[2] == pytest.approx(0.5)
    assert np.isfinite(np.log(ends)).all()
    assert np.isfinite(np.log1p(-ends)).all()
