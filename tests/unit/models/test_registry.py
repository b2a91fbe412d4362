"""Models are built from a seed, saved and loaded to the bit; what is not a model of ours is refused with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from geomix import store
from geomix.errors import DataError
from geomix.models import registry
from tests.unit.models.made import structured

SMALL = {"encoder_embedding_size": 32, "encoder_depth": 1, "encoder_num_heads": 4, "decoder_embedding_size": 48}


def same(one: registry.Model, two: registry.Model) -> bool:
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)


def test_init_depends_on_the_seed_alone() -> None:
    one = registry.build("presto", SMALL, 5)
    torch.manual_seed(99)
    torch.randn(3)
    assert same(one, registry.build("presto", SMALL, 5))
    assert not same(one, registry.build("presto", SMALL, 6))


def test_build_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    wanted = torch.randn(2)
    torch.manual_seed(1)
    registry.build("presto", SMALL, 5)
    assert torch.equal(torch.randn(2), wanted)


def test_numbers_that_came_through_kfp() -> None:
    assert registry.build("presto", {k: float(v) for k, v in SMALL.items()}, 0).embed_dim == 32


def test_round_trip_to_the_bit(tmp_path: Path) -> None:
    model = registry.build("presto", SMALL, 1)
    registry.save(model, str(tmp_path / "a"), {"manifest_hash": "abc", "scale": "tiny"})
    back = registry.load(str(tmp_path / "a"))
    assert same(model, back)
    assert back.config_dict() == model.config_dict()
    batch = structured(3)
    assert torch.equal(model.encode(batch), back.encode(batch))
    content = store.read_json(str(tmp_path / "a" / "config.json"))
    assert content["model"] == "presto"
    assert content["manifest_hash"] == "abc"
    assert content["config"] == model.config_dict()
    # The one table of channels is one parameter after loading too.
    assert back.decoder.channel_embeddings.weight is back.encoder.channel_embed.weight


def test_saving_twice_gives_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        registry.save(registry.build("presto", SMALL, 1), str(tmp_path / name), {"x": 1})
    for file in ("model.safetensors", "config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_extra_cannot_replace_the_model(tmp_path: Path) -> None:
    registry.save(registry.build("presto", SMALL, 1), str(tmp_path), {"model": "other", "config": {}})
    assert registry.load(str(tmp_path)).embed_dim == 32


def test_load_weights_reads_our_own_files_with_their_heads(tmp_path: Path) -> None:
    model = registry.build("presto", SMALL, 1)
    registry.save(model, str(tmp_path), {})
    assert registry.load_weights(str(tmp_path / "model.safetensors")).config == model.config


def test_published_weights(shared_reference: Path, tmp_path: Path) -> None:
    model = registry.load_weights(str(shared_reference / "presto" / "default_model.safetensors"))
    assert model.config_dict() == registry.build("presto", {}, 0).config_dict()
    registry.save(model, str(tmp_path), {"weights": "published"})
    assert same(model, registry.load(str(tmp_path)))
    ours = safetensors.torch.load_file(tmp_path / "model.safetensors")
    theirs = safetensors.torch.load_file(shared_reference / "presto" / "default_model.safetensors")
    assert set(ours) - set(theirs) == {"normalise.add_by", "normalise.divide_by"}
    assert all(torch.equal(theirs[k], ours[k]) for k in theirs)


def test_our_tables_are_the_published_ones(shared_reference: Path) -> None:
    published = registry.load_weights(str(shared_reference / "presto" / "default_model.safetensors")).state_dict()
    built = registry.build("presto", {}, 0).state_dict()
    for key in ("encoder.pos_embed", "encoder.month_embed.weight", "decoder.pos_embed", "decoder.month_embed.weight"):
        torch.testing.assert_close(built[key], published[key], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["default_model.pt", "a.pth", "b.ckpt", "c.pkl"])
def test_pickles_are_refused_unopened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not even a pickle")
    with pytest.raises(DataError) as caught:
        registry.load_weights(str(tmp_path / name))
    assert "weights_only=True" in caught.value.remedy


def test_files_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        registry.load_weights(str(tmp_path / "absent.safetensors"))
    with pytest.raises(DataError, match="no such file"):
        registry.load(str(tmp_path / "absent"))
    (tmp_path / "torn.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    with pytest.raises(DataError, match="not a safetensors file"):
        registry.load_weights(str(tmp_path / "torn.safetensors"))
    safetensors.torch.save_file({"patch_embed.weight": torch.zeros(2)}, tmp_path / "vit.safetensors")
    with pytest.raises(DataError, match="no known model") as caught:
        registry.load_weights(str(tmp_path / "vit.safetensors"))
    assert "'encoder.latlon_embed.weight' (presto)" in caught.value.wanted
    safetensors.torch.save_file({"encoder.latlon_embed.weight": torch.zeros(8, 3)}, tmp_path / "part.safetensors")
    with pytest.raises(DataError, match=r"no tensor 'encoder.channel_embed.weight'"):
        registry.load_weights(str(tmp_path / "part.safetensors"))
    (tmp_path / "other").mkdir()
    store.write_json(str(tmp_path / "other" / "config.json"), {"hidden_size": 768})
    with pytest.raises(DataError, match="no model description"):
        registry.load(str(tmp_path / "other"))


def spoiled(tmp_path: Path, change: str) -> str:
    registry.save(registry.build("presto", SMALL, 1), str(tmp_path), {})
    file = tmp_path / "model.safetensors"
    tensors = safetensors.torch.load_file(file)
    if change == "lacks":
        del tensors["decoder.mask_token"]
    elif change == "unknown":
        tensors["encoder.extra"] = torch.zeros(1)
    elif change == "shape":
        tensors["decoder.mask_token"] = torch.zeros(7)
    else:
        tensors["decoder.mask_token"] = torch.full_like(tensors["decoder.mask_token"], float("nan"))
    safetensors.torch.save_file(tensors, file)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("lacks", "lacks tensor decoder.mask_token"),
        ("unknown", "unknown tensor encoder.extra"),
        ("shape", "wrong shape of tensor decoder.mask_token"),
        ("nan", "decoder.mask_token is not finite"),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, change: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        registry.load(spoiled(tmp_path, change))


def test_a_damaged_description(tmp_path: Path) -> None:
    for number, text in enumerate(("{", "[]", '{"model": "presto"}', '{"model": "vit", "config": {}}')):
        file = tmp_path / f"{number}.safetensors"
        safetensors.torch.save_file({"a": torch.zeros(1)}, file, metadata={"geomix": text})
        with pytest.raises(DataError, match=r"damaged|unknown model 'vit'"):
            registry.load_weights(str(file))


def test_configurations_that_cannot_be_built() -> None:
    with pytest.raises(DataError, match="unknown model 'vit'"):
        registry.build("vit", {}, 0)
    with pytest.raises(DataError, match="unknown setting 'width'"):
        registry.build("presto", {"width": 64}, 0)
    with pytest.raises(DataError, match="width 64 with 5 heads"):
        registry.build("presto", {"encoder_embedding_size": 64, "encoder_num_heads": 5}, 0)
    with pytest.raises(DataError, match="width 30"):
        registry.build("presto", {"encoder_embedding_size": 30, "encoder_num_heads": 2}, 0)
