"""Reflectance of land-cover classes: stated percentiles, and spectra between them.

The figures are percentiles of surface reflectance (Sentinel-2 L2A, times 10,000) over 11,001 real monthly spectra, by ESA
WorldCover class, with n spectra a class. Only these figures were carried over; no pixel was.
"""

from __future__ import annotations

import numpy as np

from geomix import tables
from geomix.earth.keyed import F64, I64

BANDS: tuple[str, ...] = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
CHANNELS: tuple[int, ...] = tuple(tables.SERIES_BANDS.index(b) for b in BANDS)
"""Position of each of `BANDS` in a series."""

COVERS: tuple[str, ...] = ("tree", "shrub", "grass", "crop", "built", "bare", "water", "wetland", "mangrove")
"""Covers of a pixel: WorldCover 10, 20, 30, 40, 50, 60, 80, 90, 95. A cover's number is its position here."""

TREE, SHRUB, GRASS, CROP, BUILT, BARE, WATER, WETLAND, MANGROVE = range(9)

# fmt: off
PERCENTILES: dict[str, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    "tree": (  # n = 1854
        (187.0, 351.0, 237.0, 660.0, 1342.6, 1547.3, 1565.3, 1758.0, 1185.0, 633.0),
        (387.0, 608.5, 531.5, 1040.5, 2300.5, 2690.5, 2810.5, 2945.5, 1891.5, 1100.0),
        (1483.1, 1635.9, 1796.0, 2069.7, 3481.8, 4115.8, 4264.0, 4347.5, 2782.4, 2017.4)),
    "shrub": (  # n = 338
        (330.2, 566.8, 569.5, 1024.7, 1599.4, 1769.3, 1780.1, 1892.0, 1935.1, 1198.2),
        (622.0, 892.0, 1028.5, 1467.0, 2301.0, 2599.5, 2602.5, 2853.5, 2675.5, 1905.0),
        (2386.5, 2370.5, 2425.6, 2883.4, 3660.9, 4008.8, 3986.2, 4158.5, 3736.7, 2961.3)),
    "grass": (  # n = 3517
        (298.0, 559.0, 377.6, 972.6, 1629.6, 1805.0, 1914.0, 2017.0, 1612.2, 904.0),
        (532.0, 810.0, 776.0, 1329.0, 2544.0, 2892.0, 3080.0, 3181.0, 2357.0, 1473.0),
        (1316.0, 1591.0, 1962.2, 2374.0, 3732.4, 4387.0, 4645.4, 4690.4, 3424.6, 2614.0)),
    "crop": (  # n = 3766
        (324.0, 563.0, 410.5, 941.0, 1469.0, 1613.5, 1692.5, 1780.5, 1497.0, 869.0),
        (628.0, 913.5, 995.5, 1451.0, 2515.0, 2819.0, 2951.5, 3048.0, 2398.5, 1703.5),
        (1346.0, 1783.0, 2342.0, 2705.0, 3799.5, 4469.0, 4604.0, 4662.5, 3881.0, 3215.0)),
    "built": (  # n = 471
        (651.0, 813.0, 823.0, 1110.0, 1414.0, 1503.0, 1456.0, 1627.0, 1616.0, 1316.0),
        (1262.0, 1483.0, 1647.0, 1766.0, 2264.0, 2451.0, 2496.0, 2567.0, 2413.0, 2005.0),
        (4220.0, 3950.0, 3894.0, 4116.0, 4324.0, 4454.0, 4616.0, 4405.0, 3435.0, 2869.0)),
    "bare": (  # n = 501
        (578.0, 850.0, 939.0, 1290.0, 1774.0, 1899.0, 1905.0, 1940.0, 1822.0, 1299.0),
        (1082.0, 1444.0, 1713.0, 1917.0, 2482.0, 2691.0, 2834.0, 2884.0, 2849.0, 2266.0),
        (1985.0, 2810.0, 3568.0, 3752.0, 3930.0, 4186.0, 4499.0, 4254.0, 4439.0, 4066.0)),
    "water": (  # n = 391; the 90th percentile is ice
        (260.0, 315.0, 242.0, 259.0, 186.0, 216.0, 174.0, 166.0, 138.0, 114.0),
        (1750.0, 2070.0, 2061.0, 2295.0, 2164.0, 2303.0, 2008.0, 2059.0, 1028.0, 955.0),
        (8264.0, 7740.0, 7984.0, 8311.0, 8077.0, 7878.0, 8100.0, 7608.0, 2516.0, 2278.0)),
    "wetland": (  # n = 79
        (306.6, 533.4, 398.4, 899.6, 1279.0, 1464.0, 1568.4, 1702.6, 1380.0, 723.2),
        (625.0, 828.0, 844.0, 1259.0, 2411.0, 2795.0, 2831.0, 3038.0, 2228.0, 1352.0),
        (3179.4, 3154.8, 3048.8, 3399.6, 3857.6, 4324.2, 4510.4, 4392.2, 2900.4, 2298.6)),
    "mangrove": (  # n = 84
        (198.3, 381.9, 240.2, 643.3, 1364.6, 1609.3, 1617.1, 1796.0, 640.3, 305.0),
        (338.0, 538.0, 384.5, 909.5, 2065.0, 2443.5, 2437.0, 2633.5, 1106.5, 541.5),
        (3229.9, 3139.1, 2803.8, 3216.9, 3844.3, 4084.2, 3917.7, 4058.6, 2424.0, 2012.9)),
}
"""Cover -> 10th, 50th and 90th percentile by band, reflectance * 10,000."""
# fmt: on

