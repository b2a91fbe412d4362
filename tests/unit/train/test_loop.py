"""The loop: it learns, a restart is invisible, workers share a step, and what is not finite is named."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from geomix.errors import TrainingError
from geomix.models import scales
from geomix.train import checkpoint, loop
from tests.unit.train.memory import Memory
from tests.unit.train.work import PRESET, training

REPOSITORY = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).with_name("golden_loss.json")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.latest(str(folder))
    assert found is not None
    return {k: v for k, v in found.tensors.items() if k.startswith("model.")}


def test_the_loss_falls(tmp_path: Path) -> None:
    loop.train(training(tmp_path), Memory(64), loop.Worker())
    found = checkpoint.latest(str(tmp_path))
    assert found is not None
    assert found.step == PRESET.steps
    assert [line["step"] for line in found.history] == [0, 10, 19]
    assert found.history[-1]["loss"] < 0.7 * found.history[0]["loss"]
    assert found.history[-1]["loss"] == pytest.approx(found.history[-1]["loss_eo"] + found.history[-1]["loss_dw"])
    assert 0 <= found.meter["data_wait"] < 1
    assert found.meter["samples_per_s"] > 0


@pytest.mark.parametrize("steps_before", [1, 7, 12])
def test_a_restart_is_invisible(tmp_path: Path, steps_before: int) -> None:
    whole = Memory(50)
    loop.train(training(tmp_path / "whole"), whole, loop.Worker())

    class Killed(Exception):
        pass

    class Dying(Memory):
        def batch(self, positions):  # type: ignore[no-untyped-def]
            if len(self.read) == steps_before:
                raise Killed
            return super().batch(positions)

    with pytest.raises(Killed):
        loop.train(training(tmp_path / "cut"), Dying(50), loop.Worker())
    again = Memory(50)
    loop.train(training(tmp_path / "cut"), again, loop.Worker())
    # Goes on from the last checkpoint, reads exactly what the whole run read after it ...
    assert again.read == whole.read[len(whole.read) - len(again.read) :]
    # ... and ends in the same weights, to the bit.
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[k], found[k]) for k in expected)


def test_sigkill_at_any_time_is_invisible(tmp_path: Path) -> None:
    # In a process of its own, killed again and again: during steps, during the writing of a checkpoint, at any time.
    killed = 0
    for _ in range(50):
        command = [sys.executable, "-m", "tests.unit.train.work", str(tmp_path / "cut")]
        process = subprocess.Popen(command, cwd=REPOSITORY)
        before = checkpoint.latest(str(tmp_path / "cut"))
        while process.poll() is None:
            found = checkpoint.latest(str(tmp_path / "cut"))
            if killed < 3 and found is not None and (before is None or found.step > before.step):
                time.sleep(0.013 * killed)
                process.kill()
                killed += 1
                break
        if process.wait() == 0:
            break
    assert killed >= 2
    loop.train(training(tmp_path / "whole"), Memory(50), loop.Worker())
    expected, found_weights = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(expected[k], found_weights[k]) for k in expected)


def test_a_finished_training_reads_nothing(tmp_path: Path) -> None:
    loop.train(training(tmp_path), Memory(50), loop.Worker())
    again = Memory(50)
    loop.train(training(tmp_path), again, loop.Worker())
    assert again.read == []


def _one_of(rank: int, size: int, folder: str, rendezvous: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=size)
    loop.train(training(Path(folder)), Memory(50), loop.Worker(rank, size))
    torch.distributed.destroy_process_group()


def test_two_workers_learn_what_one_does(tmp_path: Path) -> None:
    loop.train(training(tmp_path / "one"), Memory(50), loop.Worker())
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_one_of, args=(rank, 2, str(tmp_path / "two"), str(tmp_path / "rendezvous")))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    # The sums are the same up to the order of additions; AdamW's first steps enlarge the last digits.
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=2e-4)


def test_a_loss_that_is_not_finite_names_the_step_and_the_samples(tmp_path: Path) -> None:
    spoilt = Memory(16, spoilt=3)
    with pytest.raises(TrainingError, match=r"step 0: loss (nan|inf)") as caught:
        loop.train(training(tmp_path), spoilt, loop.Worker())
    assert spoilt.read[0][0] in str(caught.value)
    assert "reflectance 0-1" in str(caught.value)


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    rates = [loop.learning_rate(PRESET, step) for step in range(PRESET.steps)]
    assert rates[0] == pytest.approx(PRESET.lr / 2)
    assert max(rates) == rates[1] == rates[2] == PRESET.lr
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert loop.learning_rate(PRESET, PRESET.steps) == 0


def test_twenty_steps_at_scale_debug_repeat_the_kept_losses(tmp_path: Path) -> None:
    preset = dataclasses.replace(scales.preset("debug", "presto"), steps=20)
    loop.train(training(tmp_path, preset), Memory(256), loop.Worker())
    found = checkpoint.latest(str(tmp_path))
    assert found is not None
    # Kept from this very code; a change of it that is meant rewrites the file with the values that pytest shows.
    assert [line["loss"] for line in found.history] == pytest.approx(json.loads(GOLDEN.read_text()), rel=1e-4)
