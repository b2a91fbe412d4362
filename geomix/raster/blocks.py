"""Block-aligned reading: every block of a raster that some window needs is read once, neighbours in one go.

A GeoTIFF is compressed in blocks (tiles, or strips of whole rows): asking for one pixel costs a block. Letters: B bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

READ_BYTES = 8 << 20
"""Neighbouring blocks are read in one go up to this size: large enough to hide a round trip, small enough for many threads."""


@dataclass(frozen=True)
class Window:
    """Pixels `row` to below `row_stop`, `column` to below `column_stop` of a raster; may be empty."""

    row: int
    row_stop: int
    column: int
    column_stop: int

    @property
    def empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self.row >= self.row_stop or self.column >= self.column_stop


def runs(windows: Sequence[Window], block: tuple[int, int], block_bytes: int) -> list[tuple[Window, list[int]]]:
    """What to read so that every block (`block`: rows, columns of one) that a window needs is read exactly once.

    A list of (area in whole blocks, which windows touch it), in the order of the file. Blocks side by side are merged, then
    equal stretches of adjoining block rows, both up to READ_BYTES.
    """
    wanted: dict[tuple[int, int], list[int]] = {}
    for number, w in enumerate(windows):
        if w.empty:
            continue
        for r in range(w.row // block[0], (w.row_stop - 1) // block[0] + 1):
            for c in range(w.column // block[1], (w.column_stop - 1) // block[1] + 1):
                wanted.setdefault((r, c), []).append(number)
    limit = max(READ_BYTES // block_bytes, 1)
    flat: list[list[int]] = []  # block row, first and last block column
    for r, c in sorted(wanted):
        if flat and flat[-1][0] == r and flat[-1][2] == c - 1 and c - flat[-1][1] < limit:
            flat[-1][2] = c
        else:
            flat.append([r, c, c])
    areas: list[list[int]] = []  # first and last block row, first and last block column
    growing: dict[tuple[int, int], list[int]] = {}  # the lowest area so far of each stretch of columns
    for r, first, last in flat:
        above = growing.get((first, last))
        if above is not None and above[1] == r - 1 and (r - above[0] + 1) * (last - first + 1) <= limit:
            above[1] = r
        else:
            areas.append([r, r, first, last])
            growing[first, last] = areas[-1]
    found = []
    for top, bottom, first, last in areas:
        blocks = ((r, c) for r in range(top, bottom + 1) for c in range(first, last + 1))
        users = sorted({number for b in blocks for number in wanted[b]})
        area = Window(top * block[0], (bottom + 1) * block[0], first * block[1], (last + 1) * block[1])
        found.append((area, users))
    return found


def read_windows(dataset: Any, bands: Sequence[int], windows: Sequence[Window]) -> list[npt.NDArray[Any]]:
    """Pixels of each window: arrays [B, rows, columns] of the raster's dtype. `bands`: counted from 1.

    `dataset`: an open rasterio dataset. Windows lie inside the raster. Raises what rasterio raises.
    """
    rows, columns = dataset.block_shapes[0]
    rows, columns = min(rows, dataset.height), min(columns, dataset.width)
    dtype = np.dtype(dataset.dtypes[bands[0] - 1])
    # Interleaved pixels: a block holds all bands of the file, whichever are asked for.
    depth = dataset.count if str(dataset.interleaving).lower().endswith("pixel") else len(bands)
    shapes = [(len(bands), max(w.row_stop - w.row, 0), max(w.column_stop - w.column, 0)) for w in windows]
    filled = [np.zeros(shape, dtype=dtype) for shape in shapes]
    for area, users in runs(windows, (rows, columns), rows * columns * depth * dtype.itemsize):
        bottom, right = min(area.row_stop, dataset.height), min(area.column_stop, dataset.width)
        pixels = dataset.read(list(bands), window=((area.row, bottom), (area.column, right)))
        for number in users:
            w = windows[number]
            top, low = max(w.row, area.row), min(w.row_stop, bottom)
            left, high = max(w.column, area.column), min(w.column_stop, right)
            filled[number][:, top - w.row : low - w.row, left - w.column : high - w.column] = pixels[
                :, top - area.row : low - area.row, left - area.column : high - area.column
            ]
    return filled
