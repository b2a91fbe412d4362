"""Replacing refused samples: same stratum first, then any; nothing but manifest and refusals decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geomix.errors import CompositionError
from geomix.shard.realise import count, realise
from tests.unit.shard.helpers import drawn

STRATA = {"a1": "A", "b1": "B", "a2": "A", "b2": "B", "b3": "B", "a3": "A", "b4": "B", "a4": "A"}


def test_without_refusals_the_draw_is_realised() -> None:
    drew = drawn(["a1", "b1"], ["a2", "b2"], STRATA, strategy="stratified")
    realised = realise(drew, {"a2": "few_steps"}, "c")
    assert realised.rows["id"].tolist() == ["a1", "b1"]
    assert realised.rows["rank"].tolist() == [0, 1]
    assert realised.budget == 2
    assert realised.description["strategy"] == "stratified"
    assert realised.description["realised"] == {"A": 1, "B": 1}
    assert realised.description["refused"] == []


def test_the_same_stratum_first_then_any_in_order_of_rank() -> None:
    drew = drawn(["a1", "b1", "a2"], ["b2", "b3", "a3", "b4"], STRATA)
    realised = realise(drew, {"a1": "few_steps", "a2": "no_values", "a3": "few_steps"}, "c")
    # No accepted A is left: a1 takes the first B, a2 the next.
    assert realised.rows["id"].tolist() == ["b2", "b1", "b3"]
    assert realised.rows["stratum"].tolist() == ["B", "B", "B"]
    realised = realise(drew, {"a1": "few_steps", "a2": "no_values"}, "c")
    assert realised.rows["id"].tolist() == ["a3", "b1", "b2"]
    assert realised.description["realised"] == {"A": 1, "B": 2}
    assert realised.description["refused_by_code"] == {"few_steps": 1, "no_values": 1}
    assert realised.description["refused"] == [
        {"id": "a1", "code": "few_steps", "replaced_by": "a3"},
        {"id": "a2", "code": "no_values", "replaced_by": "b2"},
    ]


def test_a_later_gap_gets_its_own_stratum_before_an_earlier_gap_gets_any() -> None:
    drew = drawn(["a1", "b1"], ["b2", "b3"], STRATA)
    realised = realise(drew, {"a1": "few_steps", "b1": "few_steps"}, "c")
    assert realised.rows["id"].tolist() == ["b3", "b2"]


def test_without_strata_the_order_of_the_reserves_decides() -> None:
    realised = realise(drawn(["x", "y", "z"], ["p", "q"]), {"y": "few_steps"}, "c")
    assert realised.rows["id"].tolist() == ["x", "p", "z"]
    assert realised.rows["stratum"].tolist() == [None, None, None]
    assert count(realised.rows) == {"all": 3}


def test_too_few_reserves_say_how_many_are_lacking() -> None:
    drew = drawn(["a1", "b1", "a2"], ["b2", "b3"], STRATA)
    with pytest.raises(CompositionError) as caught:
        realise(drew, dict.fromkeys(["a1", "b1", "a2", "b3"], "few_steps"), "cities")
    assert caught.value.exit_code == 2
    assert "'cities': 2 samples are lacking" in caught.value.seen
    assert "few_steps: 4" in caught.value.seen
    assert "reserves:" in caught.value.remedy


@given(st.integers(0, 2**32 - 1))
def test_learning_refusals_step_by_step_gives_the_same_as_knowing_them_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"i{k:02d}" for k in range(30)]
    strata = {i: "ABC"[int(rng.integers(3))] for i in names}
    bad = {i: "few_steps" for i in names if rng.random() < 0.2}
    drew = drawn(names[:15], names[15:], strata)
    if sum(i in bad for i in names[:15]) > sum(i not in bad for i in names[15:]):
        return
    at_once = realise(drew, bad, "c")
    known = {i: c for i, c in bad.items() if i in names[:15] or rng.random() < 0.3}
    while True:
        now = realise(drew, known, "c")
        news = {i: bad[i] for i in now.rows["id"] if i in bad}
        if not news:
            break
        known |= news
    assert now.rows.equals(at_once.rows)
    assert now.description == at_once.description
    assert now.rows["id"].is_unique
    assert len(now.rows) == 15
    assert not set(now.rows["id"]) & set(bad)
