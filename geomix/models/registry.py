"""Find, build, save and load models: weights as safetensors, shapes as config.json; nothing is ever unpickled."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import safetensors.torch
import torch
from torch import Tensor

from geomix import ids, store
from geomix.errors import DataError
from geomix.models import protocol, published, tensor_file
from geomix.models.presto import Presto
from geomix.models.satclip import SatCLIP
from geomix.models.satmae import SatMAE

WEIGHTS, CONFIG = "model.safetensors", "config.json"
ENTRY_POINTS = "geomix.models"
"""Group of entry points under which packages offer models of their own (see `protocol`)."""

Model: TypeAlias = protocol.Model[Any, Any]

_OWN: Mapping[str, type[Model]] = {c.name: c for c in (Presto, SatCLIP, SatMAE)}


def names() -> list[str]:
    """Names of all models: ours, and those that installed packages offer. Raises DataError where two share a name."""
    offered = [point.name for point in importlib.metadata.entry_points(group=ENTRY_POINTS)]
    twice = sorted({n for n in offered if n in _OWN or offered.count(n) > 1})
    if twice:
        raise DataError(f"two models are called {twice[0]!r}", remedy=f"rename one in the entry points {ENTRY_POINTS!r}")
    return sorted([*_OWN, *offered])


def model_class(name: str) -> type[Model]:
    """The class of the model called `name`. Raises DataError if there is none, or it is not a whole model."""
    known = names()
    if name not in known:
        raise DataError(
            f"unknown model {name!r}",
            wanted=f"one of {', '.join(known)}",
            remedy=f"is the package installed that offers it under the entry points {ENTRY_POINTS!r}?",
        )
    return _OWN[name] if name in _OWN else _offered(name)


def _offered(name: str) -> type[Model]:
    (point,) = importlib.metadata.entry_points(group=ENTRY_POINTS, name=name)
    where = f"model {name}: {point.value}"
    try:
        found = point.load()
    except Exception as error:  # a user's module may raise anything when it is imported
        raise DataError(f"{where} cannot be imported ({type(error).__name__}: {error})") from error
    if not (isinstance(found, type) and issubclass(found, protocol.Model)):
        raise DataError(f"{where} is no model", wanted="a subclass of geomix.models.protocol.Model")
    lacking = sorted(found.__abstractmethods__) if inspect.isabstract(found) else []
    lacking += [a for a in ("name", "trains_on", "encodes") if not hasattr(found, a)]
    if lacking:
        raise DataError(f"{where} lacks {', '.join(lacking)}", wanted="all that geomix.models.protocol.Model asks for")
    if found.name != name:
        raise DataError(f"{where} calls itself {found.name!r}", wanted=f"name = {name!r}, as its entry point")
    return found


def build(name: str, config: Mapping[str, Any], seed: int) -> Model:
    """A new model; its random weights depend on (name, config, seed) alone. Raises DataError.

    How they are drawn is the model's own affair (`initialise`).
    """
    cls = model_class(name)
    drawn_from = ids.derive_seed("init", name, seed)
    model = _shape(cls, cls.resolve(config), drawn_from)
    with torch.no_grad():
        model.initialise(torch.Generator().manual_seed(drawn_from))
    return model


def _shape(cls: type[Model], config: Mapping[str, Any], seed: int = 0) -> Model:
    # torch draws its own initialisation from the process-wide generator, which is left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return cls.from_config(config)


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
    found = tensor_file.read(store.join(folder_uri, WEIGHTS))
    return from_tensors(str(content.get("model")), content["config"], found.tensors, folder_uri)


def load_weights(uri: str) -> Model:
    """The model in a published checkpoint (safetensors, original names: see `published`), or in one that `save` wrote.

    Raises DataError for pickles, damaged files and other models.
    """
    found = tensor_file.read(uri)
    if "geomix" in found.metadata:
        try:
            described = json.loads(found.metadata["geomix"])
            name, config = str(described["model"]), dict(described["config"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{uri}: its description of the model is damaged ({error})") from None
        return from_tensors(name, config, found.tensors, uri)
    name, config, tensors = published.recognise(found.tensors, uri)
    return from_tensors(name, config, tensors, uri, published.NO_NORMALISATION[name])


def from_tensors(
    name: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor], uri: str, optional: tuple[str, ...] = ()
) -> Model:
    """A model of the given shape and weights; tensors in `optional` may be absent. `uri` is for messages. Raises DataError."""
    model = _shape(model_class(name), config)
    tensor_file.fill(model, tensors, uri, f"a {model.name} of {model.config_dict()}", optional)
    return model
