"""Scenes: squares of the synthetic Earth as Cloud-Optimised GeoTIFFs, as an archive of Sentinel-2 keeps them.

Scenes lie on a lattice of every UTM zone and overlap, so that a chip of up to 128 pixels always fits into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from geomix import config, store
from geomix.earth import clouds, grid, images, spectra
from geomix.earth.grid import PIXEL_M, Windows
from geomix.earth.keyed import I64
from geomix.errors import DataError

SIDE, STEP = 512, 384
"""Pixels along a scene's side, and from one scene to the next."""

LARGEST_CHIP = SIDE - STEP

Layout = Literal["stack", "bands"]
"""stack: one file of all bands on the 10 m grid. bands: one file a band, those of 20 m with pixels of 20 m."""

SCL: dict[str, int] = {"shadow": 3, "vegetation": 4, "bare": 5, "water": 6, "cloud": 9}
"""Classes of the mask, numbers of Sentinel-2's scene classification."""

WORLDCOVER: tuple[int, ...] = (10, 20, 30, 40, 50, 60, 80, 90, 95)
"""ESA WorldCover's code of each of `spectra.COVERS`: what the label map holds."""

_GROUND = np.full(len(spectra.COVERS), SCL["vegetation"], dtype=np.uint8)
_GROUND[[spectra.BUILT, spectra.BARE]] = SCL["bare"]
_GROUND[spectra.WATER] = SCL["water"]


@dataclass(frozen=True, order=True)
class Scene:
    """A square of the ground on a day."""

    epsg: int
    column: int
    row: int
    """The first column and row, as in `grid`: multiples of `STEP`."""
    day: int
    """Days since 1970-01-01."""

    @property
    def name(self) -> str:
        """Such as 32631-c044544-r-540672-2021-06-22: unique, and the same for the same square and day."""
        return f"{self.epsg}-c{self.column:06d}-r{self.row:07d}-{np.datetime64(self.day, 'D')}"

    def windows(self) -> Windows:
        """The scene as a window."""
        epsg, column, row, day = np.array([[self.epsg], [self.column], [self.row], [self.day]], dtype=np.int64)
        return Windows(epsg, column, row, day, SIDE, SIDE)


@dataclass(frozen=True)
class Files:
    """URIs of a written scene."""

    bands: tuple[str, ...]
    """Of each band of `images.BANDS`: the same file for all (band k is its k-th), or one for each."""
    mask: str
    """Scene classification (`SCL`), uint8, 10 m."""
    cover: str
    """What is on the ground, clouds or not: `WORLDCOVER` codes, uint8, 10 m."""


def covering(lon: npt.ArrayLike, lat: npt.ArrayLike, day: npt.ArrayLike, size: int = 64) -> tuple[list[Scene], I64]:
    """The scenes, sorted, that hold a chip of `size` pixels centred on every place; and which scene each place's is: [N].

    `lon`, `lat`: degrees, WGS84; `day`: datetime64, or days since 1970-01-01. Raises DataError for a chip that is larger than
    the overlap of scenes, and for places without a UTM zone.
    """
    if not 0 < size <= LARGEST_CHIP:
        raise DataError(f"chips of {size} pixels from scenes", wanted=f"1 to {LARGEST_CHIP}")
    days = np.asarray(day)
    if days.dtype.kind == "M":
        days = days.astype("datetime64[D]")
    w = grid.centred(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64), days.astype(np.int64), size)
    table = np.stack([w.epsg, w.column // STEP * STEP, w.row // STEP * STEP, w.day], axis=1)
    found, which = np.unique(table, axis=0, return_inverse=True)
    return [Scene(*(int(v) for v in row)) for row in found], which.reshape(-1).astype(np.int64)


def files(scene: Scene, folder: str, layout: Layout = "stack") -> Files:
    """Where `write_scene` puts the scene under `folder`, a URI."""
    home = store.join(folder, scene.name)
    names = ["image"] * len(images.BANDS) if layout == "stack" else list(images.BANDS)
    return Files(tuple(store.join(home, f"{n}.tif") for n in names), store.join(home, "SCL.tif"), store.join(home, "cover.tif"))


def write_scene(scene: Scene, folder: str, earth: config.Earth, layout: Layout = "stack") -> Files:
    """Makes the scene and writes it under `folder`, any URI that fsspec knows; its pixels are those of `images.chips`.

    Image: uint16 digital numbers (`images.SCALE`, `images.OFFSET`), no data 0. Raises StudyError, DataError, UnavailableError.
    """
    from geomix.raster.cog import write_cog  # rasterio takes 0.2 s: only where a file is written

    made = images.rendered(scene.windows(), earth)
    out = files(scene, folder, layout)
    west, north = scene.column * float(PIXEL_M), scene.row * -float(PIXEL_M)

    def image(uri: str, x: npt.NDArray[np.uint16], step: int, bands: Sequence[str]) -> None:
        write_cog(
            uri,
            x,
            epsg=scene.epsg,
            west=west,
            north=north,
            pixel=float(step * PIXEL_M),
            bands=bands,
            scale=images.SCALE,
            offset=images.OFFSET,
            nodata=0,
        )

    def classes(uri: str, x: npt.NDArray[np.uint8], name: str) -> None:
        write_cog(uri, x, epsg=scene.epsg, west=west, north=north, pixel=float(PIXEL_M), bands=[name])

    if layout == "stack":
        image(out.bands[0], made.number_NCHW[0], 1, images.BANDS)
    else:
        for k, band in enumerate(images.BANDS):
            step = 1 if band in images.FINE else 2
            image(out.bands[k], np.ascontiguousarray(made.number_NCHW[0, k : k + 1, ::step, ::step]), step, [band])
    classes(out.mask, classified(made), "SCL")
    classes(out.cover, np.array(WORLDCOVER, dtype=np.uint8)[made.cover_NHW], "WorldCover")
    return out


def classified(made: images.Chips) -> npt.NDArray[np.uint8]:
    """Classes of `SCL` [N, H, W]: what is in the way, else what is on the ground (snow is not told from it)."""
    ground = _GROUND[made.cover_NHW]
    in_the_way = np.array([0, SCL["shadow"], SCL["cloud"]], dtype=np.uint8)[made.mask_NHW]
    return np.asarray(np.where(made.mask_NHW == clouds.CLEAR, ground, in_the_way), dtype=np.uint8)
