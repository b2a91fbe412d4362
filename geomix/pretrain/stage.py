"""The pretrain step, one a training seed: a trained encoder, an untrained one, or a published one in our format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from geomix import manifest, step
from geomix.pretrain.item import SCHEMA, Item

if TYPE_CHECKING:
    from geomix.pretrain.encoders import Encoders


def run(item: Mapping[str, Any], place: step.Place) -> list[dict[str, Any]]:
    """Encoders of `item` (one of `shard`'s), one a training seed: {"train_seed", "uri", "sha256"}.

    `uri` is a folder with model.safetensors, config.json and metrics.json. All seeds that are not there yet are trained in
    one Ray Train session; a seed that cannot be trained fails alone, in its own step. The baseline on raw features has no
    encoder: an empty list. Raises DataError, TrainingError.
    """
    if item.get("model") == manifest.RAW:
        return []
    one = Item(item, place)

    @cache
    def encoders() -> Encoders:
        from geomix.pretrain.encoders import Encoders  # torch takes 2 s, which a skipped step need not spend

        return Encoders(one)

    def work(seed: int) -> Callable[[str], Mapping[str, Any]]:
        return lambda folder: encoders().publish(seed, folder)

    found = []
    for seed in one.seeds:
        label, settings = one.label(seed), one.config(seed)
        done = step.run("pretrain", place, work(seed), schema=SCHEMA, config=settings, inputs=one.inputs, label=label)
        found.append({"train_seed": seed, "uri": done.uri, "sha256": done.outputs["sha256"]})
    return found
