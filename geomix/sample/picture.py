"""A sheet of maps, PNG or SVG: where the samples of one or several compositions lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from geomix import store
from geomix.errors import InputError
from geomix.maps import drawing, hexagons, world
from geomix.sample.drawn import Composition

_MAP_INCHES = (4.6, 2.25)
_ALONE_INCHES = (7.2, 3.5)
_TITLE_INCHES, _LEGEND_INCHES, _EDGE_INCHES = 0.5, 0.66, 0.12
_DPI = 200
_LONGEST_LABEL = 62


def write(uri: str, compositions: Sequence[Composition]) -> None:
    """Writes one map a composition to `uri` (.png or .svg), all with the same colours. Equal input gives equal bytes.

    Raises InputError for another ending, or without compositions.
    """
    kind = uri.rsplit(".", 1)[-1].lower()
    if kind not in ("png", "svg") or not compositions:
        raise InputError(f"a map of {len(compositions)} compositions as {uri}", wanted="one or more, and a file .png or .svg")
    with drawing.styled(drawing.PAPER):
        figure = sheet(compositions)
        told = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        with store.writing(uri) as path:
            figure.savefig(path, format=kind, dpi=_DPI, metadata=told)


def sheet(compositions: Sequence[Composition]) -> Figure:
    """The figure of `write`: maps in up to three columns, each titled with its composition, samples and pool."""
    wide, high = _ALONE_INCHES if len(compositions) == 1 else _MAP_INCHES
    across = min(3, math.ceil(math.sqrt(len(compositions))))
    down = math.ceil(len(compositions) / across)
    width = across * wide + (across + 1) * _EDGE_INCHES
    cell = high + _TITLE_INCHES
    height = down * cell + _LEGEND_INCHES + _EDGE_INCHES
    figure = Figure(figsize=(width, height))
    binned = [
        hexagons.hexagons(hexagons.project(np.column_stack([c.lon, c.lat])), hexagons.WIDTH_KM * 1000) for c in compositions
    ]
    norm = LogNorm(1, max(2.0, *(float(counts.max()) for _, counts in binned)))
    for at, (c, (centres, counts)) in enumerate(zip(compositions, binned, strict=True)):
        left = _EDGE_INCHES + at % across * (wide + _EDGE_INCHES)
        top = height - at // across * cell
        axes = figure.add_axes((left / width, (top - cell) / height, wide / width, high / height))
        world.panel(axes, centres, counts, norm, drawing.PAPER)
        _globe(axes)
        _title(figure, c, left / width, (top - _TITLE_INCHES) / height, height)
    bar = figure.add_axes(((width - 4.2) / 2 / width, 0.44 / height, 4.2 / width, 0.14 / height))
    world.colour_bar(figure, bar, norm, f"samples in a hexagon {hexagons.WIDTH_KM:g} km wide (logarithmic)")
    drawing.badge(figure, any(c.pool.synthetic for c in compositions))
    return figure


def _globe(axes: Any) -> None:
    """Draws the edge of the projection, which is flat at the pole, and shows hexagons as far as there."""
    south = axes.get_ylim()[0]
    lat = np.linspace(-90, 90, 181)
    edge = hexagons.project(np.column_stack([np.full(181, 180.0), lat]))
    edge = edge[edge[:, 1] >= south]
    edge = np.concatenate([edge, edge[::-1] * [-1, 1]])
    axes.plot(*edge.T, color=drawing.PAPER.faint, linewidth=0.5, zorder=0, clip_on=False)
    axes.set_ylim(south, edge[:, 1].max() + hexagons.WIDTH_KM * 500)


def _title(figure: Figure, c: Composition, x: float, y: float, height: float) -> None:
    label = c.label if len(c.label) <= _LONGEST_LABEL else f"{c.label[: _LONGEST_LABEL - 1]}…"
    told = f"n = {len(c):,}   pool {c.pool.name} of {c.pool.rows:,} ({c.pool.hash[:8]})"
    # A dollar sign in a name is no formula.
    figure.text(x, y + 0.23 / height, label, fontsize=10, fontweight="bold", va="bottom", parse_math=False)
    figure.text(x, y + 0.06 / height, told, fontsize=8, va="bottom", parse_math=False)
