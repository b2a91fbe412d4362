"""The style of every figure: colours, and inline SVG that follows the page (its ink and lines in light or dark)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
from matplotlib.figure import Figure

INK, FAINT, LAND = "#010203", "#040506", "#070809"
"""Colours that stand for the page's own: replaced by CSS variables in `inline`."""

_VARIABLES = {INK: "var(--ink)", FAINT: "var(--faint)", LAND: "var(--land)"}

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C7A00", "#7F7F7F")
"""Okabe and Ito (2008), told apart by colour-blind readers; yellow is darkened and black made grey to show on both grounds."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")


@dataclass(frozen=True)
class Theme:
    """Colours of ink, thin lines, land and ground."""

    ink: str
    faint: str
    land: str
    ground: str


PAGE = Theme(INK, FAINT, LAND, "none")
"""For `inline`: the page decides."""

PAPER = Theme("#1c1c1c", "#a8a8a8", "#e3e2dd", "#ffffff")
"""For files of their own."""


def _style(theme: Theme) -> Any:
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "geomix",  # ids repeat
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": theme.ink,
        "axes.edgecolor": theme.faint,
        "axes.labelcolor": theme.ink,
        "axes.facecolor": "none",
        "figure.facecolor": theme.ground,
        "savefig.facecolor": theme.ground,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "grid.color": theme.faint,
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }


@contextmanager
def styled(theme: Theme = PAGE) -> Iterator[None]:
    """The style for everything drawn inside."""
    with matplotlib.rc_context(_style(theme)):
        yield


def inline(figure: Figure, name: str, label: str) -> str:
    """`figure` as an SVG element; `name` makes its ids unique in the page, `label` says what it shows."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(xlink:href=")#', rf"\1#{name}-", text)
    text = re.sub(r"url\(#", rf"url(#{name}-", text)
    text = re.sub(r"font: ([^;]*?)'?sans-serif'?[^;\"]*", r"font: \1sans-serif", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(label, quote=True)}" class="figure"', 1).strip()


def badge(figure: Figure, synthetic: bool) -> None:
    """Writes SYNTHETIC into the upper right corner if the study is."""
    if synthetic:
        figure.text(0.995, 0.995, "SYNTHETIC", ha="right", va="top", fontsize=7, fontweight="bold", color="#D55E00")
