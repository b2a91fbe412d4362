"""Fields: when crops are green, by region. What makes a field look like a field is its calendar.

A field greens later and faster than the grass beside it, is greener at its peak, and falls to bare soil at harvest.
How clear that is depends on the region: practices differ (`PRACTICES`), which is what makes a classifier that learned
in one region worse in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from geomix.earth import keyed
from geomix.earth.keyed import F64
from geomix.earth.seasons import MONTHS, Climate
from geomix.earth.sites import Sites


class Practice(NamedTuple):
    """Farming of a continent. Plausible figures, not measured ones."""

    later: float
    """Months that the peak of a summer crop lies after the peak of natural growth."""
    winter: float
    """Share of fields with a winter crop: peak in spring, harvest before summer (outside the tropics)."""
    double: float
    """Share of fields with a second crop half a year on, where something grows all year."""
    irrigated: float
    """Share of fields as green as water allows, whatever the rain."""
    mixed: float
    """Mean share of grass and trees in a field's pixel: small fields have much of it."""


PRACTICES: Mapping[str, Practice] = {
    "Africa": Practice(later=0.6, winter=0.05, double=0.10, irrigated=0.05, mixed=0.42),
    "Asia": Practice(later=0.3, winter=0.35, double=0.45, irrigated=0.40, mixed=0.28),
    "Europe": Practice(later=0.0, winter=0.65, double=0.0, irrigated=0.08, mixed=0.15),
    "North America": Practice(later=1.0, winter=0.25, double=0.03, irrigated=0.15, mixed=0.10),
    "Oceania": Practice(later=-0.3, winter=0.80, double=0.03, irrigated=0.10, mixed=0.12),
    "South America": Practice(later=0.8, winter=0.15, double=0.45, irrigated=0.06, mixed=0.18),
}
_ELSEWHERE = Practice(later=0.3, winter=0.2, double=0.2, irrigated=0.1, mixed=0.3)


def field_green(sites: Sites, climate: Climate, natural_NM: F64, seed: int) -> F64:
    """Green fraction of each site as if it were a field: [N, M], 0 to 1. `natural_NM`: that of the grass beside it."""
    names = np.unique(sites.continent.astype(str))
    at = np.searchsorted(names, sites.continent.astype(str))
    later, winter, double, irrigated, mixed = np.array([PRACTICES.get(n, _ELSEWHERE) for n in names]).T[:, at]

    growth = climate.growth_NM
    best = _crest(growth)
    is_winter = (keyed.uniform(sites.key, seed, "winter crop") < winter) & ~sites.zone("A", "E")
    has_water = keyed.uniform(sites.key, seed, "irrigated") < irrigated
    long_season = growth.min(axis=1) > 0.3
    is_double = (keyed.uniform(sites.key, seed, "double crop") < double) & (long_season | has_water)

    peak = best + np.where(is_winter, -1.8, later) + 0.8 * keyed.normal(sites.key, seed, "sowing")
    length = np.exp(0.2 * keyed.normal(sites.key, seed, "length"))
    first = _season(peak, length)
    second = _season(peak + 6, length) * is_double[:, None]
    reach = np.where(has_water, 0.9, 0.35 + 0.6 * growth.max(axis=1))
    reach = np.clip(reach * np.exp(0.2 * keyed.normal(sites.key, seed, "yield")), 0, 1)
    # Weeds and volunteers between the crops; less of them in a dry or cold season.
    weeds = 0.05 + 0.25 * keyed.uniform(sites.key, seed, "weeds")[:, None] * growth
    crop = np.maximum(reach[:, None] * np.maximum(first, second), weeds)
    share = np.clip(mixed * 2 * keyed.uniform(sites.key, seed, "field size"), 0, 0.9)[:, None]
    return np.asarray((1 - share) * crop + share * natural_NM)


def _crest(growth_NM: F64) -> F64:
    """Month of the crest of the annual wave of each curve: [N]."""
    a = (growth_NM * np.cos(2 * np.pi * MONTHS / 12)).sum(axis=1)
    b = (growth_NM * np.sin(2 * np.pi * MONTHS / 12)).sum(axis=1)
    return np.asarray(np.arctan2(b, a) * 12 / (2 * np.pi))


def _season(peak_N: F64, length_N: F64) -> F64:
    """One crop: [N, M], 0 to 1; it rises over about three months and falls within one and a half."""
    from_peak = (MONTHS - peak_N[:, None] + 6) % 12 - 6
    width = np.where(from_peak < 0, 1.5, 0.85) * length_N[:, None]
    return np.asarray(np.exp(-0.5 * (from_peak / width) ** 2))
