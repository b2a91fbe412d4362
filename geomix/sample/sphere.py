"""Distances and neighbours on the sphere. Coordinates: degrees, WGS84, longitude first; distances: great circle, metres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

RADIUS_M = 6_371_008.8
"""Mean radius of the Earth (IUGG). The sphere differs from the ellipsoid by at most 0.6 % of a distance."""


def unit_vectors(lon: F64, lat: F64) -> F64:
    """Points on the unit sphere, float64 [N, 3]."""
    longitude, latitude = np.radians(lon), np.radians(lat)
    return np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    ).astype(np.float64)


def metres(chord: F64) -> F64:
    """Great-circle distance in metres of a chord of the unit sphere."""
    return np.asarray(2 * RADIUS_M * np.arcsin(np.clip(chord / 2, 0, 1)), dtype=np.float64)


def chord(distance_m: float) -> float:
    """Chord of the unit sphere that spans a great-circle distance in metres."""
    return float(2 * np.sin(min(distance_m / RADIUS_M, np.pi) / 2))


def destination(lon: F64, lat: F64, distance_m: F64, bearing: F64) -> tuple[F64, F64]:
    """Longitude and latitude reached from (lon, lat) along a great circle; bearing in radians, clockwise from north.

    An offset that is round in metres stays round at any latitude, over the dateline and over a pole, where scaling
    longitude by the cosine of latitude holds only for short ways.
    """
    angle, latitude = distance_m / RADIUS_M, np.radians(lat)
    sine = np.sin(latitude) * np.cos(angle) + np.cos(latitude) * np.sin(angle) * np.cos(bearing)
    east = np.arctan2(
        np.sin(bearing) * np.sin(angle) * np.cos(latitude), np.cos(angle) - np.sin(latitude) * np.clip(sine, -1, 1)
    )
    reached = (np.degrees(np.radians(lon) + east) + 180) % 360 - 180
    return reached, np.degrees(np.arcsin(np.clip(sine, -1, 1)))


def gaussian_offsets(lon: F64, lat: F64, sigma_km: float, u1: F64, u2: F64) -> tuple[F64, F64]:
    """Points scattered about (lon, lat) by a Gaussian of `sigma_km` along each axis: longitudes and latitudes, float64 [N].

    `u1`, `u2` in (0, 1): the polar form of Box and Muller (1958), distance sigma sqrt(-2 ln u1), bearing 2 pi u2.
    """
    return destination(lon, lat, sigma_km * 1000 * np.sqrt(-2 * np.log(u1)), 2 * np.pi * u2)
