"""One world map: hexagons coloured by how many samples they hold, land beneath, and the bar that explains the colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from geomix.maps import hexagons
from geomix.maps.drawing import PAGE, Theme

F64 = npt.NDArray[np.float64]

_SOUTH, _NORTH = -60.0, 84.0
# Viridis without its darkest and lightest ends, which vanish on a dark or a light page.
COLOURS = LinearSegmentedColormap.from_list("geomix", colormaps["viridis"](np.linspace(0.22, 0.95, 64)))


def panel(axes: Any, centres_K2: F64, counts: npt.NDArray[Any], norm: LogNorm, theme: Theme = PAGE) -> None:
    """Draws the map into `axes`. `centres_K2`, `counts` [K]: as from `hexagons.hexagons` at hexagons.WIDTH_KM."""
    width = hexagons.WIDTH_KM * 1000
    axes.add_collection(
        PolyCollection(hexagons.land_outline(), facecolors=theme.land, edgecolors=theme.faint, linewidths=0.3, zorder=1)
    )
    angles = np.radians(np.arange(30, 390, 60))
    corners = width / np.sqrt(3) * np.column_stack([np.cos(angles), np.sin(angles)])
    axes.add_collection(
        PolyCollection(
            centres_K2[:, None, :] + corners,
            array=counts,
            cmap=COLOURS,
            norm=norm,
            edgecolors=theme.ink,
            linewidths=0.15,
            zorder=2,
        )
    )
    edge = hexagons.project(np.array([[180.0, 0.0], [0.0, _SOUTH], [0.0, _NORTH]]))
    low = min(edge[1, 1], float(centres_K2[:, 1].min()) - width)
    axes.set(xlim=(-edge[0, 0], edge[0, 0]), ylim=(low, edge[2, 1]), aspect="equal")
    axes.axis("off")


def colour_bar(figure: Figure, axes: Any, norm: LogNorm, label: str) -> None:
    """Draws the colours' bar into `axes`, with ticks at 1, 2, 5, 10, ..."""
    bar = figure.colorbar(ScalarMappable(norm, COLOURS), cax=axes, orientation="horizontal")
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.ax.minorticks_off()
    ticks = [t for k in range(6) for t in (10**k, 2 * 10**k, 5 * 10**k) if norm.vmin <= t <= norm.vmax]
    bar.set_ticks(ticks, labels=[f"{t:g}" for t in ticks])
