"""How a composition lies on the land: neighbours, effective sizes, distance to uniform over land, distance to tasks' places.

Cells are the equal-area cells of `area` (64 x 32 of 249,000 km2). *Covered land* is the land of the cells that hold a row of
the pool: what any composition of that pool can reach. n samples; n_c of them in cell c, p_c = n_c / n; q_c: the share of the
covered land that lies in c.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # loads scipy.spatial and scipy.special when they are first used

from geomix.sample import area, sphere, stats

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

DISTANCES = {"min": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1.0}
_SAME_PLACE_M = 1.0


def covered_land(pool_cells: I64, land: area.Land) -> F64:
    """Land in km2 of each cell that holds a row of the pool, float64 [2048]; 0 elsewhere.

    As in `area.weights`, a cell in which `land` finds none, but the pool has rows, counts as half a finest cell.
    """
    return np.where(pool_cells > 0, np.maximum(area.land_km2(land), area.FINEST_KM2 / 2), 0.0)


def tree(lon: F64, lat: F64) -> Any:
    """Index of places (degrees, WGS84) for the distances below."""
    # Median splits (balanced_tree) take twice as long to build and save nothing on places.
    return scipy.spatial.cKDTree(sphere.unit_vectors(lon, lat), balanced_tree=False, compact_nodes=False)


def neighbours(index: Any, land_km2: F64) -> dict[str, Any]:
    """Great-circle distances in metres from each sample to the nearest other one, as JSON values; null below two samples.

    same_place: samples with another one within a metre. clark_evans: the mean distance over the one expected of n points
    uniform over the covered land, 0.5 sqrt(land / n) (Clark and Evans 1954, Ecology 35): about 1 is random, below is
    clustered, above is regular. The land's edge is not corrected for (Donnelly 1978): a random draw comes out above 1.
    """
    n = index.n
    if n < 2:
        return {**stats.quantiles(np.empty(0), DISTANCES), "same_place": 0, "clark_evans": None}
    # The second nearest: the nearest is the sample itself, or another one at the same place, at the same distance of 0.
    # In the tree's own order, in which neighbours share a cache line: three times as fast.
    chords, _ = index.query(index.data[index.indices], k=[2])
    distance = sphere.metres(chords[:, 0])
    expected = 500 * math.sqrt(float(land_km2.sum()) / n)
    return {
        **stats.quantiles(distance, DISTANCES),
        "same_place": int((distance < _SAME_PLACE_M).sum()),
        "clark_evans": round(float(distance.mean()) / expected, 4),
    }


def effective(cells: I64, land_km2: F64) -> dict[str, Any]:
    """Effective sizes of a composition, as JSON values.

    cells: exp(entropy of p), the number of equally filled cells with that entropy (Hill 1973). samples: Kish's effective
    sample size (Kish 1965, Survey Sampling) of the samples weighted to represent the covered land, w = q_c / n_c each:
    (sum w)^2 / sum w^2 = (sum q_c)^2 / sum(q_c^2 / n_c) over the cells with samples; n where all are equally dense.
    per_sample: that over n. land_reached: the share of the covered land in cells with samples; weights cannot raise it.
    No model of spatial correlation is in it: what a sample adds to its neighbour depends on what is measured.
    """
    n, held = int(cells.sum()), cells > 0
    q = land_km2[held] / max(float(land_km2.sum()), 1e-9)
    samples = float(q.sum() ** 2 / (q**2 / cells[held]).sum()) if n else 0.0
    return {
        "cells": round(math.exp(stats.entropy(cells)), 2) if n else 0.0,
        "samples": round(samples, 1),
        "per_sample": round(samples / n, 6) if n else 0.0,
        "land_reached": round(float(q.sum()), 6),
    }


def to_uniform(cells: I64, land_km2: F64) -> dict[str, Any]:
    """Distances between a composition's shares of cells p and the land's q, as JSON values: 0 equal, 1 disjoint.

    total_variation: 0.5 sum |p - q|. jensen_shannon: the square root of the Jensen-Shannon divergence in bits (Lin 1991;
    a metric: Endres and Schindelin 2003). expected_total_variation: what n independent samples uniform over the covered land
    have on average, by De Moivre's mean absolute deviation of a binomial: a difference that small is chance.
    """
    n = int(cells.sum())
    if not n:
        return {"total_variation": None, "jensen_shannon": None, "expected_total_variation": None}
    p, q = cells / n, land_km2 / land_km2.sum()
    middle = (p + q) / 2
    divergence = float((_p_log2(p, middle) + _p_log2(q, middle)).sum() / 2)
    return {
        "total_variation": round(float(np.abs(p - q).sum() / 2), 6),
        "jensen_shannon": round(math.sqrt(max(divergence, 0.0)), 6),
        "expected_total_variation": round(float(_mean_deviation(n, q[q > 0]).sum()) / (2 * n), 6),
    }


def _p_log2(p: F64, middle: F64) -> F64:
    return np.asarray(p * np.log2(np.divide(p, middle, out=np.ones_like(p), where=p > 0)), dtype=np.float64)


def _mean_deviation(n: int, q: F64) -> F64:
    """E|X - n q| of X ~ binomial(n, q) = 2 k C(n, k) q^k (1 - q)^(n - k + 1), k = floor(n q) + 1 (De Moivre 1730)."""
    k = np.floor(n * q) + 1
    one = q >= 1
    q = np.where(one, 0.5, q)
    log = scipy.special.gammaln(n + 1) - scipy.special.gammaln(k + 1) - scipy.special.gammaln(np.maximum(n - k, 0) + 1)
    log += k * np.log(q) + (n - k + 1) * np.log1p(-q)
    return np.where(one | (k > n), 0.0, 2 * k * np.exp(log))


def to_places(index: Any, lon: F64, lat: F64) -> dict[str, Any]:
    """Great-circle distances in metres from a task's places to the nearest sample, as JSON values.

    `lon`, `lat`: degrees [P], NaN where a row of the task has no coordinates: counted as `without_coordinates`.
    """
    known = np.isfinite(lon) & np.isfinite(lat)
    distance = np.empty(0)
    if index.n and known.any():
        distance = sphere.metres(index.query(sphere.unit_vectors(lon[known], lat[known]))[0])
    counted = {"n": int(known.sum()), "without_coordinates": int((~known).sum())}
    return {**counted, **stats.quantiles(distance, DISTANCES)}
