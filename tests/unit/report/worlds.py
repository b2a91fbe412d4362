"""Simulated values of one endpoint, from stated effects: what the statistics are tested on."""

from __future__ import annotations

import numpy as np
import pandas as pd


def units(
    rng: np.random.Generator,
    compositions: int,
    draws: int,
    seeds: int,
    *,
    means: tuple[float, ...] = (),
    draw_sd: float = 1.0,
    seed_sd: float = 1.0,
    shared_sd: float = 0.0,
    zero: float | None = None,
    zero_sd: float = 1.0,
) -> pd.DataFrame:
    """Values of c0, c1, ... and, if `zero` is a mean, of an arm that draws nothing: value = mean + draw + seed noise.

    `shared_sd`: effects of a draw's random numbers, and of a training seed, that all compositions share.
    """
    mean = np.zeros(compositions)
    mean[: len(means)] = means
    shared_seed = rng.normal(0, shared_sd, seeds)
    y = (
        mean[:, None, None]
        + rng.normal(0, draw_sd, (compositions, draws, 1))
        + rng.normal(0, seed_sd, (compositions, draws, seeds))
    )
    y = y + rng.normal(0, shared_sd, (1, draws, 1)) + shared_seed
    c, d, s = (axis.ravel() for axis in np.indices(y.shape))
    frame = pd.DataFrame(
        {
            "composition": [f"c{n}" for n in c],
            "draw": d,
            "seed": s,
            "manifest_hash": [f"m{a}-{b}" for a, b in zip(c, d, strict=True)],
            "value": y.ravel(),
        }
    ).astype({"draw": "Int64"})
    if zero is None:
        return frame
    values = zero + rng.normal(0, zero_sd, seeds) + shared_seed
    arm = pd.DataFrame({"composition": "zero", "draw": pd.NA, "seed": range(seeds), "manifest_hash": "none", "value": values})
    return pd.concat([frame, arm.astype({"draw": "Int64"})], ignore_index=True)
