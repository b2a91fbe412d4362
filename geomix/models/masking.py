"""Which tokens of a sample are hidden in a training step: Presto's four strategies, keyed by (seed, step, id).

Letters: B samples, T time steps, G = 9 token groups with one token a step (`TIMED`), N = G * T.
The strategies, the share (75 %) and the order "terrain first, whole groups or steps next, then single tokens until the
share is reached" are Presto's (arXiv 2304.14065, section 3.2 and its released configuration). The numbers are our own:
each sample has a SplitMix64 stream that starts from (seed, step, id), so its mask is the same in any batch, on any worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geomix import ids as names

STRATEGIES: tuple[str, ...] = ("group_bands", "random_timesteps", "chunk_timesteps", "random_combinations")
SHARE = 0.75
TIMED: tuple[str, ...] = ("S1", "S2_RGB", "S2_Red_Edge", "S2_NIR_10m", "S2_NIR_20m", "S2_SWIR", "ERA5", "NDVI", "landcover")
"""Token groups with one token a time step, in the order of the last axis of `Mask.timed_BTG`."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_STRATEGY, _TERRAIN, _START, _FIRST = 0, 1, 2, 3


@dataclass(frozen=True)
class Mask:
    """What the strategy hides of each sample, whether or not it was measured."""

    timed_BTG: npt.NDArray[np.bool_]
    """True = hidden; groups in the order of `TIMED`."""
    terrain_B: npt.NDArray[np.bool_]
    """True = the terrain token is hidden."""
    strategy_B: npt.NDArray[np.int64]
    """Index into `STRATEGIES`."""


def mask(seed: int, step: int, ids: Sequence[str], steps: int, share: float = SHARE) -> Mask:
    """The mask of each of `ids` in training step `step`, for series of `steps` time steps.

    Exactly int((9 * steps + 1) * share) of the 9 * steps + 1 tokens of a sample are hidden (the terrain token is one).
    The strategy is uniform over the four; terrain is hidden with probability `share`.
    """
    G = len(TIMED)
    u_BN = _numbers(seed, step, ids, _FIRST + steps + G + steps * G)
    strategy_B = np.minimum((u_BN[:, _STRATEGY] * len(STRATEGIES)).astype(np.int64), len(STRATEGIES) - 1)
    terrain_B = u_BN[:, _TERRAIN] < share
    left_B = int((G * steps + 1) * share) - terrain_B.astype(np.int64)

    # Whole groups or whole steps go first (`whole`), single tokens fill up: sort by (not whole, random), hide the first.
    rank_BG = _ranks(u_BN[:, _FIRST : _FIRST + G])
    rank_BT = _ranks(u_BN[:, _FIRST + G : _FIRST + G + steps])
    groups_B, steps_B = left_B // steps, left_B // G
    start_B = np.floor(u_BN[:, _START] * (steps - steps_B + 1)).astype(np.int64)
    step_T = np.arange(steps)
    whole_BTG = np.zeros((len(ids), steps, G), dtype=bool)
    by_group, by_step, by_chunk = (strategy_B == STRATEGIES.index(name) for name in STRATEGIES[:3])
    whole_BTG |= (by_group[:, None] & (rank_BG < groups_B[:, None]))[:, None, :]
    whole_BTG |= (by_step[:, None] & (rank_BT < steps_B[:, None]))[:, :, None]
    chunk_BT = (step_T >= start_B[:, None]) & (step_T < (start_B + steps_B)[:, None])
    whole_BTG |= (by_chunk[:, None] & chunk_BT)[:, :, None]

    score_BN = u_BN[:, _FIRST + G + steps :] + ~whole_BTG.reshape(len(ids), steps * G)
    hidden_BN = _ranks(score_BN) < left_B[:, None]
    return Mask(hidden_BN.reshape(len(ids), steps, G), terrain_B, strategy_B)


def _numbers(seed: int, step: int, ids: Sequence[str], count: int) -> npt.NDArray[np.float64]:
    """float64 [B, count] in (0, 1): the first `count` numbers of each sample's SplitMix64 stream."""
    start_B = names.permanent_random(names.id64(ids), names.derive_seed("mask", seed, step))
    with np.errstate(over="ignore"):
        state_BN = start_B[:, None] + np.arange(count, dtype=np.uint64)[None, :] * _GAMMA
    return names.unit_interval(names.splitmix64(state_BN))


def _ranks(score: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Rank of each entry within its row, 0 = smallest."""
    order = np.argsort(score, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(score.shape[1])[None, :], axis=1)
    return ranks
