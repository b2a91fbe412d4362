"""What a composition is made of, in numbers: shares and entropy over strata, spread of numeric columns, cells covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from geomix.sample import area

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Codes = npt.NDArray[np.signedinteger[Any]]
Text = tuple[Codes, Sequence[str]]
"""A column of classes: the code of each row, [N], -1 where null, and the classes' names."""

STRATA = ("continent", "climate_zone", "climate", "landcover")
"""Strata that are described in a manifest wherever a pool has them; `geomix sample stats` describes them all."""

QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
_SIGNIFICANT = 6


def describe_columns(lon: F64, lat: F64, text: Mapping[str, Text], drawn: I64) -> dict[str, Any]:
    """Statistics for manifest.json of the rows `drawn` [n] of a pool's candidates [N], as JSON values.

    shares: stratum -> value -> share of the rows with a known value, sorted by
    name. unknown: stratum -> rows without a value. entropy: stratum -> Shannon entropy of the shares in nats.
    coverage: equal-area cells of 249,000 km2 (`area.cells`) that hold a drawn row, of those that hold a candidate.
    """
    counted = {name: counts(codes[drawn], names) for name, (codes, names) in text.items()}
    have, of = cell_counts(lon[drawn], lat[drawn]), cell_counts(lon, lat)
    return {
        "shares": {name: shares(found) for name, (found, _) in counted.items()},
        "entropy": {name: round(entropy(np.array(list(found.values()))), 6) for name, (found, _) in counted.items()},
        "unknown": {name: unknown for name, (_, unknown) in counted.items()},
        "coverage": coverage(have, of),
    }


def counts(codes: Codes, names: Sequence[str]) -> tuple[dict[str, int], int]:
    """Rows of each class that occurs, sorted by name, and rows without one."""
    found = np.bincount(codes[codes >= 0], minlength=len(names))
    occurring = sorted((name, int(n)) for name, n in zip(names, found, strict=True) if n)
    return dict(occurring), int((codes < 0).sum())


def shares(counted: Mapping[str, int]) -> dict[str, float]:
    """Share of each class among all of `counted`."""
    total = max(sum(counted.values()), 1)
    return {name: round(n / total, 6) for name, n in counted.items()}


def entropy(counts: npt.NDArray[np.number[Any]]) -> float:
    """Shannon entropy of counts, or shares, in nats: -sum(p ln p); 0 where one value or none occurs."""
    occurring = counts[counts > 0]
    if not len(occurring):
        return 0.0
    p = occurring / occurring.sum()
    return float(-(p * np.log(p)).sum()) + 0.0  # + 0.0: no negative zero


def classes(codes: Codes, names: Sequence[str], possible: int) -> dict[str, Any]:
    """A composition over one stratum of classes, as JSON values.

    shares, unknown, entropy: as in `describe_columns`. effective: exp(entropy), how many equally frequent classes have this
    entropy (Hill's number of order 1; Hill 1973, Ecology 54). entropy_normalised: entropy / ln(`possible`), where `possible`
    counts the classes that the pool has: 1 where all are equally frequent; null where the pool has one class or none.
    """
    found, unknown = counts(codes, names)
    nats = entropy(np.array(list(found.values()), dtype=np.int64))
    return {
        "shares": shares(found),
        "unknown": unknown,
        "entropy": round(nats, 6),
        "entropy_normalised": round(nats / float(np.log(possible)), 6) if possible > 1 else None,
        "effective": round(float(np.exp(nats)), 4) if found else 0.0,
    }


def numbers(values: F64) -> dict[str, Any]:
    """Rows with a number and without, mean, and quantiles of a numeric column (NaN: none), as JSON values."""
    known = values[np.isfinite(values)]
    return {"n": len(known), "unknown": len(values) - len(known), **quantiles(known, QUANTILES)}


def quantiles(values: F64, which: Mapping[str, float]) -> dict[str, float | None]:
    """Mean and named quantiles (linear interpolation, Hyndman and Fan's type 7), 6 significant digits; null without values."""
    if not len(values):
        return dict.fromkeys([*which, "mean"])
    found = [*np.quantile(values, list(which.values())), values.mean()]
    return {name: significant(v) for name, v in zip([*which, "mean"], found, strict=True)}


def significant(value: float) -> float:
    """`value` with 6 significant digits: what is left repeats on any machine."""
    return float(f"{value:.{_SIGNIFICANT}g}")


def cell_counts(lon: F64, lat: F64) -> I64:
    """Rows in each equal-area cell of the base grid: int64 [2048], row by row from the south. Degrees, WGS84."""
    column, row = area.cells(lon, lat)
    return np.bincount(row * area.BASE[0] + column, minlength=area.BASE[0] * area.BASE[1])


def coverage(have: I64, of: I64) -> dict[str, Any]:
    """Cells [K] that hold a drawn row, of those that hold a candidate."""
    cells, possible = int((have > 0).sum()), int((of > 0).sum())
    return {"cells": cells, "of": possible, "share": round(cells / possible, 6) if possible else 0.0}
