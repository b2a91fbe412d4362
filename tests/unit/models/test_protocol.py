"""Every model keeps the one protocol; a user's own model plugs in by entry point, or is refused with the reason."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from geomix.errors import DataError, StudyError
from geomix.models import losses, registry, scales
from geomix.models.batch import ImageBatch, PlaceBatch, SeriesBatch
from geomix.train.optimizer import AdamW
from tests.unit.models.made import chips, structured

HERE = Path(__file__).parent


def offer(folder: Path, monkeypatch: pytest.MonkeyPatch, points: str, module: str = "") -> None:
    """An installed package of its own in `folder`, with the entry points and a module `own_model`."""
    info = folder / "own_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[geomix.models]\n{points}\n")
    (folder / "own_model.py").write_text(module)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "own_model", raising=False)


@pytest.fixture
def vit_mae(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    offer(tmp_path, monkeypatch, "vit_mae = own_model:VitMae", (HERE / "vit_mae.py").read_text())
    return "vit_mae"


def batch_for(kind: type, count: int, size: int) -> SeriesBatch | ImageBatch | PlaceBatch:
    images = chips(count, size=size)
    place = PlaceBatch(lonlat_B2=images.lonlat_B2, id_B=images.id_B)
    return {SeriesBatch: structured(count), ImageBatch: images, PlaceBatch: place}[kind]


@pytest.mark.parametrize("name", ["presto", "satclip", "satmae", "vit_mae"])
def test_every_model_keeps_the_protocol(name: str, vit_mae: str, tmp_path: Path) -> None:
    preset = scales.preset("tiny" if name != vit_mae else "debug", name)
    model = registry.build(name, preset.config, 3)
    assert model.name == name
    assert registry.model_class(name).from_config(model.config_dict()).config_dict() == model.config_dict()
    trained, encoded = batch_for(model.trains_on, 12, 32), batch_for(model.encodes, 5, 32)
    embedding = model.eval().encode(encoded)
    assert embedding.shape == (5, model.embed_dim)
    assert embedding.dtype == torch.float32
    # Saved and loaded to the bit.
    registry.save(model, str(tmp_path / name), {})
    assert torch.equal(registry.load(str(tmp_path / name)).eval().encode(encoded), embedding)
    # The same seed and step give the same loss, another step another; forward is the training step.
    model.train()
    first, again = (losses.total(model(trained, 1, 2)).item() for _ in range(2))
    assert first == again == losses.total(model.loss_sums(trained, 1, 2)).item()
    assert first != losses.total(model.loss_sums(trained, 1, 3)).item()
    # The gradient reaches every trained parameter, and following it makes the loss of the same step smaller.
    optimizer = AdamW(model, (0.9, 0.95), 0.0)
    for _ in range(8):
        loss = losses.total(model.loss_sums(trained, 1, 2))
        optimizer.clear()
        loss.backward()
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
        optimizer.step(1e-3)
    assert losses.total(model.loss_sums(trained, 1, 2)).item() < first


@pytest.mark.parametrize("name", ["satclip", "satmae", "vit_mae"])
def test_weights_depend_on_the_seed_alone(name: str, vit_mae: str) -> None:
    config = scales.preset("debug", name).config
    torch.manual_seed(7)
    one = registry.build(name, config, 5).state_dict()
    wanted = torch.randn(2)
    torch.manual_seed(7)
    assert torch.equal(torch.randn(2), wanted), "the process-wide generator was used"
    two, other = registry.build(name, config, 5).state_dict(), registry.build(name, config, 6).state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("name", ["satclip", "satmae"])
def test_bfloat16_autocast_stays_near_float32(name: str) -> None:
    model = registry.build(name, scales.preset("debug", name).config, 0).eval()
    batch = chips(16)
    with torch.no_grad():
        exact = losses.total(model.loss_sums(batch, 0, 0))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = losses.total(model.loss_sums(batch, 0, 0))
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.02)


@pytest.mark.parametrize("name", ["satclip", "satmae"])
def test_chips_of_another_shape_are_refused(name: str) -> None:
    model = registry.build(name, scales.preset("tiny", name).config, 0)
    with pytest.raises(DataError, match=r"\(2, 9, 32, 32\)"):
        model.loss_sums(chips(2, bands=9), 0, 0)
    wrong = replace(chips(2), x_BCHW=torch.zeros(2, 10, 32, 24))
    with pytest.raises(DataError, match="chips of shape"):
        model.loss_sums(wrong, 0, 0)


def test_an_unknown_model_lists_the_known_ones(vit_mae: str) -> None:
    with pytest.raises(DataError, match="unknown model 'vit'") as caught:
        registry.build("vit", {}, 0)
    assert "presto, satclip, satmae, vit_mae" in caught.value.wanted
    with pytest.raises(StudyError, match="no scale 'paper' for model 'vit_mae'") as missing:
        scales.preset("paper", "vit_mae")
    assert missing.value.wanted == "one of debug"


HALF = """
from geomix.models.batch import ImageBatch
from geomix.models.protocol import Model

class Half(Model):
    name = "half"
    trains_on = encodes = ImageBatch
    def encode(self, batch, location=True): ...
    def loss_sums(self, batch, seed, step, gather=None): ...
"""


@pytest.mark.parametrize(
    ("points", "module", "asked", "words"),
    [
        ("half = own_model:Half", HALF, "half", "lacks config_dict, embed_dim, from_config"),
        ("half = own_model:Other", HALF, "half", "cannot be imported .AttributeError"),
        ("half = own_model:Half", "import no_such_package", "half", "cannot be imported .ModuleNotFoundError"),
        ("half = own_model:ImageBatch", HALF, "half", "is no model"),
        ("presto = own_model:Half", HALF, "presto", "two models are called 'presto'"),
        ("mae = own_model:VitMae", (HERE / "vit_mae.py").read_text(), "mae", "calls itself 'vit_mae'"),
    ],
)
def test_what_is_no_whole_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: str, module: str, asked: str, words: str
) -> None:
    offer(tmp_path, monkeypatch, points, module)
    with pytest.raises(DataError, match=words):
        registry.model_class(asked)
