"""What is asked of a raster and what comes back: scenes, requests, the recipe of a chip, chips, refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from geomix.errors import InputError

F32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

Resampling = Literal["nearest", "bilinear", "average"]

MISSING_OBJECT = "missing_object"
"""There is no such file or object (or no such bucket)."""
PERMISSION_DENIED = "permission_denied"
"""The file or object is there, but these credentials may not read it."""
NOT_A_RASTER = "not_a_raster"
"""Its bytes are not a GeoTIFF."""
TRUNCATED = "truncated"
"""It is a GeoTIFF, but its bytes end early or cannot be decoded."""
NO_CRS = "no_crs"
"""The raster does not say which coordinate system it is in."""
UNSUPPORTED_GRID = "unsupported_grid"
"""Its CRS is in degrees, its rows do not run from north to south, or the files of the scene differ in CRS."""
WRONG_BAND_COUNT = "wrong_band_count"
"""It has not as many bands as stated, or not the band asked for."""
OUTSIDE_SCENE = "outside_scene"
"""No pixel of the chip lies in the scene."""
ALL_NODATA = "all_nodata"
"""The chip lies in the scene, but no pixel has data in every band."""
TOO_MUCH_NODATA = "too_much_nodata"
"""A larger share without data than the recipe allows."""
TOO_CLOUDY = "too_cloudy"
"""A larger share of cloud than the recipe allows."""
CONSTANT_BAND = "constant_band"
"""A band has the same value in every pixel that has data: a broken product, not a piece of the Earth."""

REFUSALS = (
    MISSING_OBJECT,
    PERMISSION_DENIED,
    NOT_A_RASTER,
    TRUNCATED,
    NO_CRS,
    UNSUPPORTED_GRID,
    WRONG_BAND_COUNT,
    OUTSIDE_SCENE,
    ALL_NODATA,
    TOO_MUCH_NODATA,
    TOO_CLOUDY,
    CONSTANT_BAND,
)
"""Every refusal code, in the order in which they are tried: a chip gets the first that applies."""

SATURATED = 65535.0
"""The digital number of a saturated pixel in Sentinel-2 products."""


@dataclass(frozen=True)
class Band:
    """Where the digital numbers (DN) of one band are, and what they mean: value = DN * `scale` + `offset`.

    Sentinel-2 reflectance since processing baseline 04.00 is (DN - 1000) / 10000: scale 0.0001, offset -0.1; before it the
    offset is 0. The convention is that of GDAL and of STAC's `raster:bands`.
    """

    href: str
    """URI of a GeoTIFF: a path, `file:` or `s3:`."""
    index: int = 1
    """Which band of the file, counted from 1 as GDAL does."""
    count: int | None = None
    """How many bands the file must have; None: any number. State it where layouts are mixed: a band order goes with it."""
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    """DN that means "no data"; None: what the file says, if it does. NaN never is data."""
    saturated: float | None = SATURATED
    """DN that means "saturated"; None: there is none."""
    resampling: Resampling | None = None
    """How the band comes onto the chip's grid; None: as it is if its pixels agree with the grid, bilinear if they are larger,
    average if they are smaller."""


@dataclass(frozen=True)
class ClassMask:
    """A raster of classes for every pixel; the defaults read Sentinel-2's scene classification (SCL). Resampled by nearest."""

    href: str
    index: int = 1
    cloud: tuple[int, ...] = (3, 8, 9, 10)
    """Classes that count as cloud: shadow, medium and high probability, thin cirrus."""
    nodata: tuple[int, ...] = (0,)
    saturated: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Scene:
    """The rasters of one acquisition: `bands` in the order of the chip's channels, all in one CRS, and perhaps a mask."""

    bands: tuple[Band, ...]
    mask: ClassMask | None = None

    def __post_init__(self) -> None:
        if not self.bands:
            raise InputError("a scene without bands", wanted="at least one Band")

    @property
    def hrefs(self) -> tuple[str, ...]:
        """The files of the scene, each once, in order of first use."""
        return tuple(dict.fromkeys([b.href for b in self.bands] + ([self.mask.href] if self.mask else [])))


@dataclass(frozen=True)
class ChipRequest:
    """A chip round the place `lon`, `lat` (degrees, WGS84) out of `scene`."""

    id: str
    lon: float
    lat: float
    scene: Scene

    def __post_init__(self) -> None:
        # `not <=` catches NaN too.
        if not (abs(self.lon) <= 360 and abs(self.lat) <= 90):
            raise InputError(f"{self.id}: longitude {self.lon}, latitude {self.lat}", wanted="finite degrees, WGS84")


@dataclass(frozen=True)
class Recipe:
    """What every chip is: `height` x `width` pixels of `gsd_m` metres on the ground, and what is refused."""

    height: int
    width: int
    gsd_m: float
    max_nodata: float = 1.0
    """Largest share of pixels without data (0-1); a chip without any data is refused always."""
    max_cloud: float = 1.0
    """Largest share of cloud among pixels with data (0-1); counts only where the scene has a mask."""

    def __post_init__(self) -> None:
        if not (self.height > 0 and self.width > 0 and 0 < self.gsd_m < np.inf):
            raise InputError(f"a chip of {self.height} x {self.width} pixels of {self.gsd_m} m", wanted="positive numbers")
        if not (0 <= self.max_nodata <= 1 and 0 <= self.max_cloud <= 1):
            raise InputError(f"shares of {self.max_nodata} and {self.max_cloud}", wanted="0 to 1")


@dataclass(frozen=True)
class Shares:
    """Shares of a chip's pixels, 0 to 1."""

    nodata: float
    """Without data in at least one band (or in the mask): of all pixels."""
    saturated: float
    """With data, saturated in at least one band: of all pixels."""
    cloud: float | None
    """Cloud or its shadow: of the pixels with data. None: the scene has no mask."""


@dataclass(frozen=True, eq=False)
class Chip:
    """Pixels of one place."""

    id: str
    x_CHW: F32
    """float32 [C, H, W] in the unit that scale and offset lead to (reflectance); row 0 is north. NaN where the band has no
    data or is saturated; under cloud the value is what was measured."""
    valid_HW: Bool
    """bool [H, W]; True where every band has data, none is saturated, and the mask sees no cloud."""
    shares: Shares


@dataclass(frozen=True)
class Refusal:
    """Why there is no chip: `code` is one of REFUSALS, `detail` one line for people."""

    id: str
    code: str
    detail: str
    shares: Shares | None = None
    """What was measured, if the pixels could be read."""
