"""Candidates on land: an endless equal-area sequence of places, and how near a place is to cities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # loads scipy.spatial when it is first used

from geomix import atlas
from geomix.earth import keyed
from geomix.earth.keyed import F64, I64

CONTINENTS: tuple[str, ...] = ("Africa", "Asia", "Europe", "North America", "Oceania", "South America")
"""The continents that have places: Antarctica has none."""

BLOCK = 1 << 16
"""Candidates are made and looked up in blocks of this many."""

EARTH_RADIUS_KM = 6371.0088

# The additive recurrence R2 (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences"): steps 1/g and
# 1/g^2, g the plastic number. Every prefix covers the square evenly, so that a larger pool holds the smaller ones.
_PLASTIC = 1.32471795724474602596
_STEP = (1 / _PLASTIC, 1 / _PLASTIC**2)

CITY_TIERS: tuple[tuple[int, float], ...] = ((1_000_000, 150.0), (200_000, 75.0), (15_000, 25.0))
"""(least population, reach in km) of the city weight."""


@dataclass(frozen=True)
class Candidates:
    """Places on land, in order of `index`. Arrays [N]."""

    index: I64
    """Number in the sequence."""
    lon: F64
    lat: F64
    continent: npt.NDArray[np.object_]

    def take(self, chosen: npt.NDArray[np.bool_] | slice) -> Candidates:
        """Those of the candidates, in their order."""
        return Candidates(self.index[chosen], self.lon[chosen], self.lat[chosen], self.continent[chosen])


def joined(parts: Sequence[Candidates]) -> Candidates:
    """The candidates of all `parts`, one after the other."""
    return Candidates(
        np.concatenate([p.index for p in parts]),
        np.concatenate([p.lon for p in parts]),
        np.concatenate([p.lat for p in parts]),
        np.concatenate([p.continent for p in parts]),
    )


def block(number: int, seed: int, stream: str) -> Candidates:
    """The places on land of block `number` of the sequence that (seed, stream) shifts.

    Equal area: longitude and the sine of latitude fill a rectangle evenly (the cylindrical equal-area projection).
    Coordinates are rounded to 1e-5 degrees. Antarctica and what either map calls water are left out: 26 % of a block remain.
    """
    index = np.arange(number * BLOCK, (number + 1) * BLOCK, dtype=np.int64)
    shift = keyed.uniform(np.zeros(1, dtype=np.uint64), seed, f"land {stream}", 2)[0]
    u, v = ((shift[k] + (index + 1) * _STEP[k]) % 1.0 for k in (0, 1))
    lon, lat = np.round(360 * u - 180, 5), np.round(np.degrees(np.arcsin(2 * v - 1)), 5)
    known = np.isin(atlas.lookup("landcover", lon, lat), [0], invert=True) & (lat > -60)
    index, lon, lat = index[known], lon[known], lat[known]
    continent = np.asarray(atlas.lookup("continent", lon, lat), dtype=object)
    return Candidates(index, lon, lat, continent).take(np.isin(continent.astype(str), CONTINENTS))


@lru_cache(maxsize=1)
def _city_trees() -> tuple[tuple[Any, float], ...]:
    cities = atlas.cities()
    trees = []
    for population, reach_km in CITY_TIERS:
        chosen = cities[cities["population"] >= population]
        x, y, z = keyed.unit_vectors(chosen["lon"].to_numpy(), chosen["lat"].to_numpy())
        trees.append((scipy.spatial.cKDTree(np.stack([x, y, z], axis=1)), reach_km))
    return tuple(trees)


def city_weight(lon: F64, lat: F64) -> F64:
    """How near cities are: [N], 0 (far from any) to 1 (in one).

    The largest exp(-d / reach) over `CITY_TIERS`, d the great-circle distance to the tier's nearest city, to the metre.
    """
    points = np.stack(keyed.unit_vectors(lon, lat), axis=1)
    weight = np.zeros(len(points))
    for tree, reach_km in _city_trees():
        chord = np.asarray(tree.query(points)[0])
        distance_km = np.round(2 * EARTH_RADIUS_KM * np.arcsin(np.clip(chord / 2, 0, 1)), 3)
        weight = np.maximum(weight, np.exp(-distance_km / reach_km))
    return weight


def thinned(found: Candidates, bias: float, seed: int, stream: str) -> Candidates:
    """Those of `found` that a pool of density proportional to area * (1 + bias * city weight) keeps."""
    if bias == 0:
        return found
    chance = keyed.uniform(found.index.astype(np.uint64), seed, f"thin {stream}")
    kept = chance < (1 + bias * city_weight(found.lon, found.lat)) / (1 + bias)
    return found.take(kept)
