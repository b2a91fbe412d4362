"""Random numbers that belong to a name: the same (seed, stream, key) gives the same number, in any order and batch.

A key is 64 bits (of a sample id, of a place, of a row number). A stream is a word for what the number is used for.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from geomix import ids

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U64 = ids.U64

# SplitMix64's increment: the k-th number of a stream is that of the state advanced k times.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def place_keys(lon: F64, lat: F64) -> U64:
    """Key of each place: uint64 [N], from the coordinates rounded to 1e-5 degrees (about a metre)."""
    x, y = (np.rint(np.asarray(v, dtype=np.float64) * 1e5).astype(np.int64).view(np.uint64) for v in (lon, lat))
    return ids.splitmix64(ids.splitmix64(x) ^ y)


def uniform(keys: U64, seed: int, stream: str, count: int | None = None) -> F64:
    """Uniform numbers in (0, 1): [N], or [N, count]."""
    state = ids.permanent_random(keys, ids.derive_seed("earth", seed, stream))
    if count is not None:
        with np.errstate(over="ignore"):
            state = state[:, None] + np.arange(count, dtype=np.uint64) * _GAMMA
    return ids.unit_interval(ids.splitmix64(state))


def normal(keys: U64, seed: int, stream: str, count: int | None = None) -> F64:
    """Standard normal numbers: [N], or [N, count]."""
    return np.asarray(ndtri(uniform(keys, seed, stream, count)))


def field(lon: F64, lat: F64, seed: int, stream: str, wavelength_km: tuple[float, float], waves: int = 24) -> F64:
    """A smooth random field over the globe at each point: [N], mean 0 and variance 1 over realisations.

    A sum of plane waves through the unit sphere, with wavelengths spread evenly in logarithm between the two given:
    no seam at the dateline, no pinch at the poles.
    """
    draw = uniform(np.arange(waves, dtype=np.uint64), seed, stream, 4)
    lo, hi = np.log(wavelength_km[0]), np.log(wavelength_km[1])
    frequency = 2 * np.pi * 6371.0 / np.exp(lo + (hi - lo) * draw[:, 0])
    z = 2 * draw[:, 1] - 1
    azimuth = 2 * np.pi * draw[:, 2]
    radius = np.sqrt(1 - z**2)
    x_N, y_N, z_N = unit_vectors(lon, lat)
    total = np.zeros(len(x_N))
    # A loop, not a matrix product: the last bits of a product depend on the size of the batch.
    for k in range(waves):
        along = x_N * (radius[k] * np.cos(azimuth[k])) + y_N * (radius[k] * np.sin(azimuth[k])) + z_N * z[k]
        total += np.cos(frequency[k] * along + 2 * np.pi * draw[k, 3])
    return np.asarray(total * np.sqrt(2 / waves))


def unit_vectors(lon: F64, lat: F64) -> tuple[F64, F64, F64]:
    """Points of the unit sphere: x, y, z, each [N]. Degrees."""
    a, b = np.radians(lon), np.radians(lat)
    return np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)
