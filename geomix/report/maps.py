"""Maps of where each composition comes from: samples in hexagons of equal area, Equal Earth projection (EPSG:8857)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from geomix import atlas
from geomix.report import drawing
from geomix.report.compositions import Composition

F64 = npt.NDArray[np.float64]

PROJECTION = "EPSG:8857"
"""Equal Earth (Savric, Patterson and Jenny 2018): equal-area, so that equal hexagons are equal ground."""

HEXAGON_KM = 400.0
"""Width of a hexagon, flat to flat."""

_CRACK_M = 20_000.0
_LAND_TOLERANCE_M = 50_000.0
_SMALLEST_ISLAND_M2 = 2.5e10
_SOUTH, _NORTH = -60.0, 84.0
# Viridis without its darkest and lightest ends, which vanish on a dark or a light page.
_COLOURS = LinearSegmentedColormap.from_list("geomix", colormaps["viridis"](np.linspace(0.22, 0.95, 64)))


@dataclass(frozen=True)
class Map:
    """One composition's map."""

    composition: str
    svg: str
    samples: int
    draws: int


def project(lonlat_N2: F64) -> F64:
    """Equal Earth metres [N, 2] of places in degrees (WGS84, longitude first)."""
    forward = pyproj.Transformer.from_crs("EPSG:4326", PROJECTION, always_xy=True)
    return np.column_stack(forward.transform(lonlat_N2[:, 0], lonlat_N2[:, 1]))


@lru_cache(maxsize=1)
def land_outline() -> tuple[F64, ...]:
    """Outlines of land in Equal Earth metres, simplified to what a small map shows."""
    polygons = shapely.transform(np.asarray(atlas.land().polygon), project)
    # Coarse polygons first: the union of detailed ones takes seconds. The buffer closes the cracks between neighbours.
    coarse = shapely.buffer(shapely.simplify(polygons, _CRACK_M), _CRACK_M, quad_segs=1)
    simple = shapely.simplify(shapely.buffer(shapely.union_all(coarse), -_CRACK_M, quad_segs=1), _LAND_TOLERANCE_M)
    parts = [p for p in shapely.get_parts(simple) if p.area >= _SMALLEST_ISLAND_M2]
    return tuple(shapely.get_coordinates(p.exterior) for p in parts)


def hexagons(xy_N2: F64, width: float) -> tuple[F64, npt.NDArray[np.int64]]:
    """Centres [K, 2] of the hexagons that hold points, and how many each holds [K]. Pointy side up, flat to flat `width`."""
    side = width / np.sqrt(3)
    # Axial coordinates, rounded in cube coordinates to the nearest centre.
    q = (np.sqrt(3) / 3 * xy_N2[:, 0] - xy_N2[:, 1] / 3) / side
    r = (2 / 3 * xy_N2[:, 1]) / side
    cube = np.column_stack([q, -q - r, r])
    near = np.round(cube)
    off = np.abs(near - cube)
    worst = off.argmax(axis=1)
    at = np.arange(len(near))
    near[at, worst] = 0.0
    near[at, worst] = -near.sum(axis=1)
    cells, counts = np.unique(near[:, [0, 2]].astype(np.int64), axis=0, return_counts=True)
    centres = np.column_stack([side * np.sqrt(3) * (cells[:, 0] + cells[:, 1] / 2), side * 1.5 * cells[:, 1]])
    return centres, counts


def draw(compositions: Sequence[Composition], synthetic: bool) -> tuple[list[Map], str]:
    """One map a composition, all with the same colours, and the SVG of their legend (empty without compositions)."""
    if not compositions:
        return [], ""
    width = HEXAGON_KM * 1000
    binned = {c.name: hexagons(project(c.places_N2), width) for c in compositions}
    most = max(float(counts.max()) / len(c.draws) for c in compositions for counts in [binned[c.name][1]])
    norm = LogNorm(min(1 / len(c.draws) for c in compositions), max(most, 2.0))
    maps = []
    with drawing.styled():
        for at, c in enumerate(compositions):
            centres, counts = binned[c.name]
            figure = _one(centres, counts / len(c.draws), width, norm)
            drawing.badge(figure, synthetic)
            label = f"World map: where the samples of composition {c.name} come from"
            maps.append(Map(c.name, drawing.inline(figure, f"map{at}", label), len(c.places_N2), len(c.draws)))
        return maps, _legend(norm)


def _one(centres: F64, counts: F64, width: float, norm: LogNorm) -> Any:
    figure = Figure(figsize=(4.6, 2.25))
    axes = figure.subplots()
    figure.subplots_adjust(0, 0, 1, 1)
    axes.add_collection(
        PolyCollection(land_outline(), facecolors=drawing.LAND, edgecolors=drawing.FAINT, linewidths=0.3, zorder=1)
    )
    angles = np.radians(np.arange(30, 390, 60))
    corners = width / np.sqrt(3) * np.column_stack([np.cos(angles), np.sin(angles)])
    axes.add_collection(
        PolyCollection(
            centres[:, None, :] + corners,
            array=counts,
            cmap=_COLOURS,
            norm=norm,
            edgecolors=drawing.INK,
            linewidths=0.15,
            zorder=2,
        )
    )
    edge = project(np.array([[180.0, 0.0], [0.0, _SOUTH], [0.0, _NORTH]]))
    low = min(edge[1, 1], float(centres[:, 1].min()) - width)
    axes.set(xlim=(-edge[0, 0], edge[0, 0]), ylim=(low, edge[2, 1]), aspect="equal")
    axes.axis("off")
    return figure


def _legend(norm: LogNorm) -> str:
    figure = Figure(figsize=(4.6, 0.62))
    axes = figure.subplots()
    figure.subplots_adjust(0.04, 0.62, 0.96, 0.92)
    bar = figure.colorbar(ScalarMappable(norm, _COLOURS), cax=axes, orientation="horizontal")
    bar.set_label(f"samples a draw in a hexagon {HEXAGON_KM:g} km wide", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.ax.minorticks_off()
    ticks = [t for k in range(6) for t in (10**k, 2 * 10**k, 5 * 10**k) if norm.vmin <= t <= norm.vmax]
    bar.set_ticks(ticks, labels=[f"{t:g}" for t in ticks])
    return drawing.inline(figure, "maplegend", "Colours of the maps: samples a draw in each hexagon")
