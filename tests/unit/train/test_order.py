"""The order of samples: every epoch whole, any slice alone, nothing but (manifest hash, seed, step) decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geomix.train.order import Order, share


@given(samples=st.integers(1, 700), batch=st.integers(1, 64))
@settings(max_examples=25, deadline=None)
def test_every_epoch_holds_every_sample_once(samples: int, batch: int) -> None:
    order = Order("m", 0, samples, batch)
    steps = -(-2 * samples // batch)
    stream = np.concatenate([order.positions(step) for step in range(steps)])
    for epoch in range(2):
        assert sorted(stream[epoch * samples : (epoch + 1) * samples]) == list(range(samples))


def test_epochs_manifests_and_seeds_differ() -> None:
    streams = [Order(m, s, 500, 500).positions(step) for m, s, step in (("a", 0, 0), ("a", 0, 1), ("b", 0, 0), ("a", 1, 0))]
    for i, one in enumerate(streams):
        for other in streams[i + 1 :]:
            assert (one == other).mean() < 0.05


def test_a_permutation_looks_random() -> None:
    # Neighbours in the data are not neighbours in training, and the first batch comes from everywhere.
    first = Order("m", 3, 100_000, 1000).positions(0)
    assert abs(np.corrcoef(np.arange(1000), first)[0, 1]) < 0.1
    assert np.histogram(first, bins=10, range=(0, 100_000))[0] == pytest.approx(100, abs=45)


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_workers_share_a_step_without_gap_or_overlap(workers: int) -> None:
    order = Order("m", 0, 1000, 64)
    parts = [order.positions(5, *share(64, rank, workers)) for rank in range(workers)]
    assert np.concatenate(parts).tolist() == order.positions(5).tolist()


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(ValueError, match="0 samples"):
        Order("m", 0, 0, 64)
