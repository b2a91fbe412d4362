"""What compositions have in common: shared samples, and how alike they fill the equal-area cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]


def overlap(pools: Sequence[str], positions: Sequence[I64], cells: Sequence[I64]) -> dict[str, Any]:
    """Symmetric matrices over compositions, as JSON values.

    `pools`: hash of each composition's pool. `positions`: its samples' rows in that pool, each once.
    `cells`: samples in each equal-area cell (`stats.cell_counts`).

    shared: samples in both; null for compositions of different pools. jaccard: shared over samples in either (Jaccard
    1912); 0 where neither has any. cells: sum of the smaller share of each cell, which is 1 minus total variation (proportional
    overlap, Schoener 1970): 1 alike, 0 disjoint; for different pools too.
    """
    count = len(pools)
    shared: list[list[int | None]] = [[None] * count for _ in range(count)]
    jaccard: list[list[float | None]] = [[None] * count for _ in range(count)]
    alike = [[0.0] * count for _ in range(count)]
    held = [c / max(int(c.sum()), 1) for c in cells]
    for a in range(count):
        mask = np.zeros(1 + int(max((p.max() for p in positions if len(p)), default=0)), dtype=bool)
        mask[positions[a]] = True
        for b in range(a, count):
            alike[a][b] = alike[b][a] = round(float(np.minimum(held[a], held[b]).sum()), 6)
            if pools[a] != pools[b]:
                continue
            both = int(mask[positions[b]].sum())
            either = len(positions[a]) + len(positions[b]) - both
            shared[a][b] = shared[b][a] = both
            jaccard[a][b] = jaccard[b][a] = round(both / either, 6) if either else 0.0
    return {"shared": shared, "jaccard": jaccard, "cells": alike}
