"""SatCLIP: a loss that many workers share, keyed dropout, frozen towers, and the location encoder that is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from geomix.errors import DataError
from geomix.models import image_tower, losses, registry
from geomix.models.batch import ImageBatch, PlaceBatch
from geomix.models.protocol import Rows
from geomix.models.satclip import SatCLIP
from geomix.train.optimizer import AdamW
from tests.unit.models.made import chips, take

SMALL: dict[str, Any] = {
    "capacity": 32,
    "embed_dim": 16,
    "img_size": 32,
    "patch_size": 8,
    "vision_width": 32,
    "vision_layers": 1,
    "vision_heads": 2,
}


def small(**more: Any) -> SatCLIP:
    model = registry.build("satclip", {**SMALL, **more}, 0)
    assert isinstance(model, SatCLIP)
    return model


def places(batch: ImageBatch) -> PlaceBatch:
    return PlaceBatch(lonlat_B2=batch.lonlat_B2, id_B=batch.id_B)


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_together_have_the_loss_and_gradients_of_one(workers: int) -> None:
    generator = torch.Generator().manual_seed(0)
    image, location = (torch.randn(12, 8, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    scale = torch.tensor(2.7, dtype=torch.float64, requires_grad=True)
    inputs = (image, location, scale)
    one = losses.total(losses.contrastive_terms(losses.unit(image), losses.unit(location), scale, 0, 12))
    wanted = torch.autograd.grad(one, inputs)
    share = 12 // workers
    numerators, denominators = [], []
    for worker in range(workers):
        term = losses.contrastive_terms(losses.unit(image), losses.unit(location), scale, worker * share, share)["match"]
        numerators.append(term.numerator)
        denominators.append(term.denominator)
    many = torch.stack(numerators).sum() / torch.stack(denominators).sum()
    torch.testing.assert_close(many, one, atol=1e-14, rtol=0)
    for ours, theirs in zip(torch.autograd.grad(many, inputs), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-14, rtol=0)


def test_the_model_hands_its_rows_to_gather() -> None:
    """Two workers, one after the other: each gets the other's rows through `gather`."""
    model, batch = small().train(), chips(8)
    shares = [take(batch, [0, 1, 2]), take(batch, [3, 4, 5, 6, 7])]
    sent: list[list[Tensor]] = [[], []]

    def send(worker: int, rows: Tensor) -> Rows:
        sent[worker].append(rows)
        return Rows(rows, 0)

    for worker, share in enumerate(shares):
        model.loss_sums(share, 0, 0, lambda rows, worker=worker: send(worker, rows))
    found = []
    for worker, share in enumerate(shares):
        kinds = iter(range(2))
        everything = [torch.cat([sent[0][k], sent[1][k]]) for k in range(2)]
        gather = lambda rows, kinds=kinds, all_=everything, first=3 * worker: Rows(all_[next(kinds)], first)  # noqa: E731
        found.append(model.loss_sums(share, 0, 0, gather)["match"])
    whole = losses.total(model.loss_sums(batch, 0, 0))
    assert sum(t.denominator.item() for t in found) == 8
    assert sum(t.numerator.item() for t in found) / 8 == pytest.approx(whole.item(), rel=1e-5)


def test_loss_of_pairs_that_match_and_of_chance() -> None:
    eye = torch.eye(6)
    sharp = losses.total(losses.contrastive_terms(eye, eye, torch.tensor(4.0), 0, 6))
    assert sharp.item() == pytest.approx(0, abs=1e-9)
    chance = losses.total(losses.contrastive_terms(eye, eye.new_ones(6, 6) / 6**0.5, torch.tensor(0.0), 0, 6))
    assert chance.item() == pytest.approx(np.log(6), rel=1e-6)


def test_dropout_belongs_to_the_sample_and_to_training() -> None:
    model, batch = small(), chips(10)
    order = [7, 2, 9, 0, 1, 3, 8, 6, 5, 4]
    trained = losses.total(model.train().loss_sums(batch, 3, 4)).item()
    assert losses.total(model.loss_sums(take(batch, order), 3, 4)).item() == pytest.approx(trained, rel=1e-5)
    judged = losses.total(model.eval().loss_sums(batch, 3, 4)).item()
    assert judged == losses.total(model.loss_sums(batch, 3, 5)).item()
    assert judged != trained
    assert torch.equal(model.train().encode(places(batch)), model.eval().encode(places(batch)))


