"""Orders: divisor rule against hand-made answers, nesting, weighted draws."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geomix.sample import order


def test_numbers_belong_to_id_and_seed() -> None:
    one = order.draw_numbers(["a", "b", "c"], 0)
    assert order.draw_numbers(["c", "a"], 0).tolist() == [one[2], one[0]]
    assert set(order.draw_numbers(["a", "b", "c"], 1).tolist()).isdisjoint(one.tolist())


def test_quotas_follow_sainte_lague() -> None:
    # 53, 24 and 23 thousand votes: the textbook's seats for a house of seven (Sainte-Lague 3-2-2, D'Hondt 4-2-1).
    assert order.quotas(np.array([53.0, 24.0, 23.0]), 7).tolist() == [3, 2, 2]
    assert order.quotas(np.ones(3), 10).tolist() == [4, 3, 3]  # equal targets: the odd one to the first name
    assert order.quotas(np.array([1.0]), 5).tolist() == [5]


@settings(deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=12), st.integers(1, 200))
def test_quotas_nest_and_add_up(shares: list[int], n: int) -> None:
    weights = np.array(shares, dtype=float)
    less, more = order.quotas(weights, n), order.quotas(weights, n + 1)
    assert less.sum() == n
    assert more.sum() == n + 1
    assert (more >= less).all()


@settings(deadline=None)
@given(st.lists(st.integers(-1, 4), max_size=60), st.lists(st.integers(1, 9), min_size=5, max_size=5))
def test_interleave_is_a_permutation_that_keeps_each_groups_order(groups: list[int], shares: list[int]) -> None:
    group = np.array(groups, dtype=np.int64)
    found = order.interleave(group, np.array(shares, dtype=float))
    assert sorted(found) == np.flatnonzero(group >= 0).tolist()
    for g in range(5):
        mine = found[group[found] == g]
        assert (np.diff(mine) > 0).all()


def test_interleave_gives_the_turns_of_a_dry_group_to_the_others() -> None:
    group = np.array([0, 1, 1, 1, 2, 2, 2])
    assert group[order.interleave(group, np.ones(3))].tolist() == [0, 1, 2, 1, 2, 1, 2]


def test_equal_weights_draw_as_no_weights() -> None:
    numbers = order.draw_numbers([str(n) for n in range(1000)], 3)
    assert (order.by_number(numbers) == order.by_number(numbers, np.full(1000, 7.5))).all()


def test_weights_draw_in_proportion() -> None:
    # One draw of one from (1, 2, 3) over many seeds: probabilities 1/6, 1/3, 1/2.
    firsts = [order.by_number(order.draw_numbers(["a", "b", "c"], s), np.array([1.0, 2.0, 3.0]))[0] for s in range(6000)]
    share = np.bincount(firsts, minlength=3) / 6000
    assert np.abs(share - np.array([1, 2, 3]) / 6).max() < 4 * np.sqrt(0.25 / 6000)
