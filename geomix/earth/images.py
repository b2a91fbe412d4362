"""Images: Sentinel-2-like chips of the synthetic Earth, from patches, seasons, terrain, clouds and noise.

Letters in names: N chips, C = 10 bands (`BANDS`), H rows (from the north), W columns; K nodes of the landscapes, S surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from geomix import config
from geomix.earth import clouds, grid, landscapes, noise, patches, spectra, surfaces, terrain, worlds
from geomix.earth.grid import Windows
from geomix.earth.keyed import I64
from geomix.earth.noise import F32
from geomix.errors import DataError

VERSION = 1
"""Raised with every change of what is simulated: part of a pool's content version."""

BANDS: tuple[str, ...] = spectra.BANDS
FINE: tuple[str, ...] = ("B2", "B3", "B4", "B8")
"""Bands of 10 m. The others have 20 m: one value for 2 x 2 pixels, the mean of what lies in them."""

SCALE, OFFSET = 1e-4, -0.1
"""reflectance = digital number * SCALE + OFFSET, as Sentinel-2's since processing baseline 04.00; 0 is no data."""

CHUNK = 64
"""Chips of 64 x 64 made at once: what fits a cache; the pixels do not depend on it."""

# Cover -> standard deviation of the logarithm of brightness, over some 20, 80 and 320 m; of parcels; of leaf density.
_TEXTURE = np.array(
    [
        (0.13, 0.05, 0.05, 0.00, 0.10),  # tree: crowns and their shadows
        (0.09, 0.08, 0.06, 0.00, 0.18),  # shrub
        (0.03, 0.05, 0.06, 0.00, 0.12),  # grass
        (0.025, 0.03, 0.03, 0.13, 0.16),  # crop
        (0.22, 0.10, 0.05, 0.16, 0.20),  # built: roofs and gardens
        (0.03, 0.06, 0.09, 0.00, 0.10),  # bare
        (0.01, 0.02, 0.06, 0.00, 0.00),  # water
        (0.05, 0.10, 0.08, 0.00, 0.15),  # wetland
        (0.07, 0.04, 0.04, 0.00, 0.06),  # mangrove
    ],
    dtype=np.float32,
)
_HEDGE, _STREET = np.float32(0.6), np.float32(-0.35)
_SKY = np.array([terrain.DIFFUSE[b] for b in BANDS], dtype=np.float32)
_CLOUD = np.array([0.88, 0.86, 0.86, 0.87, 0.87, 0.87, 0.87, 0.86, 0.55, 0.42], dtype=np.float32)
_HAZE = 0.018 * np.array([1.0, 0.8, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.15, 0.1], dtype=np.float32)
_PATTERN = worlds.PATTERN[list(spectra.CHANNELS)].astype(np.float32)
NOISE: tuple[float, float] = (0.0012, 0.008)
"""The sensor: standard deviation of a pixel, a fixed part (reflectance) and a share of the signal."""


@dataclass(frozen=True)
class Chips:
    """N images on the 10 m grid of their UTM zones."""

    windows: Windows
    number_NCHW: npt.NDArray[np.uint16]
    """Digital numbers (`SCALE`, `OFFSET`)."""
    mask_NHW: npt.NDArray[np.uint8]
    """0 clear, 1 in the shadow of a cloud, 2 cloud."""
    cover_NHW: npt.NDArray[np.uint8]
    """What is on the ground, clouds or not: number in `spectra.COVERS`."""

    @property
    def reflectance_NCHW(self) -> F32:
        """Surface reflectance of the digital numbers, float32."""
        return self.number_NCHW.astype(np.float32) * np.float32(SCALE) + np.float32(OFFSET)

    @property
    def cloud_N(self) -> npt.NDArray[np.float64]:
        """Share of each image under clouds."""
        return np.asarray((self.mask_NHW == clouds.CLOUD).mean(axis=(1, 2)))


