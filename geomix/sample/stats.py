"""Where a composition comes from, in numbers: shares and entropy over strata, and the area it covers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix.sample import area, candidates

STRATA = ("continent", "climate_zone", "climate", "landcover")
"""Strata that are described wherever a pool has them."""


def describe(frame: pd.DataFrame, drawn: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Statistics of the rows `drawn` of `frame`, as JSON values.

    shares: stratum -> value -> share of the rows with a known value, sorted by
    name. unknown: stratum -> rows without a value. entropy: stratum -> Shannon entropy of the shares in nats.
    coverage: equal-area cells of 249,000 km2 (`area.cells`) that hold a drawn row, of those that hold a candidate.
    """
    rows = frame.iloc[drawn]
    shares: dict[str, dict[str, float]] = {}
    entropies: dict[str, float] = {}
    unknown: dict[str, int] = {}
    for stratum in (s for s in STRATA if s in frame.columns):
        codes, names = candidates.text(rows[stratum])
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        total = max(int(counts.sum()), 1)
        shares[stratum] = {name: round(int(count) / total, 6) for name, count in zip(names, counts, strict=True)}
        entropies[stratum] = round(entropy(counts), 6)
        unknown[stratum] = int((codes < 0).sum())
    return {"shares": shares, "entropy": entropies, "unknown": unknown, "coverage": _coverage(frame, rows)}


def entropy(counts: npt.NDArray[np.int64]) -> float:
    """Shannon entropy of counts in nats: -sum(p ln p); 0 where one value or none occurs."""
    p = counts[counts > 0] / max(int(counts.sum()), 1)
    return float(-(p * np.log(p)).sum()) + 0.0  # + 0.0: no negative zero


def _coverage(frame: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    def occupied(part: pd.DataFrame) -> int:
        column, row = area.cells(part["lon"].to_numpy(dtype=np.float64), part["lat"].to_numpy(dtype=np.float64))
        return len(np.unique(row * area.BASE[0] + column))

    have, of = occupied(rows), occupied(frame)
    return {"cells": have, "of": of, "share": round(have / of, 6) if of else 0.0}
