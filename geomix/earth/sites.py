"""What a place is like: climate, land cover, what covers its pixel (crop or not), height and slope.

All of it follows from the coordinates and the Earth's seed: two samples at one place see the same ground.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geomix import atlas, ids
from geomix.earth import keyed, spectra
from geomix.earth.keyed import F64, I64

Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Sites:
    """Places as the simulation sees them. Arrays [N]."""

    key: ids.U64
    """Key of the place: every random trait of the ground is drawn by it."""
    lon: F64
    lat: F64
    continent: Objects
    """None at sea."""
    climate: Objects
    """Koeppen-Geiger class; where the map has ocean, one that fits the latitude."""
    cover: I64
    """Number of the pixel's cover in `spectra.COVERS`."""
    evergreen: npt.NDArray[np.bool_]
    elevation_m: F64
    slope_deg: F64

    def __len__(self) -> int:
        return len(self.key)

    @property
    def crop(self) -> npt.NDArray[np.bool_]:
        """True where the pixel is a field: the label of earth tasks."""
        return np.asarray(self.cover == spectra.CROP)

    @property
    def north(self) -> npt.NDArray[np.bool_]:
        """True on the northern hemisphere."""
        return np.asarray(self.lat >= 0)

    def zone(self, *letters: str) -> npt.NDArray[np.bool_]:
        """True where the climate class starts with one of `letters`."""
        return np.array([str(c).startswith(letters) for c in self.climate], dtype=bool)


MIXTURE: Mapping[int, tuple[float, ...]] = {
    # IGBP class of the 5 km cell: shares of tree, shrub, grass, crop, built, bare, water, wetland, mangrove (percent)
    0: (10, 10, 25, 8, 12, 15, 12, 6, 2),  # water: coasts and shores
    1: (82, 6, 7, 2, 1, 1, 0, 1, 0),  # evergreen needleleaf forest
    2: (84, 4, 4, 4, 1, 0, 0, 2, 1),  # evergreen broadleaf forest
    3: (80, 7, 8, 2, 1, 1, 0, 1, 0),  # deciduous needleleaf forest
    4: (76, 7, 8, 6, 2, 0, 0, 1, 0),  # deciduous broadleaf forest
    5: (76, 6, 9, 5, 2, 1, 0, 1, 0),  # mixed forest
    6: (8, 66, 17, 4, 1, 4, 0, 0, 0),  # closed shrubland
    7: (3, 42, 25, 3, 1, 26, 0, 0, 0),  # open shrubland
    8: (48, 14, 25, 10, 1, 1, 0, 1, 0),  # woody savanna
    9: (22, 20, 42, 13, 1, 1, 0, 1, 0),  # savanna
    10: (5, 12, 63, 12, 1, 7, 0, 0, 0),  # grassland
    11: (14, 9, 18, 5, 1, 1, 10, 40, 2),  # wetland
    12: (5, 3, 13, 74, 3, 2, 0, 0, 0),  # cropland
    13: (15, 5, 15, 9, 52, 4, 0, 0, 0),  # urban
    14: (17, 9, 17, 54, 2, 1, 0, 0, 0),  # cropland and natural vegetation mosaic
    15: (0, 2, 6, 1, 0, 91, 0, 0, 0),  # snow and ice
    16: (0, 7, 8, 1, 1, 82, 1, 0, 0),  # barren
}
"""What a 10 m pixel of a MODIS cell is covered by. Plausible shares, not measured ones."""

_MIX = np.array([np.cumsum(MIXTURE[c]) / sum(MIXTURE[c]) for c in range(17)])


def climate_of(lon: F64, lat: F64) -> Objects:
    """Koeppen-Geiger class of each place: object [N], never None."""
    found = np.asarray(atlas.lookup("climate", lon, lat), dtype=object)
    # Small islands and coasts fall on the map's ocean.
    steps = np.digitize(np.abs(lat), [12.0, 23.0, 35.0, 55.0, 66.0])
    usual = np.array(["Af", "Aw", "Csa", "Cfb", "Dfc", "ET"], dtype=object)[steps]
    return np.where(found == None, usual, found)  # noqa: E711 (element by element)


def look(lon: F64, lat: F64, key: ids.U64, seed: int) -> Sites:
    """The sites at the given places. `key` uint64 [N] draws what no map tells: it is the place's own."""
    igbp = np.asarray(atlas.lookup("landcover", lon, lat), dtype=np.int64)
    continent = np.asarray(atlas.lookup("continent", lon, lat), dtype=object)
    draw = keyed.uniform(key, seed, "cover")
    cover = (draw[:, None] >= _MIX[np.minimum(igbp, 16)][:, :-1]).sum(axis=1)
    # The far north has neither fields nor mangroves, whatever its cell says.
    climate = climate_of(lon, lat)
    polar = np.array([str(c).startswith("E") for c in climate], dtype=bool)
    cover = np.where(polar & np.isin(cover, (spectra.CROP, spectra.MANGROVE, spectra.TREE)), spectra.GRASS, cover)
    cover = np.where((np.abs(lat) > 32) & (cover == spectra.MANGROVE), spectra.WETLAND, cover)
    broad = keyed.field(lon, lat, seed, "height", (1500.0, 6000.0))
    rough = keyed.field(lon, lat, seed, "relief", (150.0, 900.0))
    elevation = 420.0 * np.exp(0.75 * broad + 0.35 * rough) * np.exp(0.15 * keyed.normal(key, seed, "height"))
    flat = np.isin(cover, (spectra.CROP, spectra.WATER, spectra.WETLAND, spectra.MANGROVE))
    slope = 2.6 * np.exp(0.4 * broad + 0.5 * rough + 0.7 * keyed.normal(key, seed, "slope")) * np.where(flat, 0.6, 1.0)
    evergreen = np.isin(igbp, (1, 2)) | ((keyed.uniform(key, seed, "evergreen") < 0.35) & ~np.isin(igbp, (3, 4)))
    return Sites(
        key=key,
        lon=lon,
        lat=lat,
        continent=continent,
        climate=climate,
        cover=cover.astype(np.int64),
        evergreen=evergreen,
        elevation_m=np.clip(elevation, 0, 5500),
        slope_deg=np.clip(slope, 0, 45),
    )
