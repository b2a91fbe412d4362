"""The strata that packaged maps give, and how any stratum is looked up for few places or for millions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geomix.atlas import climate, countries, landcover, latitude
from geomix.atlas.cities import distance_km, distance_source
from geomix.atlas.coded import Coded, Codes
from geomix.atlas.parts import blocks
from geomix.atlas.sources import Source
from geomix.errors import CompositionError

F64 = npt.NDArray[np.float64]
Found: TypeAlias = Coded | npt.NDArray[np.int64] | F64 | np.ma.MaskedArray[Any, np.dtype[np.int64]]

BLOCK = 1 << 20
"""Places at once in `Stratum.codes` and `table`: enough for an index of cells to be worth it (`parts.INDEX_FROM`)."""


@dataclass(frozen=True)
class Stratum:
    """A stratum: how places are looked up, and where the map comes from."""

    find: Callable[[F64, F64], Found]
    """Values at places (longitude, latitude): `Coded` classes, integers (masked where there is none) or floats (NaN)."""
    source: Callable[[], Source]

    def at(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[Any]:
        """Value at each place, [N]: object (str, None) of a class, int64 or object (int, None), or float64 (NaN).

        Degrees, WGS84, longitude first.
        """
        found = self.find(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
        if isinstance(found, Coded):
            return found.values()
        if isinstance(found, np.ma.MaskedArray):
            values = found.data.astype(object)
            values[np.ma.getmaskarray(found)] = None
            return np.asarray(values)
        return found

    def codes(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coded:
        """Class of each place as a small code and the names once: 2 or 4 bytes a place, for any number of places.

        Degrees, WGS84, longitude first. Raises CompositionError if the values are numbers, not classes.
        """
        x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        codes: list[Codes] = []
        names: tuple[str, ...] = ()
        for block in blocks(len(x), BLOCK):
            found = self.find(x[block], y[block])
            if not isinstance(found, Coded):
                raise CompositionError("this stratum has numbers, not classes", wanted="a stratum of classes")
            codes.append(found.code)
            names = found.names
        return Coded(np.concatenate(codes), names)

    def column(self, lon: F64, lat: F64) -> pa.ChunkedArray:
        """Value of each place as an Arrow column: dictionary-encoded string, int64 or float64; null where there is none."""
        return pa.chunked_array([_arrow(self.find(lon[block], lat[block])) for block in blocks(len(lon), BLOCK)])


def _arrow(found: Found) -> pa.Array:
    if isinstance(found, Coded):
        codes = pa.array(found.code, mask=found.code < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(found.names, pa.string()))
    if isinstance(found, np.ma.MaskedArray):
        return pa.array(found.data, pa.int64(), mask=np.ma.getmaskarray(found))
    return pa.array(found, mask=np.isnan(found) if found.dtype.kind == "f" else None)


STRATA: Mapping[str, Stratum] = {
    "continent": Stratum(countries.continent, countries.source),
    "country": Stratum(countries.country, countries.source),
    "un_region": Stratum(countries.un_region, countries.source),
    "un_subregion": Stratum(countries.un_subregion, countries.source),
    "climate": Stratum(climate.climate, climate.source),
    "climate_zone": Stratum(climate.climate_zone, climate.source),
    "landcover": Stratum(landcover.landcover, landcover.source),
    "urban": Stratum(landcover.urban, landcover.source),
    "latitude_band": Stratum(latitude.band, latitude.source),
    "city_km": Stratum(distance_km, distance_source),
}
"""Name -> stratum, in the order of columns of strata.parquet."""


def lookup(stratum: str, lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[Any]:
    """Value of `stratum` at each point, [N]. Degrees, WGS84, longitude first.

    continent, country, un_region, un_subregion: object (str, None at sea). climate: Koeppen-Geiger class, as "Cfb";
    climate_zone: tropical, arid, temperate, cold, polar (None where that map has ocean). landcover: int64, IGBP 1-16,
    0 = water; urban: "urban", "rural" (None where that map has water). latitude_band: 15 degrees, as "07 0-15N"; city_km:
    float64, kilometres to the nearest city of 100,000 inhabitants; these two are known at sea too.
    Raises CompositionError for an unknown stratum.
    """
    return _known(stratum).at(lon, lat)


def source(stratum: str) -> Source:
    """Name, version, SHA-256 and licence of the map behind `stratum`. Raises CompositionError if it is unknown."""
    return _known(stratum).source()


def _known(stratum: str) -> Stratum:
    if stratum not in STRATA:
        raise CompositionError(f"unknown stratum {stratum!r}", wanted=f"one of {', '.join(STRATA)}")
    return STRATA[stratum]


def table(strata: Mapping[str, Stratum], lon: npt.ArrayLike, lat: npt.ArrayLike) -> pa.Table:
    """One column a stratum, in the given order, a row a place; worked out block by block.

    Classes are dictionary-encoded strings, other values int64 or float64; null where a place has none. `lon`, `lat`: float
    [N], degrees, WGS84.
    """
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    return pa.table({name: stratum.column(x, y) for name, stratum in strata.items()})
