"""Label draws: stratified, nested, keyed by task, split, region and repeat alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geomix.errors import TaskError
from geomix.sweep import shots, splits
from tests.unit.sweep import made


def test_classes_get_equal_counts() -> None:
    data = made.task(900, classes=3)
    fold = splits.make(data, "random", 1.0)[0]
    rows = shots.draw(data, "random", fold, 50, 0)
    assert np.bincount(data.label_N[rows].astype(int)).tolist() == [17, 17, 16]
    assert set(rows) <= set(fold.train)


def test_draws_nest_differ_and_repeat() -> None:
    data = made.task()
    fold = splits.make(data, "random", 1.0)[0]
    small, large = (shots.draw(data, "random", fold, n, 4) for n in (10, 40))
    assert set(small) < set(large)
    assert not np.array_equal(small, shots.draw(data, "random", fold, 10, 5))
    assert np.array_equal(small, shots.draw(made.task(), "random", fold, 10, 4))


def test_a_draw_depends_on_the_task_and_the_split() -> None:
    data = made.task()
    fold = splits.make(data, "random", 1.0)[0]
    one = shots.draw(data, "random", fold, 20, 0)
    assert not np.array_equal(one, shots.draw(replace(data, name="other"), "random", fold, 20, 0))
    assert not np.array_equal(one, shots.draw(data, "block", fold, 20, 0))


def test_all_is_the_whole_training_fold_and_a_regression_is_not_stratified() -> None:
    data = made.task(classes=0)
    fold = splits.make(data, "random", 1.0)[0]
    assert shots.draw(data, "random", fold, "all", 3) is fold.train
    assert len(shots.draw(data, "random", fold, 33, 0)) == 33


def test_more_shots_than_a_region_has_names_region_class_have_and_wanted() -> None:
    data = made.task()
    folds = splits.make(data, "random", 1.0)
    with pytest.raises(TaskError) as caught:
        shots.check(data, "random", folds, [20, 400])
    assert caught.value.exit_code == 2
    for part in ("'north'", "class 'a'", "training rows", "200 of them for 400 shots", "fewer `shots:`"):
        assert part in caught.value.message
    shots.check(data, "random", folds, [20, "all"])


def test_fewer_shots_than_classes_is_refused() -> None:
    data = made.task(classes=3)
    with pytest.raises(TaskError, match="2 shots"):
        shots.check(data, "random", splits.make(data, "random", 1.0), [2])


def test_all_with_a_class_that_is_missing_is_refused() -> None:
    data = made.task()
    fold = splits.make(data, "random", 1.0)[0]
    one_class = splits.Fold("north", fold.train[data.label_N[fold.train] == 0], fold.validation, fold.tests)
    with pytest.raises(TaskError, match="0 training rows of class 'b'"):
        shots.check(data, "random", [one_class], ["all"])


def test_small_test_regions_are_left_out_and_told() -> None:
    data = made.task()
    region = data.region_N.copy()
    region[:24] = "tiny"
    data = replace(data, region_N=region)
    kept, notes = shots.judged(data, splits.make(data, "random", 1.0))
    assert [f.train_region for f in kept] == ["north", "south", "west"]
    assert notes == [{"train_region": "tiny", "test_region": "tiny", "n": notes[0]["n"], "smallest_class": 2}]
