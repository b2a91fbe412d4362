"""Simulated monthly series and crop labels, in physical units (`tables.SERIES_UNITS`).

Letters in names: N samples, M = 12 calendar months, T = 12 steps from the start month, C = 16 channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomix import config, ids, tables
from geomix.earth import crops, keyed, seasons, sites, sky, spectra, worlds
from geomix.earth.keyed import F64, I64
from geomix.errors import DataError
from geomix.series import Series

VERSION = 1
"""Raised with every change of what is simulated: part of a pool's content version."""

CHUNK = 2048
"""Samples simulated at once: bounds memory; the numbers do not depend on it."""

_AT = {band: i for i, band in enumerate(tables.SERIES_BANDS)}
_OPTICAL = list(spectra.CHANNELS)
_RADAR = [_AT["VV"], _AT["VH"]]


def simulate(lon: npt.ArrayLike, lat: npt.ArrayLike, sample_ids: Sequence[str], earth: config.Earth) -> tuple[Series, I64]:
    """Series of N samples, and their labels: int64 [N], 1 = crop.

    `lon`, `lat`: degrees, WGS84, [N]. The ground (label, cover, calendar) belongs to the place and `earth.seed`; start
    month, clouds and noise belong to the sample's id. Neither depends on order or batch. Land cover is given as missing
    in every step: a map of crops would tell the label. Raises StudyError for a wrong `earth.target`, DataError for
    coordinates that are not on Earth.
    """
    worlds.check(earth)
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    if not len(x) == len(y) == len(sample_ids):
        raise DataError(f"{len(x)} longitudes, {len(y)} latitudes, {len(sample_ids)} ids", wanted="one of each a sample")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (np.abs(x) <= 180).all() and (np.abs(y) <= 90).all()):
        raise DataError("coordinates that are not on Earth", wanted="degrees, WGS84, longitude first")
    series = np.full((len(x), 12, len(tables.SERIES_BANDS)), np.nan, dtype=np.float32)
    month = np.zeros((len(x), 12), dtype=np.int64)
    label = np.zeros(len(x), dtype=np.int64)
    sample = ids.id64(sample_ids)
    for start in range(0, len(x), CHUNK):
        rows = slice(start, start + CHUNK)
        series[rows], month[rows], label[rows] = _chunk(x[rows], y[rows], sample[rows], earth)
    return Series(series, month, np.full(month.shape, tables.MISSING_LANDCOVER, dtype=np.int64)), label


def labels(lon: F64, lat: F64, earth: config.Earth) -> I64:
    """Labels of places without their series: int64 [N], 1 = crop. The same as `simulate` gives."""
    return _sites(lon, lat, earth).crop.astype(np.int64)


def _sites(lon: F64, lat: F64, earth: config.Earth) -> sites.Sites:
    key = keyed.place_keys(lon, lat)
    seen_lon, seen_lat = worlds.seen_at(lon, lat, key, earth)
    return sites.look(seen_lon, seen_lat, key, earth.seed)


def _chunk(lon: F64, lat: F64, sample: ids.U64, earth: config.Earth) -> tuple[npt.NDArray[np.float32], I64, I64]:
    seed = earth.seed
    ground = _sites(lon, lat, earth)
    climate = seasons.of_sites(ground, seed)
    natural = seasons.natural_green(ground, climate, seed)
    field = crops.field_green(ground, climate, natural, seed)
    share = np.where(ground.crop, worlds.calendar_share(ground, earth), 0.0)[:, None]
    green = share * field + (1 - share) * natural

    values = np.empty((len(lon), 12, len(tables.SERIES_BANDS)))
    values[:, :, _OPTICAL] = _reflectance(ground, climate, green, sample, seed)
    values[:, :, _RADAR] = _backscatter(ground, climate, green, sample, seed)
    noise = keyed.normal(sample, seed, "weather", 24)
    values[:, :, _AT["temperature_2m"]] = 273.15 + climate.celsius_NM + 1.2 * noise[:, :12]
    values[:, :, _AT["total_precipitation"]] = 1e-3 * climate.rain_NM * np.exp(0.35 * noise[:, 12:])
    values[:, :, _AT["elevation"]] = ground.elevation_m[:, None]
    values[:, :, _AT["slope"]] = ground.slope_deg[:, None]

    amplitude = worlds.mode(ground, earth)
    if amplitude is not None:
        change = amplitude[:, None, None] * worlds.PATTERN
        values[:, :, _OPTICAL] *= np.exp(change[:, :, _OPTICAL])
        values[:, :, _RADAR] += 10 * change[:, :, _RADAR]

    values[:, :, _OPTICAL] = np.clip(values[:, :, _OPTICAL], 0.001, 1.2)
    hidden = sky.hidden(ground, climate, sample, seed)
    values[:, :, _OPTICAL] = np.where(hidden[:, :, None], np.nan, values[:, :, _OPTICAL])
    values[:, :, _RADAR] = np.where(sky.no_radar(ground, seed)[:, None, None], np.nan, values[:, :, _RADAR])

    first = np.floor(12 * keyed.uniform(sample, seed, "start month")).astype(np.int64)
    month = (first[:, None] + np.arange(12)) % 12
    ordered = np.take_along_axis(values, month[:, :, None], axis=1)
    return ordered.astype(np.float32), month, ground.crop.astype(np.int64)


