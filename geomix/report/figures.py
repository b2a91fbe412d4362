"""Figures of scores: the primary endpoint with intervals, and scores by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from geomix.maps import drawing
from geomix.report.endpoint import Scores
from geomix.report.stats import Analysis

_MOST = "#D55E00"


def primary(
    found: Scores,
    analysis: Analysis,
    order: Sequence[str],
    lines: Mapping[str, float],
    names: Mapping[str, str],
    synthetic: bool,
) -> str:
    """Dot plot: mean and interval of each composition, best on top, every repeat as a small open dot.

    `lines`: name -> score drawn as a vertical line (zero pretraining, chance).
    """
    shown = [name for name in order if name in analysis.estimates]
    with drawing.styled():
        figure = Figure(figsize=(5.6, 0.9 + 0.36 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for at, name in enumerate(shown):
            estimate = analysis.estimates[name]
            y = len(shown) - 1 - at
            values = found.units.loc[found.units["composition"] == name, "value"].dropna()
            if len(values) > 1:
                axes.plot(values, [y - 0.24] * len(values), "o", ms=4, mfc="none", mec=drawing.INK, mew=0.7, alpha=0.7)
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [y, y], color=drawing.PALETTE[0], lw=2.4, solid_capstyle="butt")
            solid = estimate.low is not None
            fill = drawing.PALETTE[0] if solid else "none"
            axes.plot(estimate.mean, y, "o" if solid else "D", ms=7, mfc=fill, mec=drawing.PALETTE[0], mew=1.4)
        for at, (label, value) in enumerate(lines.items()):
            style, colour = (("--", _MOST), (":", drawing.INK))[at % 2]
            axes.axvline(value, color=colour, lw=1.2, ls=style, label=label, zorder=0)
        axes.set_yticks(range(len(shown)), labels=[names.get(name, name) for name in reversed(shown)])
        axes.set(ylim=(-0.6, len(shown) - 0.5), xlabel=found.endpoint.metric)
        axes.grid(axis="x", alpha=0.5)
        axes.tick_params(length=0)
        if lines:
            figure.legend(loc="outside upper left", fontsize=8, ncols=2)
        drawing.badge(figure, synthetic)
        label = f"{found.endpoint.metric} of every composition with its interval, best on top"
        return drawing.inline(figure, "primary", label)


def regions(table: pd.DataFrame, order: Sequence[str], names: Mapping[str, str], metric: str, synthetic: bool) -> str:
    """Dots: score of each composition (colour and shape) in each region (rows). Missing cells have no dot."""
    with drawing.styled():
        figure = Figure(figsize=(5.6, 1.3 + 0.45 * len(table.columns)), layout="constrained")
        axes = figure.subplots()
        shown = [name for name in order if name in table.index]
        for at, name in enumerate(shown):
            offset = 0.3 - 0.6 * at / max(1, len(shown) - 1)
            y = [len(table.columns) - 1 - k + offset for k in range(len(table.columns))]
            colour, marker = (options[at % len(options)] for options in (drawing.PALETTE, drawing.MARKERS))
            fill = "none" if at >= len(drawing.PALETTE) else colour
            axes.plot(
                table.loc[name], y, ls="", ms=6, mew=1.2, mfc=fill, mec=colour, marker=marker, label=names.get(name, name)
            )
        for line in range(1, len(table.columns)):
            axes.axhline(line - 0.5, color=drawing.FAINT, lw=0.6)
        axes.set_yticks(range(len(table.columns)), labels=list(reversed(table.columns)))
        axes.set(ylim=(-0.5, len(table.columns) - 0.5), xlabel=metric)
        axes.grid(axis="x", alpha=0.5)
        axes.tick_params(length=0)
        figure.legend(loc="outside upper left", fontsize=8, ncols=3, handletextpad=0.1, columnspacing=1.0)
        drawing.badge(figure, synthetic)
        return drawing.inline(figure, "regions", f"{metric} of every composition in every region")
