"""Presto on our batches: what reaches the encoder, what is a target, and that it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from geomix.errors import DataError
from geomix.models import losses, masking, presto, presto_tokens, registry, scales
from geomix.models.batch import SeriesBatch
from tests.unit.models.made import structured, take

SMALL = {
    "encoder_embedding_size": 32,
    "encoder_depth": 1,
    "encoder_num_heads": 2,
    "decoder_embedding_size": 32,
    "decoder_depth": 1,
    "decoder_num_heads": 2,
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def model() -> registry.Model:
    return registry.build("presto", SMALL, seed=0)


def train(model: registry.Model, batch: SeriesBatch, steps: int, lr: float = 2e-3) -> list[float]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr)
    history = []
    for step in range(steps):
        loss = losses.total(model.loss_sums(batch, seed=0, step=step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    return history


def test_loss_falls_in_20_steps(model: registry.Model) -> None:
    history = train(model, structured(64), 20, lr=5e-3)
    assert np.mean(history[-3:]) < 0.5 * np.mean(history[:3])


def test_golden_losses_at_debug_scale() -> None:
    """A change of this curve is a change of the science: raise the schema of `pretrain` with it."""
    preset = scales.preset("debug", "presto")
    model = registry.build("presto", preset.config, seed=0)
    history = train(model, structured(16, missing=0.1), 20)
    np.testing.assert_allclose([history[0], history[9], history[19]], GOLDEN, rtol=1e-4)


GOLDEN = [1.590866, 0.382372, 0.299629]


def test_training_repeats_to_the_bit() -> None:
    ends = []
    for _ in range(2):
        model = registry.build("presto", SMALL, seed=3)
        train(model, structured(16, missing=0.2), 4)
        ends.append({k: v.clone() for k, v in model.state_dict().items()})
    assert all(torch.equal(ends[0][k], ends[1][k]) for k in ends[0])


def test_embedding_does_not_depend_on_batch_mates(model: registry.Model) -> None:
    batch = structured(12, missing=0.3)
    with torch.no_grad():
        whole, one = model.encode(batch), model.encode(take(batch, [5]))
        other_way = model.encode(take(batch, [7, 5, 2]))
    assert whole.shape == (12, model.embed_dim)
    assert whole.dtype == torch.float32
    torch.testing.assert_close(one[0], whole[5], atol=2e-6, rtol=0)
    torch.testing.assert_close(other_way[1], whole[5], atol=2e-6, rtol=0)
    assert not torch.allclose(whole[5], whole[6], atol=1e-3)


def test_loss_sums_of_parts_add_up_to_those_of_the_whole(model: registry.Model) -> None:
    batch = structured(16, missing=0.2)
    with torch.no_grad():
        whole = model.loss_sums(batch, 5, 9)
        parts = [model.loss_sums(take(batch, rows), 5, 9) for rows in (list(range(0, 16, 2)), list(range(1, 16, 2)))]
    for name, term in whole.items():
        assert sum(p[name].denominator for p in parts) == term.denominator
        torch.testing.assert_close(sum(p[name].numerator for p in parts), term.numerator, rtol=1e-5, atol=0)


def test_forward_is_the_training_step(model: registry.Model) -> None:
    batch = structured(4)
    assert losses.total(model(batch, 1, 2)).item() == losses.total(model.loss_sums(batch, 1, 2)).item()


def test_location_false_drops_the_location_token(model: registry.Model) -> None:
    batch = structured(6)
    moved = replace(batch, lonlat_B2=batch.lonlat_B2.flip(0))
    with torch.no_grad():
        assert not torch.allclose(model.encode(batch), model.encode(moved), atol=1e-4)
        assert torch.equal(model.encode(batch, location=False), model.encode(moved, location=False))
        encoded = _encoded(model, batch, location=False)
    assert encoded.tok_BKD.shape[1] == 9 * 12 + 1
    assert (encoded.order_BL[:, -1] == 0).all()


def _encoded(model: registry.Model, batch: SeriesBatch, location: bool) -> presto.Encoded:
    x, valid = model.normalise(batch.x_BTC, batch.valid_BTC)
    hidden = presto_tokens.by_token(~valid, batch.landcover_BT)
    hidden[:, 0] = not location
    encoded: presto.Encoded = model.encoder(x, batch.landcover_BT, batch.lonlat_B2, batch.month_BT, hidden)
    return encoded


def test_missing_values_reach_neither_encoder_nor_loss(model: registry.Model) -> None:
    batch = structured(16, missing=0.3)
    junk = replace(batch, x_BTC=torch.where(batch.valid_BTC, batch.x_BTC, 1e6))
    with torch.no_grad():
        assert torch.equal(model.encode(batch), model.encode(junk))
        ours, theirs = model.loss_sums(batch, 0, 0), model.loss_sums(junk, 0, 0)
    for name in ours:
        assert torch.equal(ours[name].numerator, theirs[name].numerator)
        assert torch.equal(ours[name].denominator, theirs[name].denominator)


def test_only_hidden_and_measured_values_are_counted_as_targets(model: registry.Model) -> None:
    batch = structured(8)
    batch.valid_BTC[:, :, 0] = False  # VV
    batch.valid_BTC[:, :, 8] = False  # B8, and with it NDVI
    batch.landcover_BT[:4] = 9
    mask = masking.mask(2, 3, batch.id_B, 12)
    hidden = dict(zip(masking.TIMED, mask.timed_BTG.sum(axis=(0, 1)), strict=True))
    # Bands still measured in each group: VH alone of S1; nothing of B8 and NDVI; terrain's two bands count once a sample.
    bands = {"S1": 1, "S2_RGB": 3, "S2_Red_Edge": 3, "S2_NIR_10m": 0, "S2_NIR_20m": 1, "S2_SWIR": 2, "ERA5": 2, "NDVI": 0}
    n_eo = sum(bands[g] * hidden[g] for g in bands) + 2 * mask.terrain_B.sum()
    n_dw = mask.timed_BTG[4:, :, -1].sum()
    terms = model.loss_sums(batch, 2, 3)
    assert terms["eo"].denominator == n_eo
    assert terms["dw"].denominator == max(n_dw, n_eo / 2)


def test_hidden_values_do_not_leak_into_the_reconstruction(model: registry.Model) -> None:
    """What the strategy hides may change without any prediction changing."""
    batch = structured(8)
    mask = masking.mask(0, 0, batch.id_B, 12)
    groups = iter(range(9))
    hidden = torch.zeros(8, 12, 17, dtype=torch.bool)
    for name, bands in presto_tokens.GROUPS.items():
        rows = mask.terrain_B[:, None] if name == "SRTM" else mask.timed_BTG[:, :, next(groups)]
        hidden[:, :, bands] = torch.from_numpy(rows)[:, :, None]
    cover = torch.where(torch.from_numpy(mask.timed_BTG[:, :, -1]), 9, batch.landcover_BT)
    x, _ = model.normalise(batch.x_BTC, batch.valid_BTC)
    tokens = presto_tokens.by_token(hidden, cover)
    with torch.no_grad():
        one = model.reconstruct(x, cover, batch.lonlat_B2, batch.month_BT, tokens)
        two = model.reconstruct(torch.where(hidden, 77.0, x), cover, batch.lonlat_B2, batch.month_BT, tokens)
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


def test_nothing_measured_gives_finite_numbers_and_gradients(model: registry.Model) -> None:
    batch = structured(3)
    batch.valid_BTC[1] = False
    batch.landcover_BT[1] = 9
    with torch.no_grad():
        assert torch.isfinite(model.encode(batch)).all()
        assert torch.isfinite(model.encode(batch, location=False)).all()
    batch.valid_BTC[:] = False
    batch.landcover_BT[:] = 9
    loss = losses.total(model.loss_sums(batch, 0, 0))
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_every_parameter_has_a_gradient(model: registry.Model) -> None:
    """A distributed wrapper waits for the gradient of every parameter."""
    losses.total(model.loss_sums(structured(1, missing=0.9), 0, 0)).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_normalisation_constants_and_ndvi(model: registry.Model) -> None:
    x = torch.zeros(1, 2, 16)
    x[0, 0] = torch.tensor([-25.0, 0, 0.1, 0.2, 0.1, 0.2, 0.3, 0.4, 0.3, 0.5, 0.6, 0.7, 307.15, 0.03, 1000, 25])
    z, valid = model.normalise(x, torch.ones_like(x, dtype=torch.bool))
    wanted = [0, 1, 0.1, 0.2, 0.1, 0.2, 0.3, 0.4, 0.3, 0.5, 0.6, 0.7, 1, 1, 0.5, 0.5, 0.5]
    np.testing.assert_allclose(z[0, 0].numpy(), wanted, atol=1e-6)
    assert z[0, 1, 16] == 0  # B8 + B4 = 0: NDVI is 0 and still a value
    assert valid.all()


@pytest.mark.parametrize("steps", [1, 2, 5, 24])
def test_other_lengths(model: registry.Model, steps: int) -> None:
    batch = structured(4, steps=steps)
    assert model.encode(batch).shape == (4, 32)
    assert torch.isfinite(losses.total(model.loss_sums(batch, 0, 0)))


def test_a_series_that_is_too_long_is_refused(model: registry.Model) -> None:
    batch = structured(2, steps=24)
    longer = replace(batch, x_BTC=torch.cat([batch.x_BTC, batch.x_BTC[:, :1]], 1))
    with pytest.raises(DataError, match=r"shape \(2, 25, 16\)"):
        model.encode(longer)
    with pytest.raises(DataError, match="16 bands"):
        model.loss_sums(replace(batch, x_BTC=batch.x_BTC[:, :, :15]), 0, 0)


def test_training_after_inference_mode(model: registry.Model) -> None:
    presto_tokens.layout.cache_clear()
    with torch.inference_mode():
        model.encode(structured(2, steps=7))
    losses.total(model.loss_sums(structured(2, steps=7), 0, 0)).backward()


def test_bfloat16_autocast_stays_near_float32(model: registry.Model) -> None:
    batch = structured(8)
    with torch.no_grad():
        exact = losses.total(model.loss_sums(batch, 0, 0))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = losses.total(model.loss_sums(batch, 0, 0))
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.02)
