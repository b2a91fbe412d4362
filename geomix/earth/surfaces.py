"""Surfaces: what a landscape's patches can be (a cover's variants: stands, crops, soils), and their spectra on a day.

Each variant of a node is drawn as a place of its own with the rules of the series (`spectra`, `seasons`, `crops`).
Letters in names: K nodes, S surfaces, R = K * S rows, B = 10 bands (`spectra.BANDS`).
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as names_of

import numpy as np

from geomix import config
from geomix.earth import crops, days, keyed, noise, seasons, sites, spectra, worlds
from geomix.earth.keyed import F64, I64
from geomix.earth.landscapes import Landscapes
from geomix.earth.noise import F32

VARIANTS: dict[str, int] = {
    **{"tree": 4, "shrub": 3, "grass": 4, "crop": 8, "built": 4, "bare": 4, "water": 2, "wetland": 3, "mangrove": 2},
}
"""Cover -> variants of it in one landscape."""

COUNT: I64 = np.array([VARIANTS[c] for c in spectra.COVERS])
FIRST: I64 = np.cumsum(COUNT) - COUNT
"""Number of variants of each cover, and the number of the first."""
COVER: I64 = np.repeat(np.arange(len(COUNT)), COUNT)
"""Cover of each surface."""

_REACH_KM = (15.0, 600.0)
# Cover -> how much its variants differ, in deviates: farmers choose, nature grades.
_UNLIKE: F64 = np.array([0.4, 0.3, 0.3, 0.6, 0.5, 0.25, 0.3, 0.3, 0.3])


@dataclass(frozen=True)
class Spectra:
    """Spectra of the surfaces of K nodes on their days. Reflectance, float32 [B, K, S]."""

    leaves: F32
    soil: F32
    green: F32
    """Green fraction [K, S], 0 to 1."""


def of(landscapes: Landscapes, nodes: I64, earth: config.Earth) -> Spectra:
    """The spectra of the given nodes (positions among the landscapes' K)."""
    seed, count = earth.seed, len(COVER)
    each = _as_places(landscapes, nodes, seed)
    row = np.repeat(nodes, count)
    # Curves of a year, of which the two months round the day are kept: the rules of the seasons are those of the series.
    climate = seasons.Climate(
        landscapes.climate.celsius_NM[row], landscapes.climate.rain_NM[row], landscapes.climate.growth_NM[row]
    )
    natural = seasons.natural_green(each, climate, seed)
    green = days.on_day(natural, landscapes.month[row])
    sown = np.flatnonzero(each.crop)
    fields, weather = (
        _chosen(each, sown),
        seasons.Climate(*(v[sown] for v in (climate.celsius_NM, climate.rain_NM, climate.growth_NM))),
    )
    field = days.on_day(crops.field_green(fields, weather, natural[sown], seed), landscapes.month[row[sown]])
    share = worlds.calendar_share(fields, earth)
    green[sown] = share * field + (1 - share) * green[sown]

    # The colour of soil and the density of growth change slowly from place to place, and a little from patch to patch.
    place = landscapes.ground
    regional = [
        keyed.field(place.lon[nodes], place.lat[nodes], seed, f"image {what}", _REACH_KM) for what in ("soil", "vigour")
    ]
    own = keyed.normal(each.key, seed, "image traits", 3)
    unlike = _UNLIKE[each.cover]
    tone = 0.7 * np.repeat(regional[0], count) + unlike * own[:, 0]
    vigour = 0.6 * np.repeat(regional[1], count) + unlike * own[:, 1]
    texture = np.exp(0.06 * unlike[:, None] * keyed.normal(each.key, seed, "image texture", len(spectra.BANDS)))
    leaves = spectra.green(each.cover, 0.6 * vigour, unlike * own[:, 2]) * texture
    rain = landscapes.rain_mm[row]
    wet = np.where(each.cover == spectra.WATER, 1.0, 1 - 0.25 * rain / (rain + 3))
    soil = spectra.ground(each.cover, tone) * texture * wet[:, None]
    shape = (len(nodes), count)

    def by_band(x: F64) -> F32:
        return np.ascontiguousarray(x.T.reshape(-1, *shape), dtype=np.float32)

    return Spectra(by_band(leaves), by_band(soil), green.reshape(shape).astype(np.float32))


def _as_places(landscapes: Landscapes, nodes: I64, seed: int) -> sites.Sites:
    """Every surface of the nodes as a place with a key of its own: R = K * S."""
    ground = landscapes.ground
    row, surface = np.repeat(nodes, len(COVER)), np.tile(np.arange(len(COVER)), len(nodes))
    key = noise.hashes(ground.key[row], surface)
    # Most stands of a landscape are of its kind.
    stands = keyed.uniform(key, seed, "image stands")
    return sites.Sites(
        key=key,
        lon=ground.lon[row],
        lat=ground.lat[row],
        continent=ground.continent[row],
        climate=ground.climate[row],
        cover=COVER[surface],
        evergreen=stands < np.where(ground.evergreen[row], 0.85, 0.15),
        elevation_m=ground.elevation_m[row],
        slope_deg=ground.slope_deg[row],
    )


def _chosen(places: sites.Sites, rows: I64) -> sites.Sites:
    return sites.Sites(**{f.name: getattr(places, f.name)[rows] for f in names_of(sites.Sites)})
