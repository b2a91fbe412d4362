"""The three worlds: where they differ, and nothing else (design rule 10).

realistic   Every place looks as its own climate, land cover and region make it look.

null        Every place looks as some other place, drawn for it from all land by a keyed random number. Pixels, gaps and
            labels are then independent of coordinates and of every stratum, so that every composition has the same
            distribution. Coordinates, strata and exclusion zones stay real.

effect      As realistic, but in the `target` continent with effect size e >= 0:
            (1) a field keeps only the share 1 / (1 + 4 e) of what sets it apart in the realistic world (its calendar);
            (2) every pixel carries a spectral mode of its own: reflectance * exp(a * P), radar + 10 * a * P dB,
                a = 0.30 * e * (0.8 * y + 0.6 * z),  y = +1 for a field and -1 otherwise,  z normal, the place's own.
            P (`PATTERN`) is one weight a channel, the same all year, with signs that alternate between neighbouring
            bands: no mixture of covers looks like it, and NDVI does not show it. In the target it is a large part of the
            variance, so that an encoder that learned to reconstruct the target keeps it; elsewhere it has no variance,
            and nothing asks an encoder that learned there to keep it. That holds for a linear autoencoder of 8 components
            (a test; largest difference for e of 0.3 to 1: far above, every reader sees the mode). What a deep one does
            depends on how long it trains and was measured: at scale `tiny` 160 steps tell the target apart at e = 4
            (a test of whole studies) and hardly at e = 1. Zero pretraining is no part of the promise: a random encoder
            keeps a mode that large about as well.
            0.8 / 0.6 bounds what a perfect reader can do: AUC = Phi(1.6 / (0.6 * sqrt 2)) = 0.97.
            e = 0 is the realistic world, bit for bit.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from geomix import config, ids, tables
from geomix.earth import keyed, land
from geomix.earth.keyed import F64
from geomix.earth.sites import Sites
from geomix.errors import StudyError

STRENGTH = 0.30
DIRECT, SPREAD = 0.8, 0.6

_CHANNEL = {"VV": 0.6, "VH": 0.8, "B5": 0.7, "B6": -0.8, "B7": 0.8, "B8A": -0.7, "B11": 1.0, "B12": -1.0}
PATTERN: F64 = np.array([_CHANNEL.get(b, 0.0) for b in tables.SERIES_BANDS])
"""The mode: weight of each of the 16 channels. The bands of NDVI are left out: they would tell in one number."""

BANK_BLOCKS = 2
"""Blocks of candidates (about 34,000 places) that the null world draws from."""


def check(earth: config.Earth) -> None:
    """Raises StudyError if the target of an `effect` world is not a continent with places."""
    if earth.world == "effect" and earth.target not in land.CONTINENTS:
        raise StudyError(
            f"earth.target: {earth.target!r} is not a continent of the synthetic Earth",
            wanted=f"one of {', '.join(land.CONTINENTS)}",
        )


def seen_at(lon: F64, lat: F64, key: ids.U64, earth: config.Earth) -> tuple[F64, F64]:
    """Coordinates of the place whose looks each place has: longitude [N], latitude [N]."""
    if earth.world != "null":
        return lon, lat
    bank_lon, bank_lat = _bank(earth.seed)
    drawn = np.floor(keyed.uniform(key, earth.seed, "null place") * len(bank_lon)).astype(np.int64)
    return bank_lon[drawn], bank_lat[drawn]


@lru_cache(maxsize=4)
def _bank(seed: int) -> tuple[F64, F64]:
    blocks = [land.block(b, seed, "null bank") for b in range(BANK_BLOCKS)]
    return np.concatenate([b.lon for b in blocks]), np.concatenate([b.lat for b in blocks])


def calendar_share(sites: Sites, earth: config.Earth) -> F64:
    """Share [N] of a field's own calendar that shows; the rest is natural vegetation's."""
    share = np.ones(len(sites))
    if earth.world == "effect":
        share[sites.continent == earth.target] = 1 / (1 + 4 * earth.effect)
    return share


def mode(sites: Sites, earth: config.Earth) -> F64 | None:
    """Amplitude `a` [N] of the target's spectral mode; None where the world has none."""
    if earth.world != "effect" or earth.effect == 0:
        return None
    z = keyed.normal(sites.key, earth.seed, "spectral mode")
    a = STRENGTH * earth.effect * (DIRECT * np.where(sites.crop, 1.0, -1.0) + SPREAD * z)
    return np.where(sites.continent == earth.target, a, 0.0)
