"""Our models against the reference vectors of the published ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from geomix.errors import DataError, InputError
from geomix.models import parity, parity_vectors

FOLDERS = {
    "presto": (74, "emb_f64 tokens eo_pred dw_pred normalised loss_total orig_indices construct"),
    "satclip": (33, "harmonics_analytic harmonics_closed_form embedding_analytic logits_per_image loss_f64 grad_logit_scale"),
    "satmae_group_channels": (54, "latent pred loss_normpix1_f64 loss_band_aligned_normpix0 vit/mean_pool vit/cls_pool"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_every_output_is_within_its_tolerance(name: str, shared_reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity.main([str(shared_reference / name)]) == 0
    printed = capsys.readouterr().out
    count, outputs = FOLDERS[name]
    assert f"{count} outputs compared, 0 outside the tolerance" in printed
    for output in outputs.split():
        assert output in printed
    unused = printed.partition("not compared, nor needed: ")[2].partition("\n")[0].split(", ")
    # Names of strategies, rows of the source, the same places again, and a constant: nothing that is computed.
    assert {u.rpartition("/")[2] for u in unused} <= {"", "strategy", "row_index", "latlons_f64", "dynamic_world"}


@pytest.mark.parametrize(
    ("name", "array", "change"),
    [
        ("presto", "synth_T3/emb", 1e-3),
        ("satclip", "harmonics_closed_form", 1e-9),
        ("satclip", "loss_b8_init_analytic/grad_logit_scale", 1e-4),
        ("satmae_group_channels", "spatial1_ratio75/loss_normpix1", 1e-5),
        ("satmae_group_channels", "spatial0_ratio75/mask", 1.0),
        ("satmae_group_channels", "vit/cls_pool/logits", float("nan")),
    ],
)
def test_a_difference_is_found(
    name: str, array: str, change: float, shared_reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (shared_reference / name).iterdir():
        if file.suffix in (".json", ".safetensors"):
            shutil.copy(file, tmp_path)
    case = array.rpartition("/")[0]
    with np.load(shared_reference / name / "vectors.npz") as stored:
        kept = {k: stored[k] for k in stored.files if "/" not in k or k.startswith(case)}
    changed = kept[array].copy()
    changed.reshape(-1)[0] += change
    np.savez(tmp_path / "vectors.npz", **{**kept, array: changed})
    assert parity.main([str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert printed.count("FAILS") == 1
    (line,) = [line for line in printed.splitlines() if "FAILS" in line]
    assert array.rpartition("/")[2] in line


def test_a_nan_does_not_hold() -> None:
    assert not parity_vectors.Difference("case", "emb", float("nan"), 1.0).holds


def test_wrong_commands(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one folder"):
        parity.main([])
    with pytest.raises(DataError, match="no weights"):
        parity.main([str(tmp_path)])
    (tmp_path / "mae_weights.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"vectors.npz: not readable"):
        parity.main([str(tmp_path)])
    np.savez(tmp_path / "vectors.npz", a=np.zeros(1))
    with pytest.raises(DataError, match=r"mae_config.json: no such file"):
        parity.main([str(tmp_path)])
