"""The rules that give land its continent and its UN region, where Natural Earth's attributes do not.

Continents: Africa, Asia, Europe, North America, Oceania, South America, Antarctica; None at sea. A country belongs to
the continent of Natural Earth's CONTINENT, with these exceptions (METHODOLOGY.md repeats them):

- Russia is Europe west of 60 degrees E (the Urals) and Asia east of it, to the Bering Strait beyond the dateline.
- Turkey is Asia, except Thrace: north of the line through the Dardanelles, the Sea of Marmara and the Bosporus.
- Land overseas belongs to the continent it lies on, not to its government's (`OVERSEAS`).
- Islands that Natural Earth calls "Seven seas (open ocean)": `OPEN_OCEAN`.
- Countries on two continents that are not named here are not divided: Egypt is Africa, Kazakhstan, Georgia, Azerbaijan
  and Indonesia are Asia.

UN regions and subregions are those of the UN Statistics Division's M49 list. A country belongs to Natural Earth's REGION_UN
and SUBREGION, with these exceptions: overseas departments and islands that M49 lists by themselves (`UN_OVERSEAS`), and
islands that Natural Earth calls "Seven seas" (`UN_OPEN_OCEAN`). No country is divided: Russia is Eastern Europe to the
Bering Strait, Turkey and Cyprus are Western Asia. Antarctica, which M49 puts in no region, is one of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CONTINENTS: tuple[str, ...] = ("Africa", "Antarctica", "Asia", "Europe", "North America", "Oceania", "South America")

OPEN_OCEAN = {
    "Saint Helena": "Africa",
    "Seychelles": "Africa",
    "Mauritius": "Africa",
    "Maldives": "Asia",
    "British Indian Ocean Territory": "Asia",
    "South Georgia and the Islands": "Antarctica",
    "French Southern and Antarctic Lands": "Antarctica",
    "Heard Island and McDonald Islands": "Antarctica",
}
"""Country of Natural Earth's "Seven seas" -> nearest continent; south of the Antarctic Convergence: Antarctica."""


class Box(NamedTuple):
    """A longitude-latitude box, degrees, and the continent of a country's land inside it."""

    country: str
    west: float
    south: float
    east: float
    north: float
    continent: str


OVERSEAS: tuple[Box, ...] = (
    Box("France", -56, 0, -50, 8, "South America"),  # French Guiana
    Box("France", -64, 14, -60, 19, "North America"),  # Guadeloupe, Martinique
    Box("France", 43, -23, 57, -10, "Africa"),  # Mayotte, Reunion
    Box("Netherlands", -70, 11, -62, 19, "North America"),  # Bonaire, Saba, Sint Eustatius
    Box("Spain", -19, 27, -13, 30, "Africa"),  # Canary Islands
    Box("Portugal", -18, 32, -16, 34, "Africa"),  # Madeira (the Azores stay in Europe)
    Box("United States of America", -179, 18, -154, 29, "Oceania"),  # Hawaii
    Box("Chile", -110, -28, -105, -26, "Oceania"),  # Easter Island
    Box("South Africa", 37, -48, 39, -46, "Antarctica"),  # Prince Edward Islands
    Box("Australia", 158, -56, 160, -53, "Antarctica"),  # Macquarie Island
)

UN_OVERSEAS = {
    ("France", "South America"): ("Americas", "South America"),
    ("France", "North America"): ("Americas", "Caribbean"),
    ("France", "Africa"): ("Africa", "Eastern Africa"),
    ("Netherlands", "North America"): ("Americas", "Caribbean"),
}
"""Country and continent of land overseas that M49 lists by itself -> region, subregion."""

UN_OPEN_OCEAN = {
    "South Georgia and the Islands": ("Americas", "South America"),
    "British Indian Ocean Territory": ("Africa", "Eastern Africa"),
    "French Southern and Antarctic Lands": ("Africa", "Eastern Africa"),
    "Indian Ocean Territories": ("Oceania", "Australia and New Zealand"),
    "Heard Island and McDonald Islands": ("Oceania", "Australia and New Zealand"),
}
"""Country of Natural Earth's "Seven seas" -> region, subregion of M49."""

DIVIDED = ("Russia", "Turkey")
"""Countries that `straddling` divides point by point."""

_URALS_LON = 60.0
# Longitude and latitude of the middle of the straits, from the Aegean to the Black Sea.
_STRAITS_LON = (25.5, 26.15, 26.39, 26.75, 27.5, 28.9, 28.99, 29.06, 29.15)
_STRAITS_LAT = (39.9, 40.0, 40.17, 40.42, 40.7, 40.86, 41.01, 41.09, 41.25)


def of_part(
    country: npt.NDArray[np.object_], continent: npt.NDArray[np.object_], lon: npt.ArrayLike, lat: npt.ArrayLike
) -> npt.NDArray[np.object_]:
    """Continent of land parts: object [N], from the country's name, Natural Earth's CONTINENT and a point of the part."""
    x, y = np.asarray(lon), np.asarray(lat)
    result = np.array([OPEN_OCEAN.get(n, c) for n, c in zip(country, continent, strict=True)], dtype=object)
    for box in OVERSEAS:
        inside = (x > box.west) & (x < box.east) & (y > box.south) & (y < box.north)
        result[inside & (country == box.country)] = box.continent
    return result


def straddling(
    country: npt.NDArray[np.object_], continent: npt.NDArray[np.object_], lon: npt.ArrayLike, lat: npt.ArrayLike
) -> npt.NDArray[np.object_]:
    """Continent of points with Russia and Turkey divided: object [N]. Degrees, WGS84."""
    x, y = np.asarray(lon), np.asarray(lat)
    result = continent.copy()
    russia, turkey = country == "Russia", country == "Turkey"
    result[russia] = "Europe"
    result[russia & ((x >= _URALS_LON) | (x < 0))] = "Asia"
    result[turkey] = "Asia"
    result[turkey & (x < _STRAITS_LON[-1]) & (y > np.interp(x, _STRAITS_LON, _STRAITS_LAT))] = "Europe"
    return result


def un_of_part(
    country: npt.NDArray[np.object_],
    continent: npt.NDArray[np.object_],
    region: npt.NDArray[np.object_],
    subregion: npt.NDArray[np.object_],
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """UN region and subregion of land parts: object [N] each, from `of_part`'s continent and Natural Earth's attributes."""
    given = zip(country, continent, region, subregion, strict=True)
    found = [UN_OVERSEAS.get((n, c)) or UN_OPEN_OCEAN.get(n) or (r, s) for n, c, r, s in given]
    return np.array([r for r, _ in found], dtype=object), np.array([s for _, s in found], dtype=object)
