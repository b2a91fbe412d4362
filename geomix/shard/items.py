"""What is to be pretrained: items, one a (realised manifest, model), and the labels that each of them serves.

The strategy's name never reaches training: compositions whose realised manifests are equal become one item.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geomix import config, manifest, store
from geomix.errors import DataError

Item = dict[str, Any]
Label = dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """A composition's draw as `sample` hands it on: its label, draw seed, pool, and the folder of its manifest."""

    composition: str
    draw_seed: int
    pool: str
    pool_uri: str
    pool_hash: str
    manifest: str


@dataclass(frozen=True)
class Realised:
    """A draw with its realised manifest: hash, folder, and the store that holds its pixels."""

    drawn: Drawn
    manifest_hash: str
    folder: str
    store: str


def weights_sha256(study: config.Study) -> dict[str, str]:
    """Label of each `weights` composition -> SHA-256 of its file. Raises DataError if one is missing."""
    found = {}
    for label, composition in study.compositions.items():
        if isinstance(composition, config.Weights):
            try:
                found[label] = hashlib.sha256(store.read_bytes(composition.uri)).hexdigest()
            except (FileNotFoundError, IsADirectoryError):
                raise DataError(
                    f"composition {label!r}: no checkpoint at {composition.uri}",
                    wanted="a .safetensors file",
                    remedy="mend `uri:`, or set the GEOMIX_ variable it is written with",
                ) from None
    return found


def items(study: config.Study, realised: Sequence[Realised], weights: Mapping[str, str]) -> tuple[list[Item], list[Label]]:
    """The items and the labels of a study, without the URIs of the plan and of the labels, in the order of `realised`."""
    by_key: dict[tuple[str, str], Item] = {}
    labels: list[Label] = []

    def add(model: str, label: str, seeds: Sequence[int], hash_: str, source: Realised | None, uri: str | None = None) -> None:
        drawn = source.drawn if source else None
        pool = drawn.pool if drawn else (study.models[model].pool if model in study.models else None)
        folder = source.folder if source else None
        labels.append(
            {
                "composition": label,
                "draw_seed": drawn.draw_seed if drawn else None,
                "pool": pool,
                "model": model,
                "manifest_hash": hash_,
                "manifest": folder,
            }
        )
        item = by_key.setdefault(
            (hash_, model),
            {
                "model": model,
                "pool": pool,
                "pool_hash": drawn.pool_hash if drawn else manifest.NONE,
                "store": source.store if source else None,
                "manifest": folder,
                "manifest_hash": hash_,
                "weights": uri,
                "train_seeds": list(seeds),
                "compositions": [],
            },
        )
        if label not in item["compositions"]:
            item["compositions"].append(label)

    for model, use in study.models.items():
        for source in realised:
            if source.drawn.pool == use.pool:
                add(model, source.drawn.composition, study.seeds.train, source.manifest_hash, source)
        for label, composition in sorted(study.compositions.items()):
            if isinstance(composition, config.NoPretraining):
                add(model, label, study.seeds.train, manifest.NONE, None)
            elif isinstance(composition, config.Weights) and composition.model == model:
                add(model, label, [0], manifest.weights_hash(weights[label]), None, composition.uri)
    add(manifest.RAW, manifest.RAW, [0], manifest.RAW, None)
    return list(by_key.values()), labels
