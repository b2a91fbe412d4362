"""Splits: disjoint folds, whole blocks, whole regions, independent of row order and of the encoder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geomix.errors import TaskError
from geomix.sweep import splits
from tests.unit.sweep import made


@pytest.mark.parametrize("split", ["random", "block", "leave_region_out", "published"])
def test_folds_are_disjoint_and_sorted(split: str) -> None:
    for fold in splits.make(made.task(), split, 100.0):  # type: ignore[arg-type]
        parts = [fold.train, fold.validation, *(rows for region, rows in fold.tests if region in ("all", fold.tests[0][0]))]
        joined = np.concatenate(parts)
        assert len(np.unique(joined)) == len(joined)
        assert all((np.diff(part) > 0).all() and len(part) for part in parts)


def test_random_keeps_the_shares_of_every_class() -> None:
    data = made.task(900, classes=3)
    for fold in splits.make(data, "random", 1.0):
        assert (data.region_N[fold.train] == fold.train_region).all()
        for rows, share in ((fold.train, 0.6), (fold.validation, 0.2), (fold.tests[0][1], 0.2)):
            for code in range(3):
                whole = ((data.region_N == fold.train_region) & (data.label_N == code)).sum()
                assert abs((data.label_N[rows] == code).sum() - share * whole) <= 1


def test_a_block_is_in_one_fold() -> None:
    data = made.task(1500)
    cell = splits.cells(data.lonlat_N2, 150.0)
    roles: dict[int, set[str]] = {}
    for fold in splits.make(data, "block", 150.0):
        for role, rows in (("train", fold.train), ("validation", fold.validation), ("test", fold.tests[0][1])):
            for c in cell[rows]:
                roles.setdefault(int(c), set()).add(role)
    assert len(roles) > 50
    assert all(len(r) == 1 for r in roles.values())


def test_cells_have_equal_areas() -> None:
    rng = np.random.default_rng(0)
    z = rng.uniform(-1, 1, 400_000)
    lonlat = np.stack([rng.uniform(-180, 180, len(z)), np.degrees(np.arcsin(z))], axis=1)
    cell, counts = np.unique(splits.cells(lonlat, 1000.0), return_counts=True)
    earth = 4 * np.pi * splits.EARTH_RADIUS_KM**2
    assert len(cell) == pytest.approx(earth / 1000.0**2, rel=0.02)
    middle = counts[np.abs(counts / counts.mean() - 1) < 0.2]
    assert len(middle) > 0.95 * len(cell)
    assert splits.cells(np.array([[180.0, 0.0]]), 1000.0) == splits.cells(np.array([[-180.0, 0.0]]), 1000.0)


def test_rows_without_coordinates_are_left_out_of_blocks() -> None:
    data = made.task()
    lonlat = data.lonlat_N2.copy()
    lonlat[::4] = np.nan
    used = splits.make(replace(data, lonlat_N2=lonlat), "block", 100.0)
    rows = np.concatenate([np.concatenate([f.train, f.validation, f.tests[0][1]]) for f in used])
    assert not (rows % 4 == 0).any()
    with pytest.raises(TaskError, match="no row has coordinates"):
        splits.make(made.task(located=False), "block", 100.0)


def test_leave_region_out_never_trains_on_the_region() -> None:
    data = made.task()
    folds = splits.make(data, "leave_region_out", 1.0)
    assert [f.train_region for f in folds] == ["not north", "not south", "not west"]
    for fold in folds:
        ((region, test),) = fold.tests
        assert (data.region_N[test] == region).all()
        assert len(test) == (data.region_N == region).sum()
        assert region not in set(data.region_N[np.concatenate([fold.train, fold.validation])])


def test_leave_region_out_needs_two_regions() -> None:
    data = replace(made.task(), region_N=np.full(600, "only", dtype=object))
    with pytest.raises(TaskError, match="at least two"):
        splits.make(data, "leave_region_out", 1.0)


def test_published_is_the_published_one() -> None:
    data = made.task()
    (fold,) = splits.make(data, "published", 1.0)
    assert (data.published_N[fold.tests[0][1]] == 2).all()  # type: ignore[index]
    assert [region for region, _ in fold.tests] == ["all", "north", "south", "west"]
    both = np.sort(np.concatenate([fold.train, fold.validation]))
    assert (both == np.flatnonzero(data.published_N == 0)).all()


@pytest.mark.parametrize("split", ["random", "block", "leave_region_out"])
def test_row_order_changes_nothing(split: str) -> None:
    data = made.task(300)
    order = np.random.default_rng(1).permutation(300)
    turned = replace(
        data,
        ids=tuple(data.ids[i] for i in order),
        lonlat_N2=data.lonlat_N2[order],
        label_N=data.label_N[order],
        region_N=data.region_N[order],
    )
    for one, two in zip(splits.make(data, split, 100.0), splits.make(turned, split, 100.0), strict=True):  # type: ignore[arg-type]
        assert {data.ids[r] for r in one.train} == {turned.ids[r] for r in two.train}
        assert {data.ids[r] for r in one.tests[0][1]} == {turned.ids[r] for r in two.tests[0][1]}
