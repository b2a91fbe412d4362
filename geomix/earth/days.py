"""The day: its place among the months, and the sun when Sentinel-2 passes."""

from __future__ import annotations

import numpy as np

from geomix.earth.keyed import F64, I64

LOWEST_SUN = np.radians(8.0)
"""In polar night there is no image; a chip made all the same has this sun."""


def month_of(day: I64) -> F64:
    """Days since 1970-01-01 as positions among months: [N], 0 is the middle of January, 11.5 the end of the year."""
    new_year = day.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    return np.asarray((day - new_year) * (12 / 365.25) - 0.5)


def on_day(value_KM: F64, month: F64) -> F64:
    """A curve of twelve months [K, M] on the day: [K], by straight lines between the middles of months."""
    whole = np.floor(month)
    part, at, rows = month - whole, whole.astype(np.int64) % 12, np.arange(len(month))
    return np.asarray((1 - part) * value_KM[rows, at] + part * value_KM[rows, (at + 1) % 12])


def sun(lat: F64, day: I64) -> tuple[F64, F64]:
    """Height and azimuth of the sun, radians, at 10:30 local solar time, when Sentinel-2 passes.

    Declination by Cooper's cosine, -23.44 cos(2 pi (d + 10) / 365.25), d the day of the year.
    """
    declination = np.radians(-23.44) * np.cos(2 * np.pi * ((month_of(day) + 0.5) / 12 + 10 / 365.25))
    phi, hour = np.radians(lat), np.radians(-22.5)
    up = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour)
    north = np.cos(phi) * np.sin(declination) - np.sin(phi) * np.cos(declination) * np.cos(hour)
    azimuth = np.arctan2(-np.cos(declination) * np.sin(hour), north)
    return np.maximum(np.arcsin(np.clip(up, -1, 1)), LOWEST_SUN), np.asarray(azimuth)