@pytest.mark.parametrize(("degrees", "rate"), [(10, 5e-4), (40, 2e-4)])
def test_it_learns_to_tell_places_apart(degrees: int, rate: float) -> None:
    model, batch = small(legendre_polys=degrees, dropout=0.0, flips=False).train(), chips(16)
    optimizer = AdamW(model, (0.9, 0.999), 0.01)
    for step in range(40):
        loss = losses.total(model.loss_sums(batch, 0, step))
        optimizer.clear()
        loss.backward()
        # The location encoder is float64 and the tower float32: both in one norm and one optimiser.
        torch.nn.utils.clip_grad_norm_(optimizer.parameters, 1.0)
        optimizer.step(rate)
    assert loss.item() < 0.3 * np.log(16)


def test_training_after_inference_mode() -> None:
    model, batch = small(legendre_polys=7).train(), chips(4)
    with torch.inference_mode():
        model.encode(places(batch))
    losses.total(model.loss_sums(batch, 0, 0)).backward()


def test_the_location_encoder_wants_the_location() -> None:
    batch = places(chips(3))
    assert small().encode(batch).dtype == torch.float32
    with pytest.raises(DataError, match="without the location"):
        small().encode(batch, location=False)


def tower_file(folder: Path) -> str:
    shape = image_tower.Shape(img_size=16, patch_size=4, in_chans=10, width=64, depth=2, heads=1)
    tensors = image_tower.VisionTransformer(shape).state_dict()
    noise = torch.Generator().manual_seed(5)
    tensors = {k: v + 0.02 * torch.randn(v.shape, generator=noise) for k, v in tensors.items()}
    safetensors.torch.save_file({**tensors, "head.weight": torch.zeros(3, 64)}, folder / "tower.safetensors")
    return str(folder / "tower.safetensors")


def test_a_frozen_tower(tmp_path: Path) -> None:
    uri = tower_file(tmp_path)
    model = registry.build("satclip", {"capacity": 32, "embed_dim": 16, "tower": "frozen", "tower_weights": uri}, 0).train()
    assert isinstance(model, SatCLIP)
    c = model.config
    assert (c.img_size, c.patch_size, c.in_chans, c.vision_width, c.vision_layers, c.vision_heads) == (16, 4, 10, 64, 2, 1)
    assert len(c.tower_sha256) == 64
    stored = safetensors.torch.load_file(uri)
    losses.total(model.loss_sums(chips(6, size=16), 0, 0)).backward()
    assert all(p.grad is None and not p.requires_grad for p in model.visual.parameters())
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    assert model.projection.weight.grad.abs().max() > 0
    assert all(torch.equal(v, stored[k]) for k, v in model.visual.state_dict().items())
    # A saved model does not need the tower's file again.
    registry.save(model, str(tmp_path / "saved"), {})
    (tmp_path / "tower.safetensors").unlink()
    back = registry.load(str(tmp_path / "saved"))
    assert back.config == c
    assert all(torch.equal(v, back.state_dict()[k]) for k, v in model.state_dict().items())


def test_frozen_towers_that_do_not_fit(tmp_path: Path) -> None:
    frozen = {"tower": "frozen", "tower_weights": tower_file(tmp_path)}
    with pytest.raises(DataError, match="SHA-256"):
        registry.build("satclip", {**frozen, "tower_sha256": "0" * 64}, 0)
    with pytest.raises(DataError, match="no such file"):
        registry.build("satclip", {**frozen, "tower_weights": str(tmp_path / "absent.safetensors")}, 0)
    with pytest.raises(DataError, match="pickled"):
        registry.build("satclip", {**frozen, "tower_weights": "s3://bucket/moco.pth"}, 0)
    with pytest.raises(DataError, match="tower vit with tower_weights"):
        registry.build("satclip", {**frozen, "tower": "vit"}, 0)
    safetensors.torch.save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "resnet.safetensors")
    with pytest.raises(DataError, match="no image tower"):
        registry.build("satclip", {**frozen, "tower_weights": str(tmp_path / "resnet.safetensors")}, 0)


def test_published_location_encoder_as_a_model(shared_reference: Path, tmp_path: Path) -> None:
    folder = shared_reference / "satclip"
    model = registry.load_weights(str(folder / "location_encoder_weights.safetensors"))
    with np.load(folder / "vectors.npz") as stored:
        lonlat, wanted = stored["lonlat"], stored["embedding_analytic"]
    ours = model.encode(PlaceBatch(lonlat_B2=torch.from_numpy(lonlat), id_B=[str(i) for i in range(len(lonlat))]))
    np.testing.assert_allclose(ours.detach().numpy(), wanted, atol=1e-6)
    registry.save(model, str(tmp_path), {})
    assert registry.load(str(tmp_path)).config_dict() == model.config_dict()
    with pytest.raises(DataError, match="without an image tower"):
        model.loss_sums(chips(2), 0, 0)
