"""SatMAE: masks, what the encoder may see, the two orders of the loss, missing pixels, poolings, published checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from geomix.errors import DataError
from geomix.models import losses, registry, satmae
from geomix.models.image_tokens import patchify
from geomix.models.satmae import SatMAE
from geomix.models.satmae_encoder import SatMAEEncoder
from geomix.models.satmae_tokens import Config
from tests.unit.models.made import chips, take

SMALL: dict[str, Any] = {
    "img_size": 32,
    "patch_size": 8,
    "channel_embed": 8,
    "embed_dim": 32,
    "depth": 1,
    "num_heads": 2,
    "decoder_channel_embed": 4,
    "decoder_embed_dim": 16,
    "decoder_depth": 1,
    "decoder_num_heads": 2,
}


def small(**more: Any) -> SatMAE:
    model = registry.build("satmae", {**SMALL, **more}, 0)
    assert isinstance(model, SatMAE)
    return model


@pytest.mark.parametrize("spatial", [False, True])
def test_the_asked_share_is_hidden(spatial: bool) -> None:
    noise = torch.rand(5, 16 if spatial else 48, generator=torch.Generator().manual_seed(0))
    mask = satmae.mask(noise, 3, 0.75, spatial)
    assert mask.kept_BK.shape == (5, 12)
    assert (mask.hidden_BGL.sum(dim=(1, 2)) == 36).all()
    hidden_BN = mask.hidden_BGL.flatten(1)
    assert not hidden_BN.gather(1, mask.kept_BK).any()
    if spatial:
        assert (mask.hidden_BGL == mask.hidden_BGL[:, :1]).all()
        assert (mask.kept_BK.view(5, 3, 4) // 16 == torch.arange(3)[:, None]).all(), "kept tokens are ordered by group"


@pytest.mark.parametrize("spatial", [False, True])
def test_a_samples_loss_does_not_depend_on_its_batch(spatial: bool) -> None:
    model, batch = small(spatial_mask=spatial, crop_scale=0.5).train(), chips(6)
    whole = model.loss_sums(batch, 1, 2)["pixels"]
    parts = [model.loss_sums(take(batch, [i]), 1, 2)["pixels"] for i in (3, 0, 5, 1, 4, 2)]
    assert sum(p.numerator.item() for p in parts) == pytest.approx(whole.numerator.item(), rel=1e-5)
    assert sum(p.denominator.item() for p in parts) == whole.denominator.item() == 6 * 36


def test_augmentation_is_for_training_alone() -> None:
    model, batch = small(), chips(8)
    trained, judged = (losses.total(model.train(mode).loss_sums(batch, 0, 0)).item() for mode in (True, False))
    assert trained != judged
    assert judged == losses.total(small(flips=False).train().loss_sums(batch, 0, 0)).item()


def test_hidden_pixels_do_not_leak_into_the_prediction() -> None:
    model, batch = small().eval(), chips(4)
    patches = patchify(batch.x_BCHW, 8)
    mask = satmae.mask(torch.rand(4, 48, generator=torch.Generator().manual_seed(1)), 3, 0.75, False)
    changed = patches.clone()
    for g, group in enumerate(model.config.channel_groups):
        for band in group:
            changed[:, :, band][mask.hidden_BGL[:, g]] = 55.0
    with torch.no_grad():
        one, two = (model.decode(model.latent(p, mask.kept_BK), mask.kept_BK) for p in (patches, changed))
    assert torch.equal(one, two)


def terms(pred: torch.Tensor, patches: torch.Tensor, config: Config, valid: torch.Tensor | None = None) -> losses.Term:
    valid = torch.ones_like(patches[:, :, 0], dtype=torch.bool) if valid is None else valid
    hidden = torch.zeros(len(patches), len(config.channel_groups), patches.shape[1], dtype=torch.bool)
    hidden[:, 0, :3] = hidden[:, 2, 2:] = True
    return satmae.reconstruction_terms(pred, patches, valid, hidden, config)["pixels"]


def test_a_perfect_prediction_has_no_loss_in_our_order_and_one_in_the_published_order() -> None:
    patches = patchify(chips(2).x_BCHW, 8)
    config = Config(**SMALL)
    written = [band for group in config.channel_groups for band in group]
    perfect = patches.transpose(1, 2)[:, written]
    assert terms(perfect, patches, config).numerator == 0
    published = replace(config, loss_order="reference")
    assert terms(perfect, patches, published).numerator > 0
    assert terms(patches.transpose(1, 2), patches, published).numerator == 0
    # Where groups are consecutive there is no difference.
    ordered = {"channel_groups": ((0, 1, 2), (3, 4, 5, 6), (7, 8, 9))}
    noisy = perfect + 0.1
    assert torch.equal(
        terms(noisy, patches, replace(config, **ordered)).numerator,
        terms(noisy, patches, replace(published, **ordered)).numerator,
    )


def test_a_hidden_token_counts_once_whatever_its_groups_size() -> None:
    patches = torch.zeros(1, 16, 10, 64)
    config = Config(**SMALL)
    pred = torch.zeros(1, 10, 16, 64)
    pred[:, 8:] = 2.0  # the third group's two bands are written last
    term = terms(pred, patches, config)
    assert term.denominator == 3 + 14
    assert term.numerator == 14 * 4


@pytest.mark.parametrize("norm_pix", [False, True])
def test_missing_pixels_count_nowhere(norm_pix: bool) -> None:
    model, batch = small(norm_pix_loss=norm_pix).eval(), chips(4)
    batch.valid_BHW[:, 8:16, 8:16] = False  # one patch of 16
    batch.valid_BHW[:, :8, :3] = False  # a part of one
    junk = replace(batch, x_BCHW=torch.where(batch.valid_BHW[:, None], batch.x_BCHW, 1e6))
    ours, theirs = model.loss_sums(batch, 0, 0)["pixels"], model.loss_sums(junk, 0, 0)["pixels"]
    assert torch.equal(ours.numerator, theirs.numerator)
    assert torch.equal(model.encode(batch), model.encode(junk))
    whole = model.loss_sums(chips(4), 0, 0)["pixels"]
    assert 4 * 36 - 12 <= ours.denominator < whole.denominator == 4 * 36


def test_normalised_targets_have_the_statistics_of_their_place() -> None:
    patches = patchify(chips(2).x_BCHW, 8)
    config = replace(Config(**SMALL), norm_pix_loss=True)
    place = patches.flatten(2)
    wanted = (place - place.mean(2, keepdim=True)) / (place.var(2, keepdim=True) + 1e-6).sqrt()
    written = [band for group in config.channel_groups for band in group]
    perfect = wanted.view_as(patches).transpose(1, 2)[:, written]
    assert terms(perfect, patches, config).numerator.item() == pytest.approx(0, abs=1e-8)
    # Half of a patch missing: the other half's statistics.
    valid = torch.ones(2, 16, 64, dtype=torch.bool)
    valid[:, :, 32:] = False
    seen = patches[..., :32].flatten(2)
    part = (patches - seen.mean(2)[..., None, None]) / (seen.var(2)[..., None, None] + 1e-6).sqrt()
    assert terms(part.transpose(1, 2)[:, written], patches, config, valid).numerator.item() == pytest.approx(0, abs=1e-8)


def test_normalisation_is_the_first_operation_and_saved_with_the_weights(tmp_path: Path) -> None:
    constants = {"mean": [0.1 * i for i in range(10)], "std": [0.5 + 0.1 * i for i in range(10)]}
    model, batch = small(**constants), chips(3)
    mean, std = (torch.tensor(constants[k])[None, :, None, None] for k in ("mean", "std"))
    normalised = replace(batch, x_BCHW=(batch.x_BCHW - mean) / std)
    torch.testing.assert_close(model.encode(batch), small().encode(normalised))
    registry.save(model, str(tmp_path), {})
    assert "normalise.std" in safetensors.torch.load_file(tmp_path / "model.safetensors")
    assert torch.equal(registry.load(str(tmp_path)).encode(batch), model.encode(batch))


def test_both_poolings() -> None:
    batch = chips(3)
    mean, cls = (small(pooling=pooling).encode(batch) for pooling in ("mean", "cls"))
    assert mean.shape == cls.shape == (3, 32)
    assert not torch.allclose(mean, cls, atol=1e-2)
    moved = replace(batch, lonlat_B2=batch.lonlat_B2.flip(0))
    assert torch.equal(small().encode(moved, location=False), mean)


def test_fine_tuning_starts_from_the_pretrained_encoder() -> None:
    pretrained, batch = small(pooling="cls"), chips(6)
    generator = torch.get_rng_state()
    model = SatMAEEncoder.of(pretrained, classes=3, seed=1)
    assert torch.equal(torch.get_rng_state(), generator), "the process-wide generator was used"
    patches = patchify(model.normalise(batch.x_BCHW, batch.valid_BHW), 8)
    torch.testing.assert_close(model.features(patches, "cls"), pretrained.encode(batch))
    assert torch.equal(model.head.weight, SatMAEEncoder.of(pretrained, 3, 1).head.weight)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    torch.nn.functional.cross_entropy(model(patches, "mean"), labels).backward()
    assert {n for n, p in model.named_parameters() if p.grad is None} == {"norm.weight", "norm.bias"}
    assert model.pos_embed.grad.abs().max() > 0, "tables are trained"


def test_published_names_and_sizes_are_recognised(shared_reference: Path, tmp_path: Path) -> None:
    """The reference weights have three heads of 32; what is checked is that names, sizes and groups are read."""
    file = shared_reference / "satmae_group_channels" / "mae_weights.safetensors"
    model = registry.load_weights(str(file))
    assert isinstance(model, SatMAE)
    assert (model.config.img_size, model.config.depth, model.config.decoder_embed_dim) == (96, 2, 48)
    stored = safetensors.torch.load_file(file)
    state = model.state_dict()
    assert set(state) - set(stored) == {"normalise.mean", "normalise.std"}
    assert all(torch.equal(state[k], stored[k]) for k in stored)
    # Our sine tables are the published ones.
    built = registry.build("satmae", model.config_dict(), 0).state_dict()
    for key in ("pos_embed", "channel_embed", "decoder_pos_embed", "decoder_channel_embed"):
        torch.testing.assert_close(built[key], stored[key], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"patch_size": 7}, "patches of 7"),
        ({"channel_groups": [[0, 1], [1, 2]]}, "channel_groups"),
        ({"num_heads": 5}, "width 32 with 5 heads"),
        ({"channel_embed": 30}, "width 32 with 30 for the group"),
        ({"mask_ratio": 1.0}, "mask_ratio 1"),
        ({"mean": [0.0] * 10}, "10 means and 0 standard deviations"),
        ({"mean": [0.0] * 10, "std": [0.0] * 10}, "positive"),
        ({"loss_order": "natural"}, "loss_order is 'natural'"),
        ({"depth": 1.5}, "depth is 1.5"),
        ({"spatial_mask": 1}, "spatial_mask is 1"),
        ({"width": 3}, "unknown setting 'width'"),
    ],
)
def test_settings_that_cannot_be_built(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as caught:
        small(**setting)
    assert words in str(caught.value)
