"""What is not seen: clouds, polar night, places without radar, and a few never seen at all.

Letters in names: N samples, M = 12 calendar months.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geomix import ids
from geomix.earth import keyed
from geomix.earth.keyed import F64
from geomix.earth.seasons import Climate
from geomix.earth.sites import Sites

NEVER_SEEN = 0.015
"""Share of samples with no optical month at all: `shard` refuses them."""

NO_RADAR = 0.06
"""Share of places without Sentinel-1."""


def hidden(sites: Sites, climate: Climate, sample: ids.U64, seed: int) -> npt.NDArray[np.bool_]:
    """True where a month has no optical observation: bool [N, M].

    The chance of a month without a clear view is 2 % plus 6 % a mm of daily rain, at most 60 %; no sun, no view.
    """
    chance: F64 = np.clip(0.02 + 0.06 * climate.rain_NM, 0, 0.6)
    lost = keyed.uniform(sample, seed, "clouds", 12) < chance
    darkness = np.abs(sites.lat)[:, None] > 66
    months = np.arange(12)[None, :]
    winter = np.where(sites.north[:, None], np.isin(months, (11, 0)), np.isin(months, (5, 6)))
    never = keyed.uniform(sample, seed, "never seen") < NEVER_SEEN
    return np.asarray(lost | (darkness & winter) | never[:, None])


def no_radar(sites: Sites, seed: int) -> npt.NDArray[np.bool_]:
    """True where there is no Sentinel-1: bool [N]."""
    return np.asarray(keyed.uniform(sites.key, seed, "no radar") < NO_RADAR)
