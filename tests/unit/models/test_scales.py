"""The table of scales: complete, buildable, and the published numbers where it says so."""

from __future__ import annotations

import json
import typing

import pytest
import torch

from geomix import config
from geomix.errors import StudyError
from geomix.models import registry, scales
from geomix.models.satclip import SatCLIP
from geomix.models.satmae import SatMAE

SCALES = typing.get_args(config.Scale)


MODELS = ("presto", "satclip", "satmae")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_of_the_study_schema_has_a_preset(scale: str, model: str) -> None:
    preset = scales.preset(scale, model)
    with torch.device("meta"):  # shapes without memory: the largest has 330 million weights
        built = registry.model_class(model).from_config(preset.config)
    assert json.loads(json.dumps(built.config_dict())).items() >= preset.to_json()["config"].items()
    assert 0 < preset.warmup_steps < preset.steps
    assert 0 < preset.checkpoint_every < preset.steps
    assert json.loads(json.dumps(preset.to_json())) == preset.to_json()


def test_paper_is_as_published() -> None:
    preset = scales.preset("paper", "presto")
    model = registry.build("presto", preset.config, 0)
    assert model.config_dict() == registry.build("presto", {}, 0).config_dict()
    assert (preset.batch_size, preset.lr, preset.weight_decay, preset.betas) == (4096, 1e-3, 0.05, (0.9, 0.95))
    assert preset.steps == 104_980  # 20 epochs of 21.5 million samples


def test_paper_of_satmae_is_a_vit_b_for_fifty_epochs() -> None:
    preset = scales.preset("paper", "satmae")
    with torch.device("meta"):
        model = registry.model_class("satmae").from_config(preset.config)
    assert isinstance(model, SatMAE)
    c = model.config
    assert (c.embed_dim, c.depth, c.num_heads, c.patch_size, c.img_size, c.mask_ratio) == (768, 12, 12, 8, 96, 0.75)
    assert (preset.batch_size, preset.lr, preset.steps, preset.warmup_steps) == (4096, 1.6e-3, 8544, 854)


def test_paper_of_satclip_has_forty_degrees_and_two_hidden_layers() -> None:
    preset = scales.preset("paper", "satclip")
    with torch.device("meta"):
        model = registry.model_class("satclip").from_config(preset.config)
    assert isinstance(model, SatCLIP)
    assert model.location.nnet.layers[0].in_features == 1600
    assert (len(model.location.nnet.layers), model.embed_dim, preset.lr) == (2, 256, 1e-4)


def test_unknown_scale_and_model() -> None:
    with pytest.raises(StudyError, match="no scale 'huge'"):
        scales.preset("huge", "presto")
    with pytest.raises(StudyError, match="model 'vit'"):
        scales.preset("debug", "vit")
