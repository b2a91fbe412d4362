"""Strata of a study file: its polygons, rasters, distances to cities and latitude bands."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geomix import config, store
from geomix.atlas import latitude
from geomix.atlas.cities import distance_km, distance_source
from geomix.atlas.coded import Coded, smallest
from geomix.atlas.polygons import read_polygons
from geomix.atlas.sources import Source
from geomix.atlas.strata import STRATA, Found, Stratum
from geomix.errors import DataError

F64 = npt.NDArray[np.float64]


def of_study(study: config.Study) -> dict[str, Stratum]:
    """Every stratum that `study` may name: those of the packaged maps, then its own. Files are read when asked."""
    return {**STRATA, **of_strata(study.strata)}


def of_strata(strata: Mapping[str, config.OwnStratum]) -> dict[str, Stratum]:
    """The strata that a study file describes, by name. Files are read, once, when a stratum is asked. Raises DataError then."""
    return {name: _of(own) for name, own in strata.items()}


def _of(own: config.OwnStratum) -> Stratum:
    if isinstance(own, config.CityDistance):
        least = own.min_population
        return Stratum(lambda lon, lat: distance_km(lon, lat, least), lambda: distance_source(least))
    if isinstance(own, config.LatitudeBand):
        width = own.degrees
        return Stratum(lambda lon, lat: latitude.band(lon, lat, width), lambda: latitude.source(width))
    if isinstance(own, config.Raster):
        return _of_raster(own)
    # Read once for lookup and source, and not for ever: the user may correct the file while a process lives.
    read = cache(lambda: read_polygons(own.uri, own.column))
    return Stratum(lambda lon, lat: read().find(lon, lat), lambda: read().source)


def _of_raster(own: config.Raster) -> Stratum:
    read = cache(lambda: _RasterFile(own.uri, own.band))
    names = tuple(sorted(set(own.classes.values())))

    def find(lon: F64, lat: F64) -> Found:
        found = read().raster.at(lon, lat)
        missing = np.ma.getmaskarray(found) | np.isin(found.data, own.missing)
        if not names:
            return np.ma.MaskedArray(found.data, missing) if read().raster.integer else np.where(missing, np.nan, found.data)
        values, at = np.unique(found.data[~missing], return_inverse=True)
        unknown = [f"{v:g}" for v in values if v not in own.classes]
        if unknown:
            raise DataError(
                f"{own.uri}: value {', '.join(unknown[:5])} has no name",
                wanted=f"one of the values under `classes:`: {', '.join(map(str, sorted(own.classes)))}",
                remedy="name it under `classes:`, or list it under `missing:`",
            )
        code = np.full(len(found), -1, dtype=np.int64)
        code[~missing] = np.array([names.index(own.classes[int(v)]) for v in values], dtype=np.int64)[at]
        return Coded(smallest(code, len(names)), names)

    return Stratum(find, lambda: read().source)


class _RasterFile:
    """A raster at a URI, as a local file; a copy from elsewhere is removed with this object."""

    def __init__(self, uri: str, band: int) -> None:
        from geomix import raster  # rasterio takes 0.2 s: only where a map is read

        folder = Path(tempfile.mkdtemp(prefix="geomix-raster-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        try:
            path = store.local_copy(uri, folder)
        except FileNotFoundError:
            raise DataError(f"{uri}: no such file", remedy="check the path under `strata:` in the study file") from None
        self.raster = raster.open_raster(path, band, uri)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = uri.rstrip("/").rsplit("/", 1)[-1]
        self.source = Source(f"{name}, band {band}", "as given", digest, "as given")
