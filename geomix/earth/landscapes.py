"""Landscapes: the ground's nodes, about 5 km apart, each with the climate, land cover, relief and sun of its place.

Letters in names: N windows, K nodes (one entry a node and day), J nodes of a window along one axis, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from geomix import atlas, config
from geomix.earth import days, grid, noise, seasons, sites, spectra, worlds
from geomix.earth.grid import Windows
from geomix.earth.keyed import F64, I64
from geomix.earth.noise import F32

SPACING = 512
"""Pixels between nodes: 5.12 km, about a cell of the land-cover map."""

WANDER = 40.0
"""Standard deviation, in pixels, by which the border between two nodes' landscapes wanders."""

_FARTHEST = 160
_OWN = 0.6
_NEIGHBOUR_DEG = 0.05
_MIX = np.array([np.array(sites.MIXTURE[c]) / sum(sites.MIXTURE[c]) for c in range(17)])
ICE = 15
"""The land-cover map's class of snow and ice."""


@dataclass(frozen=True)
class Landscapes:
    """The nodes round N windows, and which of them each pixel belongs to."""

    windows: Windows
    node_NJJ: I64
    """Position, among the K, of each node round each window."""
    first_row: I64
    first_column: I64
    ground: sites.Sites
    climate: seasons.Climate
    share_K9: F64
    """Share of each cover of `spectra.COVERS`."""
    ice: F64
    """Share of land under snow all year [K]."""
    celsius: F64
    rain_mm: F64
    """Temperature and daily rain on the day [K]."""
    rain_usual_mm: F64
    """Daily rain over the year [K]."""
    month: F64
    """The day as a position among months [K]: 0 is the middle of January."""
    sun_height: F64
    sun_azimuth: F64
    """Radians [K]; azimuth clockwise from north."""

    def nearest(self, seed: int) -> I64:
        """The node that each pixel belongs to, among the K: [N, H, W]. Borders wander."""
        w = self.windows
        wander = np.clip(WANDER * noise.fractal(w, ((64, 1.0), (16, 0.3)), seed, "borders", 2), -_FARTHEST, _FARTHEST)
        row = np.rint(((w.row[:, None] + np.arange(w.height))[:, :, None] + wander[:, 0]) / SPACING).astype(np.int64)
        column = np.rint(((w.column[:, None] + np.arange(w.width))[:, None, :] + wander[:, 1]) / SPACING).astype(np.int64)
        row -= self.first_row[:, None, None]
        column -= self.first_column[:, None, None]
        return np.asarray(self.node_NJJ[np.arange(len(w))[:, None, None], row, column])

    def blended(self, value_K: F64) -> F32:
        """A value of the nodes at every pixel, by straight lines between nodes: [N, H, W]."""
        w = self.windows
        at_r, part_r = _lattice(w.row, w.height, self.first_row)
        at_c, part_c = _lattice(w.column, w.width, self.first_column)
        table = value_K.astype(np.float32)[self.node_NJJ]
        n = np.arange(len(w))[:, None]
        rows = table[n, at_r] * (1 - part_r)[:, :, None] + table[n, at_r + 1] * part_r[:, :, None]
        rows = rows.transpose(0, 2, 1)
        mixed = rows[n, at_c] * (1 - part_c)[:, :, None] + rows[n, at_c + 1] * part_c[:, :, None]
        return np.ascontiguousarray(mixed.transpose(0, 2, 1))


def _lattice(first: I64, count: int, node: I64) -> tuple[I64, F32]:
    at, part = np.divmod(first[:, None] + np.arange(count), SPACING)
    return at - node[:, None], ((part + np.float32(0.5)) / np.float32(SPACING)).astype(np.float32)