def chips(lon: npt.ArrayLike, lat: npt.ArrayLike, day: npt.ArrayLike, earth: config.Earth, size: int = 64) -> Chips:
    """Images of `size` x `size` pixels of 10 m centred (to half a pixel) on N places, each on its day.

    `lon`, `lat`: degrees, WGS84, [N]; `day`: datetime64, or days since 1970-01-01, [N]. Pixels depend on the ground they
    show, the day and `earth` alone: not on order, batch or size. Raises StudyError for a wrong `earth.target`, DataError for
    places without a UTM zone.
    """
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    days = np.asarray(day)
    if days.dtype.kind == "M":
        days = days.astype("datetime64[D]")
    if not len(x) == len(y) == len(days) or size < 1:
        raise DataError(f"{len(x)} longitudes, {len(y)} latitudes, {len(days)} days, size {size}", wanted="one of each a chip")
    return rendered(grid.centred(x, y, days.astype(np.int64), size), earth)


def rendered(windows: Windows, earth: config.Earth) -> Chips:
    """The images of any windows: [N, C, H, W]. Raises StudyError for a wrong `earth.target`."""
    worlds.check(earth)
    n, height, width = len(windows), windows.height, windows.width
    out = Chips(
        windows,
        np.empty((n, len(BANDS), height, width), dtype=np.uint16),
        np.empty((n, height, width), dtype=np.uint8),
        np.empty((n, height, width), dtype=np.uint8),
    )
    chunk = max(1, CHUNK * 64 * 64 // (height * width))
    for start in range(0, n, chunk):
        rows = slice(start, start + chunk)
        out.number_NCHW[rows], out.mask_NHW[rows], out.cover_NHW[rows] = _render(windows.take(rows), earth)
    return out


def _render(
    windows: Windows, earth: config.Earth
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    # Bands of 20 m need whole squares of 2 x 2: one line more on every side where the window begins or ends within one.
    top, left = windows.row % 2, windows.column % 2
    even = Windows(
        windows.epsg,
        windows.column - left,
        windows.row - top,
        windows.day,
        windows.height + 2 - windows.height % 2,
        windows.width + 2 - windows.width % 2,
    )
    number, mask, cover = _even(even, earth)
    n = np.arange(len(windows))[:, None, None]
    r = (top[:, None] + np.arange(windows.height))[:, :, None]
    c = (left[:, None] + np.arange(windows.width))[:, None, :]
    return number.transpose(1, 0, 2, 3)[n, :, r, c].transpose(0, 3, 1, 2), mask[n, r, c], cover[n, r, c]


def _even(windows: Windows, earth: config.Earth) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Digital numbers [C, N, H, W], mask and cover [N, H, W] of windows made of whole squares of 2 x 2 pixels."""
    seed = earth.seed
    around = landscapes.around(windows, earth)
    node = around.nearest(seed)
    ground = patches.of(around, node, seed)
    sky = clouds.over(around, node, seed)
    seen = np.flatnonzero(np.bincount(node.ravel(), minlength=len(around.month)))
    spectrum = surfaces.of(around, seen, earth)
    local = np.zeros(len(around.month), dtype=np.int64)
    local[seen] = np.arange(len(seen))
    at = local[node] * len(surfaces.COVER) + ground.surface

    brightness, leaves = _textured(windows, ground, spectrum.green.ravel()[at], seed)
    snow = _snow(around, ground.cover, seed)
    flat = np.isin(ground.cover, (spectra.WATER, spectra.WETLAND, spectra.MANGROVE))
    direct = terrain.sunlight(around, seed, flat) * (1 - np.float32(0.65) * sky.shaded)
    haze = np.maximum(noise.smooth(windows, 512, seed, "haze", daily=True)[:, 0], 0)
    amplitude = _mode(around, node, ground.cover, earth)

    fine = noise.white(windows, seed, "sensor 10 m", len(FINE))
    coarse = _coarse_noise(windows, seed)
    number = np.empty((len(BANDS), *node.shape), dtype=np.uint16)
    bare, spare = 1 - leaves, 1 - snow
    for band, name in enumerate(BANDS):
        x = leaves * spectrum.leaves[band].ravel()[at] + bare * spectrum.soil[band].ravel()[at]
        x *= brightness
        x = spare * x + snow * np.float32(spectra.SNOW[band])
        x *= _SKY[band] + (1 - _SKY[band]) * direct
        if amplitude is not None and _PATTERN[band] != 0:
            x *= np.exp(_PATTERN[band] * amplitude)
        x += _HAZE[band] * haze
        x += sky.opacity * (_CLOUD[band] * sky.brightness - x)
        if name in FINE:
            error = fine[:, FINE.index(name)]
        else:
            x = _doubled((x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) * np.float32(0.25))
            error = coarse[name]
        x += error * (np.float32(NOISE[0]) + np.float32(NOISE[1]) * x)
        # 0 is no data; a saturated pixel has the largest number there is.
        number[band] = np.clip((x - np.float32(OFFSET)) * np.float32(1 / SCALE) + np.float32(0.5), 1, 65535)
    return number, sky.mask, ground.cover


def _doubled(x: F32) -> F32:
    return np.repeat(np.repeat(x, 2, axis=1), 2, axis=2)


def _coarse_noise(windows: Windows, seed: int) -> dict[str, F32]:
    """Noise of the 20 m bands, by name: one number for 2 x 2 pixels, [N, H, W]."""
    halved = Windows(windows.epsg, windows.column // 2, windows.row // 2, windows.day, windows.height // 2, windows.width // 2)
    names = [b for b in BANDS if b not in FINE]
    lanes = [noise.white(halved, seed, f"sensor 20 m {k}", 3) for k in (0, 1)]
    return {name: _doubled(lanes[i // 3][:, i % 3]) for i, name in enumerate(names)}


def _textured(windows: Windows, ground: patches.Patches, green: F32, seed: int) -> tuple[F32, F32]:
    """Factor of brightness, and share of leaves, of every pixel: [N, H, W]."""
    fine = noise.smooth(windows, 2, seed, "texture", 2)
    middle = noise.smooth(windows, 8, seed, "texture", 2)
    wide = noise.smooth(windows, 32, seed, "texture", 2)
    deviation = [np.ascontiguousarray(_TEXTURE[:, k])[ground.cover] for k in range(5)]
    tone = deviation[0] * fine[:, 0] + deviation[1] * middle[:, 0] + deviation[2] * wide[:, 0] + deviation[3] * ground.tone
    spread = np.float32(0.5) * fine[:, 1] + np.float32(0.5) * middle[:, 1] + np.float32(0.5) * wide[:, 1] + ground.density
    leaves = green * (1 + deviation[4] * np.clip(spread, -3, 3))
    town = ground.cover == spectra.BUILT
    tone += np.where(town, _STREET, np.float32(-0.2)) * ground.edge
    leaves += ground.edge * (np.where(town, 0, _HEDGE) - leaves)
    return np.exp(tone), np.clip(leaves, 0, 1)


def _snow(around: landscapes.Landscapes, cover: npt.NDArray[np.uint8], seed: int) -> F32:
    """Share of every pixel under snow: [N, H, W]; it comes below about -1 degree and closes at -6, on ice it never goes."""
    amount = np.clip((-around.celsius - 1.0) / 5, 0, 1) * np.clip(around.rain_mm / 0.4, 0.3, 1)
    depth = around.blended(np.maximum(amount, 2.0 * around.ice))
    uneven = noise.fractal(around.windows, ((32, 1.0), (8, 0.7), (3, 0.4)), seed, "snow")[:, 0]
    snow = np.clip(2.2 * depth - 0.35 + np.float32(0.18) * uneven, 0, 1) * (depth > 0)
    # Crowns shed it; streets are cleared; open water freezes.
    kept = np.ones(len(spectra.COVERS), dtype=np.float32)
    kept[[spectra.TREE, spectra.BUILT, spectra.SHRUB]] = 0.4, 0.6, 0.8
    return np.asarray(np.minimum(snow, 1) * kept[cover] * np.float32(0.97))


def _mode(around: landscapes.Landscapes, node: I64, cover: npt.NDArray[np.uint8], earth: config.Earth) -> F32 | None:
    """Amplitude of the target's spectral mode (`worlds`), for every pixel by its cover: [N, H, W]; z is the landscape's own."""
    field, other = (
        worlds.mode(replace(around.ground, cover=np.full(len(around.month), number)), earth)
        for number in (spectra.CROP, spectra.GRASS)
    )
    if field is None or other is None:
        return None
    both = np.stack([other, field], axis=1).astype(np.float32)
    return np.asarray(both[node, (cover == spectra.CROP).astype(np.int64)])
