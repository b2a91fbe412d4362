"""Masks: how much is hidden, in which patterns, and that a sample's mask is its own."""

from __future__ import annotations

import numpy as np
import pytest

from geomix.models import masking

IDS = [f"id-{i}" for i in range(4000)]
BY_NAME = {name: i for i, name in enumerate(masking.STRATEGIES)}


@pytest.mark.parametrize("steps", [1, 2, 3, 12, 24])
def test_exactly_three_quarters_of_the_tokens_are_hidden(steps: int) -> None:
    mask = masking.mask(7, 3, IDS[:500], steps)
    hidden = mask.timed_BTG.sum(axis=(1, 2)) + mask.terrain_B
    assert set(hidden) == {int((9 * steps + 1) * 0.75)}


def test_published_year_hides_81_of_109_tokens() -> None:
    mask = masking.mask(0, 0, IDS[:50], 12)
    assert set(mask.timed_BTG.sum(axis=(1, 2)) + mask.terrain_B) == {81}


def test_strategies_and_terrain_come_as_often_as_they_should() -> None:
    mask = masking.mask(1, 2, IDS, 12)
    # Four standard errors of a share among 4000.
    assert np.bincount(mask.strategy_B, minlength=4) / len(IDS) == pytest.approx([0.25] * 4, abs=0.028)
    assert mask.terrain_B.mean() == pytest.approx(0.75, abs=0.028)


def test_every_token_is_hidden_equally_often() -> None:
    mask = masking.mask(1, 2, IDS, 12)
    for name, number in BY_NAME.items():
        share_TG = mask.timed_BTG[mask.strategy_B == number].mean(axis=0)
        if name == "chunk_timesteps":  # steps at the ends lie in fewer chunks
            share_TG = share_TG.mean(axis=0, keepdims=True)
        assert share_TG == pytest.approx(np.full(share_TG.shape, 80.25 / 108), abs=0.07)


def test_group_bands_hides_six_whole_groups_of_a_year() -> None:
    mask = masking.mask(5, 0, IDS, 12)
    whole = mask.timed_BTG[mask.strategy_B == BY_NAME["group_bands"]].all(axis=1).sum(axis=1)
    assert whole.min() == 6
    assert (whole == 6).mean() > 0.95


@pytest.mark.parametrize("name", ["random_timesteps", "chunk_timesteps"])
def test_timesteps_hides_eight_whole_months_of_a_year(name: str) -> None:
    mask = masking.mask(5, 0, IDS, 12)
    here = mask.strategy_B == BY_NAME[name]
    whole_BT = mask.timed_BTG[here].all(axis=2)
    assert set((whole_BT.sum(axis=1) - 8 - ~mask.terrain_B[here]).tolist()) <= {0, 1}  # 81 tokens = 9 steps without terrain
    if name == "chunk_timesteps":
        full = np.array([_longest_run(row) for row in whole_BT])
        assert full.min() >= 8
        starts = np.array([row.tolist().index(True) for row in whole_BT])
        assert set(starts) == {0, 1, 2, 3, 4}


def _longest_run(row: np.ndarray) -> int:
    best = here = 0
    for value in row:
        here = here + 1 if value else 0
        best = max(best, here)
    return best


def test_the_mask_of_a_sample_does_not_depend_on_its_batch() -> None:
    whole = masking.mask(3, 11, IDS[:64], 12)
    order = np.random.default_rng(0).permutation(64)[:17]
    part = masking.mask(3, 11, [IDS[i] for i in order], 12)
    np.testing.assert_array_equal(part.timed_BTG, whole.timed_BTG[order])
    np.testing.assert_array_equal(part.terrain_B, whole.terrain_B[order])
    np.testing.assert_array_equal(part.strategy_B, whole.strategy_B[order])


def test_seed_step_and_id_each_change_the_mask() -> None:
    base = masking.mask(3, 11, IDS[:64], 12).timed_BTG
    for other in (masking.mask(4, 11, IDS[:64], 12), masking.mask(3, 12, IDS[:64], 12), masking.mask(3, 11, IDS[64:128], 12)):
        assert (other.timed_BTG != base).any(axis=(1, 2)).mean() > 0.95


def test_masks_are_the_same_on_every_machine() -> None:
    mask = masking.mask(0, 1, ["a", "b", "c", "d", "e", "f"], 3)
    assert mask.strategy_B.tolist() == GOLDEN_STRATEGY
    assert np.packbits(mask.timed_BTG.reshape(6, -1), axis=1).tolist() == GOLDEN_BITS


GOLDEN_STRATEGY = [3, 0, 2, 2, 1, 2]
GOLDEN_BITS = [
    [239, 207, 245, 96],
    [215, 175, 213, 224],
    [255, 255, 208, 160],
    [20, 127, 255, 224],
    [255, 255, 232, 0],
    [255, 255, 212, 0],
]


def test_no_ids_give_an_empty_mask() -> None:
    assert masking.mask(0, 0, [], 12).timed_BTG.shape == (0, 12, 9)
