"""Splits of a task's samples into training, validation and test folds, region by region.

Seeded by the task and split alone, so every encoder meets the same folds. Row sets are sorted positions in the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geomix import config, ids
from geomix.errors import TaskError
from geomix.sweep.tasks import F64, I64, TaskData

SHARES = (0.6, 0.2, 0.2)
"""Shares of training, validation and test where geomix makes the split."""

VALIDATION_SHARE = 0.2
"""Share of the training rows kept for validation where only training and test are given."""

VERSION = 1
"""Raised whenever the same rows would be split otherwise: part of the protocol hash."""

EVERYWHERE = "all"
"""Name of the region that is all samples."""

EARTH_RADIUS_KM = 6371.0088
"""Mean radius (IUGG)."""


@dataclass(frozen=True)
class Fold:
    """Rows to train on, to choose hyper-parameters on, and to test on (by test region)."""

    train_region: str
    train: I64
    validation: I64
    tests: tuple[tuple[str, I64], ...]


def make(data: TaskData, split: config.SplitName, block_km: float) -> tuple[Fold, ...]:
    """Folds of `split`, in order of region name. Raises TaskError.

    random, block: a fold a region, training and testing inside it. leave_region_out: a fold a region, trained on all
    others ("not REGION"). published: one fold, tested on everything and on each region.
    """
    if split == "leave_region_out":
        return _leave_region_out(data)
    if split == "published":
        return _published(data)
    roles = _random(data) if split == "random" else _block(data, block_km)
    return tuple(
        Fold(region, rows[roles[rows] == 0], rows[roles[rows] == 1], ((region, rows[roles[rows] == 2]),))
        for region, rows in regions(data)
    )


def regions(data: TaskData) -> list[tuple[str, I64]]:
    """(region, its rows) in order of name; one region "all" if no sample has a region."""
    if not data.regions:
        return [(EVERYWHERE, np.arange(len(data)))]
    return [(region, np.flatnonzero(data.region_N == region)) for region in data.regions]


def _shares(data: TaskData, rows: I64, shares: Sequence[float], *parts: str) -> I64:
    """Role of each of `rows`: in each class, the smallest permanent random numbers take role 0, the next role 1 ..."""
    keys = ids.permanent_random(data.id64_N[rows], ids.derive_seed("split", data.name, *parts))
    groups = data.label_N[rows] if data.kind == "classification" else np.zeros(len(rows))
    roles = np.zeros(len(rows), dtype=np.int64)
    limits = np.cumsum(shares)[:-1]
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        ordered = members[np.argsort(keys[members], kind="stable")]
        roles[ordered] = np.searchsorted(limits, (np.arange(len(ordered)) + 0.5) / len(ordered), side="right")
    return roles


def _random(data: TaskData) -> I64:
    roles = np.full(len(data), -1, dtype=np.int64)
    for region, rows in regions(data):
        roles[rows] = _shares(data, rows, SHARES, "random", region)
    return roles


def cells(lonlat_N2: F64, block_km: float) -> I64:
    """Number of the cell of each place, int64 [N]: bands of latitude `block_km` high, cut into cells as wide (+-50 % near
    the poles, where a band is a few cells around).

    All cells of a band have the same area, block_km squared to within the rounding to whole cells.
    """
    height = np.degrees(block_km / EARTH_RADIUS_KM)
    band = np.minimum(np.floor((lonlat_N2[:, 1] + 90.0) / height), np.ceil(180.0 / height) - 1)
    middle = np.radians(np.minimum((band + 0.5) * height, 180.0) - 90.0)
    around = np.maximum(1, np.round(2 * np.pi * EARTH_RADIUS_KM * np.cos(middle) / block_km)).astype(np.int64)
    column = np.floor(((lonlat_N2[:, 0] + 180.0) % 360.0) / 360.0 * around).astype(np.int64)
    return np.asarray(band.astype(np.int64) * 100_000 + np.minimum(column, around - 1))


def _block(data: TaskData, block_km: float) -> I64:
    """Whole cells go to one fold. A cell belongs to the region of most of its rows; cells in an order given by
    permanent random numbers go to the fold that lacks most of its share of the region's rows."""
    roles = np.full(len(data), -1, dtype=np.int64)
    names, region_code = np.unique([str(r) for r in data.region_N], return_inverse=True)
    usable = np.flatnonzero(data.located_N & (np.array([r is not None for r in data.region_N]) | (not data.regions)))
    if not len(usable):
        raise TaskError(
            f"task {data.name}: no row has coordinates", wanted="coordinates, for the split `block`", remedy="leave it out"
        )
    cell, row_cell = np.unique(cells(data.lonlat_N2[usable], block_km), return_inverse=True)
    counts = np.zeros((len(cell), len(names)), dtype=np.int64)
    np.add.at(counts, (row_cell, region_code[usable]), 1)
    home = counts.argmax(axis=1)
    # The number of a cell depends on its place alone, not on which other cells hold samples.
    seed = ids.derive_seed("split", data.name, "block", round(block_km * 1000))
    key = ids.permanent_random(ids.id64(str(c) for c in cell), seed)
    cell_role = np.zeros(len(cell), dtype=np.int64)
    for region in range(len(names)):
        mine = np.flatnonzero(home == region)
        size = counts[mine].sum(axis=1)
        target, taken = np.array(SHARES) * size.sum(), np.zeros(len(SHARES))
        for c in np.argsort(key[mine], kind="stable"):
            fold = int(np.argmax(target - taken))
            cell_role[mine[c]] = fold
            taken[fold] += size[c]
    roles[usable] = cell_role[row_cell]
    return roles


def _leave_region_out(data: TaskData) -> tuple[Fold, ...]:
    if len(data.regions) < 2:
        raise TaskError(
            f"task {data.name}: regions: {', '.join(data.regions) or 'none'}",
            wanted="at least two, for the split `leave_region_out`",
            remedy="name a `region:` column, choose another `sweep.region`, or leave the split out",
        )
    known = regions(data)
    roles = np.full(len(data), -1, dtype=np.int64)
    for region, rows in known:
        roles[rows] = _shares(data, rows, (1 - VALIDATION_SHARE, VALIDATION_SHARE), "leave_region_out", region)
    folds = []
    for region, test in known:
        others = np.sort(np.concatenate([rows for name, rows in known if name != region]))
        folds.append(Fold(f"not {region}", others[roles[others] == 0], others[roles[others] == 1], ((region, test),)))
    return tuple(folds)


def _published(data: TaskData) -> tuple[Fold, ...]:
    assert data.published_N is not None  # the split is only allowed with its column
    train, validation, test = (np.flatnonzero(data.published_N == role) for role in (0, 1, 2))
    if not len(validation):
        roles = _shares(data, train, (1 - VALIDATION_SHARE, VALIDATION_SHARE), "published")
        train, validation = train[roles == 0], train[roles == 1]
    tests = [(EVERYWHERE, test)]
    if len(data.regions) > 1:
        tests += [(region, test[data.region_N[test] == region]) for region in data.regions]
    return (Fold(EVERYWHERE, train, validation, tuple(tests)),)
