"""Maps of where each composition comes from: samples in hexagons of equal area, Equal Earth projection (EPSG:8857)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from geomix.maps import drawing, hexagons, world
from geomix.report.compositions import Composition


@dataclass(frozen=True)
class Map:
    """One composition's map."""

    composition: str
    svg: str
    samples: int
    draws: int


def draw(compositions: Sequence[Composition], synthetic: bool) -> tuple[list[Map], str]:
    """One map a composition, all with the same colours, and the SVG of their legend (empty without compositions)."""
    if not compositions:
        return [], ""
    width = hexagons.WIDTH_KM * 1000
    binned = {c.name: hexagons.hexagons(hexagons.project(c.places_N2), width) for c in compositions}
    most = max(float(counts.max()) / len(c.draws) for c in compositions for counts in [binned[c.name][1]])
    norm = LogNorm(min(1 / len(c.draws) for c in compositions), max(most, 2.0))
    maps = []
    with drawing.styled():
        for at, c in enumerate(compositions):
            centres, counts = binned[c.name]
            figure = Figure(figsize=(4.6, 2.25))
            axes = figure.subplots()
            figure.subplots_adjust(0, 0, 1, 1)
            world.panel(axes, centres, counts / len(c.draws), norm)
            drawing.badge(figure, synthetic)
            label = f"World map: where the samples of composition {c.name} come from"
            maps.append(Map(c.name, drawing.inline(figure, f"map{at}", label), len(c.places_N2), len(c.draws)))
        return maps, _legend(norm)


def _legend(norm: LogNorm) -> str:
    figure = Figure(figsize=(4.6, 0.62))
    axes = figure.subplots()
    figure.subplots_adjust(0.04, 0.62, 0.96, 0.92)
    world.colour_bar(figure, axes, norm, f"samples a draw in a hexagon {hexagons.WIDTH_KM:g} km wide")
    return drawing.inline(figure, "maplegend", "Colours of the maps: samples a draw in each hexagon")