_LOG = np.log(np.array([PERCENTILES[c] for c in COVERS]) / 1e4)  # [cover, percentile, band]
_Z90 = 1.2815515655446004  # the normal deviate of the 90th percentile
_LOW, _MIDDLE, _HIGH = _LOG[:, 0], _LOG[:, 1], _LOG[:, 2]

_NIR = np.array([b in ("B6", "B7", "B8", "B8A") for b in BANDS])


def at_deviate(cover: I64, deviate: F64) -> F64:
    """Spectra of `cover` [N] at a normal deviate of its percentiles: reflectance [N, 10 bands].

    `deviate`: [N] or [N, 10]; 0 is the median, 1.28 the 90th percentile; the logarithm is linear on either side of the median.
    """
    z = np.broadcast_to(deviate if deviate.ndim == 2 else deviate[:, None], (len(cover), len(BANDS))) / _Z90
    below, above = _MIDDLE[cover] - _LOW[cover], _HIGH[cover] - _MIDDLE[cover]
    return np.exp(_MIDDLE[cover] + z * np.where(z < 0, below, above))


def green(cover: I64, vigour: F64, tone: F64) -> F64:
    """Spectra of the cover in full leaf: [N, 10]. Chlorophyll and water darken all but the near infrared, which leaves raise.

    `vigour` [N] (about -1 to 1): how dense the canopy; `tone` [N]: brightness of the place, a normal deviate.
    """
    deviate = np.where(_NIR, 0.75 + 0.5 * vigour[:, None], -0.9 - 0.3 * vigour[:, None]) + 0.25 * tone[:, None]
    # No leaves on bare ground, walls and water: what grows there is grass.
    grows = np.where(np.isin(cover, (BUILT, BARE, WATER)), GRASS, cover)
    return at_deviate(grows, deviate)


def ground(cover: I64, tone: F64) -> F64:
    """Spectra of the cover without leaves: [N, 10]: soil, or the built, bare or open-water surface itself.

    `tone` [N]: brightness of the soil, a normal deviate. Water is read at its dark side: the bright one is ice.
    """
    surface = np.where(np.isin(cover, (BUILT, WATER)), cover, BARE)
    deviate = np.where(cover == WATER, -1.1 + 0.25 * tone, 0.7 * tone)
    # Litter and shade make soil under plants darker than a desert.
    shade = np.where(np.isin(cover, (BUILT, BARE, WATER)), 1.0, 0.78)
    return at_deviate(surface, deviate) * shade[:, None]


SNOW: F64 = np.exp(_HIGH[WATER])
"""Reflectance of snow: [10], the 90th percentile of water, which is ice."""
