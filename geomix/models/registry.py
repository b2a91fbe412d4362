"""Build, save and load models: weights as safetensors, shapes as config.json; nothing is ever unpickled."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from geomix import ids, store
from geomix.errors import DataError
from geomix.models import presto
from geomix.models.batch import SeriesBatch
from geomix.models.losses import LossSums

WEIGHTS, CONFIG = "model.safetensors", "config.json"


@runtime_checkable
class Encoder(Protocol):
    """What every model offers beside being a torch module."""

    name: str

    @property
    def embed_dim(self) -> int:
        """Width of an embedding."""

    def config_dict(self) -> dict[str, Any]:
        """Arguments of `build` that give a model of this shape."""

    def encode(self, batch: SeriesBatch, location: bool = True) -> Tensor:
        """float32 [B, embed_dim]."""

    def loss_sums(self, batch: SeriesBatch, seed: int, step: int) -> LossSums:
        """Terms of the training loss as sums and counts."""


Model: TypeAlias = presto.Presto
"""The models there are: every one is an `nn.Module` and an `Encoder`."""


def build(name: str, config: Mapping[str, Any], seed: int) -> Model:
    """A new model; its random weights depend on (name, config, seed) alone. Raises DataError.

    Linear layers: Xavier uniform, bias 0. Embedding tables: normal(0, 1), beside sine tables of the same size.
    Mask token: normal(0, 0.02), as in masked autoencoders (He et al. 2022).
    """
    model = _shape(name, config)
    generator = torch.Generator().manual_seed(ids.derive_seed("init", name, seed))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, generator=generator)
        nn.init.normal_(model.decoder.mask_token, std=0.02, generator=generator)
    return model


def _shape(name: str, config: Mapping[str, Any]) -> Model:
    if name != "presto":
        raise DataError(f"unknown model {name!r}", wanted="presto")
    fields = {f.name: f for f in dataclasses.fields(presto.Config)}
    unknown = sorted(set(config) - set(fields))
    if unknown:
        raise DataError(f"model {name}: unknown setting {unknown[0]!r}", wanted=f"one of {', '.join(fields)}")
    # Whole numbers come back from JSON through KFP as 1.0.
    values = {key: float(v) if "ratio" in key else int(v) for key, v in config.items()}
    c = presto.Config(**values)  # type: ignore[arg-type]
    _possible(c)
    # torch's own initialisation, drawn from the process-wide generator, is replaced by `build` or a checkpoint.
    with torch.random.fork_rng(devices=[]):
        return presto.Presto(c)


def _possible(c: presto.Config) -> None:
    for width, heads in (
        (c.encoder_embedding_size, c.encoder_num_heads),
        (c.decoder_embedding_size, c.decoder_num_heads),
    ):
        if min(width, heads) < 1 or width % heads or width % 16:
            raise DataError(f"model presto: width {width} with {heads} heads", wanted="a multiple of 16 and of the heads")


def save(model: Model, folder_uri: str, extra: Mapping[str, Any]) -> None:
    """Writes model.safetensors, then config.json (`{"model", "config", **extra}`), each whole or not at all.

    `extra` is JSON: what the weights were made from. A shared parameter is stored under each of its names, as published.
    """
    state = {key: value.detach().cpu().contiguous().clone() for key, value in model.state_dict().items()}
    with store.writing(store.join(folder_uri, WEIGHTS)) as path:
        # One entry: safetensors writes several in a random order, and equal weights must give equal bytes.
        described = {"geomix": ids.canonical_json({"model": model.name, "config": model.config_dict()})}
        safetensors.torch.save_file(dict(sorted(state.items())), path, metadata=described)
    store.write_json(store.join(folder_uri, CONFIG), {**extra, "model": model.name, "config": model.config_dict()})


def load(folder_uri: str) -> Model:
    """The model that `save` wrote. Raises DataError if it is missing, damaged or of another shape."""
    uri = store.join(folder_uri, CONFIG)
    try:
        content = store.read_json(uri)
    except FileNotFoundError:
        raise DataError(f"{uri}: no such file", wanted="a folder that geomix saved a model in") from None
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
        raise DataError(f"{uri}: no model description", remedy="was it written by another program?")
    model = _shape(str(content.get("model")), content["config"])
    tensors, _ = _read(store.join(folder_uri, WEIGHTS))
    _fill(model, tensors, folder_uri, optional=())
    return model


def load_weights(uri: str) -> Model:
    """The model in a published Presto checkpoint (safetensors, original names), or in one that `save` wrote.

    Sizes are read off the tensors; what they do not show (the number of heads) is the published one, or in our own files
    stands in the file's metadata. Raises DataError for pickles, damaged files and other models.
    """
    tensors, metadata = _read(uri)
    if "geomix" in metadata:
        described = json.loads(metadata["geomix"])
        model = _shape(described["model"], described["config"])
    else:
        model = _shape("presto", dataclasses.asdict(_published_sizes(tensors, uri)))
    _fill(model, tensors, uri, optional=("normalise.add_by", "normalise.divide_by"))
    return model


def _read(uri: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file."""
    if uri.endswith((".pt", ".pth", ".pkl", ".ckpt", ".bin")):
        raise DataError(
            f"{uri}: a pickled checkpoint can run any program when it is opened",
            wanted="a .safetensors file",
            remedy="convert it where you trust it: python -c 'import torch, safetensors.torch as s; "
            's.save_file({k: v.clone() for k, v in torch.load("IN.pt", weights_only=True).items()}, "OUT.safetensors")\'',
        )
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = store.local_copy(uri, Path(folder))
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{uri}: no such file", remedy="check the path of the weights") from None
    except (SafetensorError, OSError) as error:
        raise DataError(f"{uri}: not a safetensors file ({error})", remedy="is it complete? fetch it again") from None


