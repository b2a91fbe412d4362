"""The loop on Ray Train: workers that are lost, errors that explain themselves, a Ray that is too small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from geomix.errors import DataError, InputError, TrainingError
from geomix.train import checkpoint, loop, ray_loop
from tests.unit.train import work
from tests.unit.train.memory import Memory


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.latest(str(folder))
    assert found is not None
    assert found.step == work.PRESET.steps
    return {k: v for k, v in found.tensors.items() if k.startswith("model.")}


def fit(folder: Path, workers: int, **spec: Any) -> None:
    folder.mkdir(parents=True)
    ray_loop.fit(work.train, {"folder": str(folder), **spec}, workers, str(folder / "error.json"))


def starts(folder: Path, rank: int) -> int:
    return len(list(folder.glob(f"started-{rank}-*")))


def test_no_worker_is_this_process_without_any_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # nobody is there
    fit(tmp_path / "here", 0)
    loop.train(work.training(tmp_path / "plain"), Memory(50), loop.Worker())
    here, plain = weights(tmp_path / "here" / "checkpoints"), weights(tmp_path / "plain")
    assert all(torch.equal(here[k], plain[k]) for k in plain)
    with pytest.raises(DataError, match="bad data"):
        fit(tmp_path / "bad", 0, refuses=0)


@pytest.mark.usefixtures("ray_session")
def test_a_lost_worker_is_replaced_and_cannot_be_told_from_the_weights(tmp_path: Path) -> None:
    fit(tmp_path / "two", 2, dies=1)
    assert (tmp_path / "two" / "died").exists()
    assert starts(tmp_path / "two", 0) == starts(tmp_path / "two", 1) == 2
    loop.train(work.training(tmp_path / "one"), Memory(50), loop.Worker())
    two, one = weights(tmp_path / "two" / "checkpoints"), weights(tmp_path / "one")
    # The stated tolerance of world sizes (test_loop): sums are added up in another order.
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=2e-4)


@pytest.mark.usefixtures("ray_session")
def test_an_explained_error_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bad data"):
        fit(tmp_path / "bad", 2, refuses=1)
    assert starts(tmp_path / "bad", 1) == 1


@pytest.mark.usefixtures("ray_session")
def test_more_workers_than_the_ray_has_cpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 2 CPUs") as caught:
        fit(tmp_path / "many", 200)
    assert "GEOMIX_TRAIN_WORKERS" in str(caught.value)


def test_training_errors_keep_their_class(tmp_path: Path) -> None:
    def spoilt(spec: Any, worker: loop.Worker) -> None:
        loop.train(work.training(tmp_path / "spoilt"), Memory(50, spoilt=3), worker)

    with pytest.raises(TrainingError, match="loss"):
        ray_loop.fit(spoilt, {}, 0, str(tmp_path / "error.json"))
