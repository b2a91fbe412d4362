"""Contact sheet: true-colour thumbnails of chips in one PNG, for a person to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geomix.raster.chips import Chip, Refusal

SHOULDER = 0.2
"""Reflectance r is shown as r (1 + s) / (r + s): forest at 0.05 and snow at 0.8 both keep their structure. The curve is the
same for all chips: one whose offset or scale is wrong stands out as hazy, dark or white, which a stretch of its own hides."""

_NO_DATA, _CLOUD = np.array([[0.86, 0.70, 0.84], [0.95, 0.86, 0.94]]), np.array([1.0, 0.6, 0.1])
_INCH, _CAPTION, _SQUARES = 1.7, 0.48, 24  # side of a thumbnail, height of its caption; squares of the pattern along a side


def contact_sheet(
    chips: Sequence[Chip | Refusal],
    path: Path,
    *,
    rgb: tuple[int, int, int] = (3, 2, 1),
    dates: Mapping[str, str] | None = None,
    columns: int = 7,
) -> None:
    """Writes a PNG at `path`: a thumbnail of every chip with id, date and shares; refusals are grey and say their code.

    `rgb`: the channels of red, green and blue (the default suits B01, B02, B03, B04 ...), in reflectance. `dates`: date by
    id, where it is known. Pixels without data or saturated are chequered, cloud is tinted orange.
    """
    # Here, because only a person who looks needs matplotlib (the `report` extra).
    from matplotlib.figure import Figure

    rows = max(math.ceil(len(chips) / columns), 1)
    width, height = columns * _INCH + 0.2, rows * (_INCH + _CAPTION) + 0.45
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    legend = "true colour, the same curve of reflectance for all · chequered: no data or saturated · orange: cloud"
    figure.text(0.1 / width, 1 - 0.28 / height, f"{len(chips)} chips · {legend}", fontsize=8)
    for i, chip in enumerate(chips):
        row, column = divmod(i, columns)
        left, bottom = 0.1 + column * _INCH, height - 0.4 - row * (_INCH + _CAPTION) - _INCH
        axes = figure.add_axes((left / width, bottom / height, (_INCH - 0.1) / width, (_INCH - 0.1) / height))
        axes.set(xticks=[], yticks=[])
        for side in axes.spines.values():
            side.set(linewidth=0.4, color="0.6")  # snow must not melt into the page
        if isinstance(chip, Chip):
            axes.imshow(true_colour(chip, rgb), interpolation="nearest")
        else:
            axes.imshow(np.full((1, 1, 3), 0.88))
            axes.text(0, 0, chip.code.replace("_", "\n"), ha="center", va="center", fontsize=9, color="#803030")
        caption = [*_wrapped(chip.id), _facts(chip, (dates or {}).get(chip.id))]
        figure.text(left / width, (bottom - 0.05) / height, "\n".join(caption), fontsize=5.5, va="top", linespacing=1.25)
    # Neither the date nor the version of the writer: the same chips give the same bytes.
    figure.savefig(path, format="png", metadata={"Software": None})


def true_colour(chip: Chip, rgb: tuple[int, int, int]) -> npt.NDArray[np.float64]:
    """The picture of a chip: float64 [H, W, 3], 0 to 1."""
    colours = np.moveaxis(chip.x_CHW[list(rgb)].astype(np.float64), 0, -1)
    missing = ~np.isfinite(colours).all(axis=-1) | (~chip.valid_HW & ~np.isfinite(chip.x_CHW).all(axis=0))
    bright = np.clip(np.nan_to_num(colours), 0, 1)
    shown = bright * (1 + SHOULDER) / (bright + SHOULDER)
    cloud = ~chip.valid_HW & ~missing
    shown[cloud] = 0.65 * shown[cloud] + 0.35 * _CLOUD
    rows, columns = (np.arange(n) * _SQUARES // n for n in missing.shape)
    chequered = _NO_DATA[(rows[:, None] + columns) % 2]
    return np.where(missing[:, :, None], chequered, shown)


def _facts(chip: Chip | Refusal, date: str | None) -> str:
    parts = [date] if date else []
    if chip.shares is not None:
        named = (("no data", chip.shares.nodata), ("saturated", chip.shares.saturated), ("cloud", chip.shares.cloud))
        parts += [f"{name} {share:.1%}" for name, share in named if share]
    return " · ".join(parts) or ("complete" if isinstance(chip, Chip) else chip.detail[:40])


def _wrapped(name: str, length: int = 32) -> list[str]:
    """An id on one line for each of its folder and its name; of a long one the end is kept: that is where ids differ."""
    return [part if len(part) <= length else "…" + part[1 - length :] for part in name.rsplit("/", 1)]
