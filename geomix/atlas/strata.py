"""The strata that packaged maps give: one function and one source a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from geomix import config
from geomix.atlas import climate, countries, landcover
from geomix.atlas.polygons import read_polygons
from geomix.atlas.sources import Source
from geomix.errors import CompositionError


@dataclass(frozen=True)
class Stratum:
    """A stratum: how points are looked up, and where the map comes from."""

    at: Callable[[npt.ArrayLike, npt.ArrayLike], npt.NDArray[np.object_] | npt.NDArray[np.int64]]
    source: Callable[[], Source]


STRATA: Mapping[str, Stratum] = {
    "continent": Stratum(countries.continent, countries.source),
    "country": Stratum(countries.country, countries.source),
    "climate": Stratum(climate.climate, climate.source),
    "climate_zone": Stratum(climate.climate_zone, climate.source),
    "landcover": Stratum(landcover.landcover, landcover.source),
}
"""Name -> stratum, in the order of columns of strata.parquet."""


def lookup(stratum: str, lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.object_] | npt.NDArray[np.int64]:
    """Value of `stratum` at each point, [N]. Degrees, WGS84, longitude first.

    continent, country: object (str, None at sea). climate: Koeppen-Geiger class, as "Cfb"; climate_zone: tropical, arid,
    temperate, cold, polar (None where that map has ocean). landcover: int64, IGBP 1-16, 0 = water.
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


def of_study(study: config.Study) -> dict[str, Stratum]:
    """Every stratum that `study` may name: those of the packaged maps, then its own polygons. Files are read when asked."""
    return {**STRATA, **{name: _of_polygons(own) for name, own in study.strata.items()}}


def _of_polygons(own: config.Polygons) -> Stratum:
    # Read once for lookup and source, and not for ever: the user may correct the file while a process lives.
    read = cache(lambda: read_polygons(own.uri, own.column))
    return Stratum(at=lambda lon, lat: read().at(lon, lat), source=lambda: read().source)
