"""The table of scales: complete, buildable, and the published numbers where it says so."""

from __future__ import annotations

import json
import typing

import pytest

from geomix import config
from geomix.errors import StudyError
from geomix.models import registry, scales

SCALES = typing.get_args(config.Scale)


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_of_the_study_schema_has_a_preset(scale: str) -> None:
    preset = scales.preset(scale, "presto")
    assert registry.build("presto", preset.config, 0).config_dict().items() >= preset.config.items()
    assert 0 < preset.warmup_steps < preset.steps
    assert 0 < preset.checkpoint_every < preset.steps
    assert json.loads(json.dumps(preset.to_json())) == preset.to_json()


def test_paper_is_as_published() -> None:
    preset = scales.preset("paper", "presto")
    model = registry.build("presto", preset.config, 0)
    assert model.config_dict() == registry.build("presto", {}, 0).config_dict()
    assert (preset.batch_size, preset.lr, preset.weight_decay, preset.betas) == (4096, 1e-3, 0.05, (0.9, 0.95))
    assert preset.steps == 104_980  # 20 epochs of 21.5 million samples


def test_unknown_scale_and_model() -> None:
    with pytest.raises(StudyError, match="no scale 'huge'"):
        scales.preset("huge", "presto")
    with pytest.raises(StudyError, match="model 'vit'"):
        scales.preset("debug", "vit")