def _published_sizes(tensors: Mapping[str, Tensor], uri: str) -> presto.Config:
    try:
        D, channel = tensors["encoder.latlon_embed.weight"].shape[0], tensors["encoder.channel_embed.weight"].shape[1]
        return presto.Config(
            encoder_embedding_size=D,
            channel_embed_ratio=channel / D,
            month_embed_ratio=tensors["encoder.month_embed.weight"].shape[1] / D,
            encoder_depth=_depth(tensors, "encoder.blocks."),
            mlp_ratio=tensors["encoder.blocks.0.mlp.fc1.weight"].shape[0] / D,
            decoder_embedding_size=tensors["decoder.mask_token"].shape[0],
            decoder_depth=_depth(tensors, "decoder.decoder_blocks."),
            max_sequence_length=tensors["encoder.pos_embed"].shape[1],
        )
    except (KeyError, IndexError) as error:
        raise DataError(f"{uri}: no tensor {error}", wanted="the weights of a Presto model") from None


def _depth(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({key.removeprefix(prefix).split(".")[0] for key in tensors if key.startswith(prefix)})


def _fill(model: Model, tensors: Mapping[str, Tensor], uri: str, optional: tuple[str, ...]) -> None:
    state = model.state_dict()
    lacking = sorted(set(state) - set(tensors) - set(optional))
    unknown = sorted(set(tensors) - set(state))
    wrong = sorted(k for k in set(state) & set(tensors) if state[k].shape != tensors[k].shape)
    for words, keys in (("lacks", lacking), ("has the unknown", unknown), ("has a wrong shape of", wrong)):
        if keys:
            raise DataError(
                f"{uri}: {words} tensor {keys[0]}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else ""),
                wanted=f"the weights of a {model.name} of {model.config_dict()}",
            )
    bad = sorted(k for k, v in tensors.items() if not math.isfinite(v.double().sum().item()))
    if bad:
        raise DataError(f"{uri}: tensor {bad[0]} is not finite", remedy="the training that made it failed")
    model.load_state_dict(dict(tensors), strict=False)
