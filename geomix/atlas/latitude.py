"""Latitude bands: the same width in degrees from pole to pole, with the equator as a border."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from geomix import ids
from geomix.atlas.coded import Coded, smallest
from geomix.atlas.sources import Source

DEGREES = 15
"""Width of the bands of the stratum `latitude_band`."""


def names(degrees: int = DEGREES) -> tuple[str, ...]:
    """Names of the bands from south to north, which is also their order by name: "01 90S-75S", ... "12 75N-90N"."""
    edges = range(-90, 91, degrees)
    texts = [f"{abs(e)}{'S' if e < 0 else 'N' if e > 0 else ''}" for e in edges]
    return tuple(f"{k:02d} {south}-{north}" for k, (south, north) in enumerate(pairwise(texts), 1))


def band(lon: npt.ArrayLike, lat: npt.ArrayLike, degrees: int = DEGREES) -> Coded:
    """Band of each point, at sea too. A band holds its southern edge, the last one the pole. None without a latitude.

    `degrees`: a divisor of 90. `lon` is not needed: the arguments are those of every stratum.
    """
    known = names(degrees)
    y = np.asarray(lat, dtype=np.float64)
    valid = np.abs(y) <= 90
    code = np.full(len(y), -1, dtype=np.int64)
    # Edges are compared as they are: the sum of a tiny latitude and 90 would be rounded to the edge.
    code[valid] = np.searchsorted(np.arange(-90.0, 90.0, degrees), y[valid], side="right") - 1
    return Coded(smallest(code, len(known)), known)


def source(degrees: int = DEGREES) -> Source:
    """The definition, as a source."""
    return Source(f"latitude in bands of {degrees} degrees", "1", ids.sha256("latitude_band", *names(degrees)), "no map")
