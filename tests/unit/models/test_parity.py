"""Our Presto against the reference vectors of the published one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from geomix.errors import DataError, InputError
from geomix.models import parity


def test_every_output_is_within_its_tolerance(shared_reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    assert parity.main([str(shared_reference / "presto")]) == 0
    printed = capsys.readouterr().out
    assert "64 outputs compared, 0 outside the tolerance" in printed
    for name in ("emb_f64", "tokens", "eo_pred", "dw_pred", "normalised", "loss_total"):
        assert name in printed


def test_a_difference_is_found(shared_reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = shared_reference / "presto"
    (tmp_path / "default_model.safetensors").write_bytes((source / "default_model.safetensors").read_bytes())
    with np.load(source / "vectors.npz") as stored:
        case = {k: stored[k] for k in stored.files if k.startswith("synth_T3/")}
    case["synth_T3/emb"] = case["synth_T3/emb"] + np.float32(1e-3)
    np.savez(tmp_path / "vectors.npz", **case)
    assert parity.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("FAILS") == 1


def test_a_nan_does_not_hold() -> None:
    assert not parity.Difference("case", "emb", float("nan"), 1.0).holds


def test_wrong_commands(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one folder"):
        parity.main([])
    with pytest.raises(DataError, match="no such file"):
        parity.main([str(tmp_path)])
