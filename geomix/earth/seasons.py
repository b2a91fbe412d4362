"""Climate and the seasons of leaves: temperature, rain, and green cover in every calendar month.

Letters in names: N places, M = 12 calendar months (0 = January). Nothing here is a measurement: the curves are simple,
and only meant to differ between climates, hemispheres and covers as the real ones do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from geomix.earth import keyed, spectra
from geomix.earth.keyed import F64
from geomix.earth.sites import Sites

MONTHS: F64 = np.arange(12.0)


@dataclass(frozen=True)
class Climate:
    """What the weather of a usual year does at each place. Arrays [N, M]."""

    celsius_NM: F64
    rain_NM: F64
    """mm a day."""
    growth_NM: F64
    """0 (nothing grows) to 1: warmth times soil moisture."""


RAIN_MM_DAY: Mapping[str, float] = {
    **{"Af": 6.2, "Am": 5.8, "As": 3.3, "Aw": 3.6, "BWh": 0.25, "BWk": 0.4, "BSh": 1.2, "BSk": 1.0},
    **{"Cf": 2.9, "Cs": 1.8, "Cw": 2.8, "Df": 1.8, "Ds": 1.4, "Dw": 1.4, "ET": 1.0, "EF": 0.5},
}
"""Beginning of a climate class -> mean rain. Round figures from the classes' definitions."""


def of_sites(sites: Sites, seed: int) -> Climate:
    """The climate of each site."""
    celsius, rain = _temperature(sites, seed), _rain(sites, seed)
    # Soil keeps some of the rain of the two months before.
    moist = 0.5 * rain + 0.3 * np.roll(rain, 1, axis=1) + 0.2 * np.roll(rain, 2, axis=1)
    demand = 0.5 + 0.03 * np.maximum(celsius, 0)
    growth = moist / (moist + demand) / (1 + np.exp(-(celsius - 11.0) / 3.2))
    # Leaves follow the weather with a delay.
    growth = 0.55 * growth + 0.45 * np.roll(growth, 1, axis=1)
    return Climate(celsius, rain, np.clip(growth * 1.25, 0, 1))


def _cycle(peak_N: F64) -> F64:
    """Annual wave [N, M], -1 to 1, with its crest at month `peak_N`."""
    return np.asarray(np.cos(2 * np.pi * (MONTHS - peak_N[:, None]) / 12))


def _temperature(sites: Sites, seed: int) -> F64:
    latitude = np.abs(sites.lat)
    arid, cold, polar = sites.zone("B"), sites.zone("D"), sites.zone("E")
    mean = 27.5 - 0.0075 * latitude**2 + 2.0 * arid - 3.0 * cold - 7.0 * polar - 0.003 * sites.elevation_m
    mean = mean + 1.2 * keyed.normal(sites.key, seed, "warmth")
    swing = latitude * (0.24 + 0.08 * arid + 0.12 * cold + 0.08 * polar)
    return np.asarray(mean[:, None] + swing[:, None] * _cycle(np.where(sites.north, 6.5, 0.5)))


def _rain(sites: Sites, seed: int) -> F64:
    classes, at = np.unique(sites.climate.astype(str), return_inverse=True)
    mean = np.array([RAIN_MM_DAY.get(c, RAIN_MM_DAY.get(c[:2], 1.5)) for c in classes])[at]
    second = np.array([c[1:2] for c in classes])[at]
    swing = np.full(len(sites), 0.2)
    swing[(second == "w") | (second == "m")] = 0.85
    swing[second == "s"] = 0.75
    swing[sites.zone("B")] = 0.6
    # Rain comes with the high sun, except where summers are dry.
    summer = np.where(sites.north, 6.8, 0.8)
    winter_rain = (second == "s") | (sites.zone("B") & (np.abs(sites.lat) > 28) & (sites.lon < 60))
    peak = np.where(winter_rain, (summer + 6) % 12, summer) + 0.8 * keyed.field(
        sites.lon, sites.lat, seed, "rains", (900.0, 4000.0)
    )
    usual = mean[:, None] * (1 + swing[:, None] * _cycle(peak))
    wet = 0.25 * keyed.normal(sites.key, seed, "wetness")[:, None] + 0.2 * keyed.normal(sites.key, seed, "rain", 12)
    return np.asarray(np.maximum(usual, 0.02) * np.exp(wet))


# Cover -> least and greatest green fraction of a year; crops have their own calendar (`crops`).
_RANGE: Mapping[int, tuple[float, float]] = {
    spectra.TREE: (0.15, 1.0),
    spectra.SHRUB: (0.10, 0.70),
    spectra.GRASS: (0.06, 0.95),
    spectra.CROP: (0.06, 0.95),
    spectra.BUILT: (0.05, 0.35),
    spectra.BARE: (0.0, 0.10),
    spectra.WATER: (0.0, 0.02),
    spectra.WETLAND: (0.15, 0.85),
    spectra.MANGROVE: (0.55, 0.95),
}
_LEAST, _MOST = (np.array([_RANGE[c][k] for c in range(len(spectra.COVERS))]) for k in (0, 1))


def natural_green(sites: Sites, climate: Climate, seed: int) -> F64:
    """Green fraction of vegetation left to itself: [N, M], 0 to 1; for a field, that of the grass beside it."""
    shift = 0.5 * keyed.normal(sites.key, seed, "early or late")
    growth = shifted(climate.growth_NM, shift)
    least, most = _LEAST[sites.cover], _MOST[sites.cover]
    # Evergreens keep their leaves; the darkness and cold of winter still dims them.
    least = np.where(sites.evergreen & (sites.cover == spectra.TREE), 0.6, least)
    lush = np.clip(most * np.exp(0.22 * keyed.normal(sites.key, seed, "lush")), 0, 1)
    return np.asarray(least[:, None] + np.maximum(lush - least, 0)[:, None] * growth)


def shifted(value_NM: F64, months_N: F64) -> F64:
    """A periodic curve [N, M] moved later by `months_N` months, between months by a straight line."""
    whole = np.floor(months_N)
    part = (months_N - whole)[:, None]
    at = (np.arange(12)[None, :] - whole.astype(np.int64)[:, None]) % 12
    rows = np.arange(len(value_NM))[:, None]
    return np.asarray((1 - part) * value_NM[rows, at] + part * value_NM[rows, (at - 1) % 12])