def _reflectance(ground: sites.Sites, climate: seasons.Climate, green_NM: F64, sample: ids.U64, seed: int) -> F64:
    """Optical channels: [N, M, 10]: leaves and ground mixed by area, snow on top, then haze and noise."""
    tone, vigour = keyed.normal(ground.key, seed, "soil tone"), keyed.normal(ground.key, seed, "vigour")
    leaves = spectra.green(ground.cover, 0.6 * vigour, keyed.normal(ground.key, seed, "leaf tone"))
    soil = spectra.ground(ground.cover, tone)
    # Wet soil is dark.
    wet = 1 - 0.25 * climate.rain_NM / (climate.rain_NM + 3)
    f = green_NM[:, :, None]
    mixed = f * leaves[:, None, :] + (1 - f) * soil[:, None, :] * wet[:, :, None]
    # The texture of the place: this pixel is not its class's spectrum.
    mixed = mixed * np.exp(0.07 * keyed.normal(ground.key, seed, "texture", 10))[:, None, :]
    snow = np.clip((-climate.celsius_NM - 2) / 10, 0, 1) * keyed.uniform(sample, seed, "snow", 12)
    snow = np.where((ground.cover == spectra.TREE)[:, None], 0.35 * snow, snow)[:, :, None]
    mixed = (1 - snow) * mixed + snow * spectra.SNOW
    # Haze and sun angle act on all bands of a month together, and most on the blue side.
    haze = np.maximum(keyed.normal(sample, seed, "haze", 12), 0)[:, :, None] * 0.022 * _HAZE
    common = np.exp(0.06 * keyed.normal(sample, seed, "sun", 12))[:, :, None]
    own = np.exp(0.05 * keyed.normal(sample, seed, "optical noise", 120)).reshape(len(sample), 12, 10)
    return np.asarray(mixed * common * own + haze)


_HAZE = np.array([1.0, 0.85, 0.7, 0.65, 0.6, 0.55, 0.5, 0.5, 0.2, 0.1])


def _backscatter(ground: sites.Sites, climate: seasons.Climate, green_NM: F64, sample: ids.U64, seed: int) -> F64:
    """Sentinel-1 VV and VH: [N, M, 2], dB: leaves and moisture raise it, water is a mirror, walls are corners."""
    trait = keyed.normal(ground.key, seed, "radar", 2)
    moist = (climate.rain_NM / (climate.rain_NM + 2.0)).clip(0, 1)
    vv = -13.5 + 2.5 * green_NM + 2.5 * moist
    vh = -21.5 + 5.0 * green_NM + 1.5 * moist
    offset_vv = np.select(
        [ground.cover == spectra.BUILT, ground.cover == spectra.WATER, ground.cover == spectra.TREE], [6.0, -7.5, 1.8]
    )
    offset_vh = np.select(
        [ground.cover == spectra.BUILT, ground.cover == spectra.WATER, ground.cover == spectra.TREE], [5.0, -6.5, 2.6]
    )
    relief = 0.04 * ground.slope_deg[:, None]
    noise = keyed.normal(sample, seed, "speckle", 24)
    vv = vv + (offset_vv + 1.1 * trait[:, 0])[:, None] + relief + 0.9 * noise[:, :12]
    vh = vh + (offset_vh + 0.9 * trait[:, 0] + 0.6 * trait[:, 1])[:, None] + relief + 0.9 * noise[:, 12:]
    return np.stack([vv, vh], axis=2)