def around(windows: Windows, earth: config.Earth) -> Landscapes:
    """The landscapes of the windows."""
    (first_row, rows), (first_column, columns) = (
        _reach(windows.row, windows.height),
        _reach(windows.column, windows.width),
    )
    shape = (len(windows), rows, columns)
    row, column, epsg, day = (
        np.broadcast_to(v, shape).ravel()
        for v in (
            (first_row[:, None] + np.arange(rows))[:, :, None],
            (first_column[:, None] + np.arange(columns))[:, None, :],
            windows.epsg[:, None, None],
            windows.day[:, None, None],
        )
    )
    name, back = np.unique(np.stack([epsg, row, column, day]), axis=1, return_inverse=True)
    epsg, row, column, day = name
    key = noise.hashes(epsg.astype(np.uint64), row, column)
    lon, lat = grid.coordinates(epsg, column * float(SPACING * grid.PIXEL_M), row * -float(SPACING * grid.PIXEL_M))
    # The last digits of a projection may differ between machines: a hundred-thousandth of a degree is a metre.
    lon, lat = np.round(lon, 5), np.clip(np.round(lat, 5), -90, 90)
    lon, lat = worlds.seen_at(lon, lat, key, earth)
    ground = sites.look(lon, lat, key, earth.seed)
    near_lon, near_lat = _neighbours(lon, lat)
    ground = replace(ground, continent=_on_land(ground.continent, near_lon, near_lat))
    igbp = np.minimum(np.asarray(atlas.lookup("landcover", near_lon.ravel(), near_lat.ravel())), 16).reshape(5, -1)
    climate = seasons.of_sites(ground, earth.seed)
    month = days.month_of(day)
    height, azimuth = days.sun(lat, day)
    return Landscapes(
        windows=windows,
        node_NJJ=back.reshape(shape),
        first_row=first_row,
        first_column=first_column,
        ground=ground,
        climate=climate,
        share_K9=_shares(igbp, ground),
        ice=_weighted((igbp == ICE).astype(np.float64)),
        celsius=days.on_day(climate.celsius_NM, month),
        rain_mm=days.on_day(climate.rain_NM, month),
        rain_usual_mm=climate.rain_NM.mean(axis=1),
        month=month,
        sun_height=height,
        sun_azimuth=azimuth,
    )


def _reach(first: I64, count: int) -> tuple[I64, int]:
    """The first node that pixels `first` to `first + count` can belong to, and how many there are."""
    return (first - _FARTHEST) // SPACING, (count + 2 * _FARTHEST) // SPACING + 3


def _neighbours(lon: F64, lat: F64) -> tuple[F64, F64]:
    """Places and their neighbours east, west, north and south: [5, K] each."""
    step = _NEIGHBOUR_DEG
    x = np.stack([lon, lon + step, lon - step, lon, lon])
    y = np.clip(np.stack([lat, lat, lat, lat + step, lat - step]), -90, 90)
    return (x + 180) % 360 - 180, y


def _on_land(continent: sites.Objects, lon: F64, lat: F64) -> sites.Objects:
    """The continents; a node just off the coast has that of its first neighbour on land."""
    found = continent.copy()
    sea = np.flatnonzero(found == None)  # noqa: E711 (element by element)
    for k in range(1, 5):
        if len(sea):
            found[sea] = np.asarray(atlas.lookup("continent", lon[k, sea], lat[k, sea]), dtype=object)
            sea = sea[found[sea] == None]  # noqa: E711
    return found


def _weighted(value_5K: F64) -> F64:
    """The value of a cell and of its neighbours together."""
    return np.asarray(_OWN * value_5K[0] + (1 - _OWN) / 4 * (value_5K[1] + value_5K[2] + value_5K[3] + value_5K[4]))


def _shares(igbp_5K: I64, ground: sites.Sites) -> F64:
    """Share of each cover: the mixtures of the cell's class and of its neighbours', with the same exceptions as `sites`."""
    mixed = np.stack([_weighted(_MIX[igbp_5K, c]) for c in range(len(spectra.COVERS))], axis=1)
    for covers, instead, where in (
        ((spectra.CROP, spectra.MANGROVE, spectra.TREE), spectra.GRASS, ground.zone("E")),
        ((spectra.MANGROVE,), spectra.WETLAND, np.abs(ground.lat) > 32),
    ):
        for cover in covers:
            mixed[where, instead] += mixed[where, cover]
            mixed[where, cover] = 0
    return mixed
