"""Published checkpoints in their original tensor names: which model they are of, and its sizes, read off the tensors.

What tensors do not show (the number of heads, the groups of bands, how harmonics are scaled) is the published value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from geomix.errors import DataError

NO_NORMALISATION = {
    "presto": ("normalise.add_by", "normalise.divide_by"),
    "satmae": ("normalise.mean", "normalise.std"),
    "satclip": (),
}
"""Model -> tensors that published checkpoints lack: our models keep their normalisation with the weights."""

_SIGNS = {
    "presto": "encoder.latlon_embed.weight",
    "satmae": "decoder_channel_embed",
    "satclip": "nnet.last_layer.weight",
}


class Published(NamedTuple):
    """A recognised checkpoint."""

    model: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    """Under our names."""


def recognise(tensors: Mapping[str, Tensor], uri: str) -> Published:
    """The model in a published checkpoint. Raises DataError if it is of none, or lacks a tensor that shows a size."""
    name = next((model for model, sign in _SIGNS.items() if sign in tensors), None)
    if name is None:
        raise DataError(
            f"{uri}: the weights of no known model",
            wanted=f"a tensor {', '.join(f'{sign!r} ({model})' for model, sign in _SIGNS.items())}",
        )
    try:
        config = {"presto": _presto, "satmae": _satmae, "satclip": _satclip}[name](tensors)
    except (KeyError, IndexError, ValueError) as error:
        raise DataError(f"{uri}: no tensor {error}", wanted=f"the weights of a {name}") from None
    return Published(name, config, ours(name, tensors))


def ours(model: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` of a published `model` under our names: SatCLIP's location encoder is a part of ours."""
    return {f"location.{key}" if model == "satclip" else key: value for key, value in tensors.items()}


def _presto(t: Mapping[str, Tensor]) -> dict[str, Any]:
    D, channel = t["encoder.latlon_embed.weight"].shape[0], t["encoder.channel_embed.weight"].shape[1]
    return {
        "encoder_embedding_size": D,
        "channel_embed_ratio": channel / D,
        "month_embed_ratio": t["encoder.month_embed.weight"].shape[1] / D,
        "encoder_depth": _depth(t, "encoder.blocks."),
        "mlp_ratio": t["encoder.blocks.0.mlp.fc1.weight"].shape[0] / D,
        "decoder_embedding_size": t["decoder.mask_token"].shape[0],
        "decoder_depth": _depth(t, "decoder.decoder_blocks."),
        "max_sequence_length": t["encoder.pos_embed"].shape[1],
    }


def _satmae(t: Mapping[str, Tensor]) -> dict[str, Any]:
    bands = [t[f"patch_embed.{g}.proj.weight"].shape[1] for g in range(_depth(t, "patch_embed."))]
    if bands != [4, 4, 2]:
        raise ValueError(f"for groups of 4, 4 and 2 bands (there are {bands})")
    D, _, patch, _ = t["patch_embed.0.proj.weight"].shape
    return {
        "img_size": round((t["pos_embed"].shape[1] - 1) ** 0.5) * patch,
        "patch_size": patch,
        "channel_embed": t["channel_embed"].shape[2],
        "embed_dim": D,
        "depth": _depth(t, "blocks."),
        "num_heads": max(D // 64, 1),
        "decoder_channel_embed": t["decoder_channel_embed"].shape[2],
        "decoder_embed_dim": t["mask_token"].shape[2],
        "decoder_depth": _depth(t, "decoder_blocks."),
        "mlp_ratio": t["blocks.0.mlp.fc1.weight"].shape[0] / D,
    }


def _satclip(t: Mapping[str, Tensor]) -> dict[str, Any]:
    return {
        "tower": "none",
        "legendre_polys": round(t["nnet.layers.0.weight"].shape[1] ** 0.5),
        "num_hidden_layers": _depth(t, "nnet.layers."),
        "capacity": t["nnet.layers.0.weight"].shape[0],
        "embed_dim": t["nnet.last_layer.weight"].shape[0],
    }


def _depth(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({key.removeprefix(prefix).split(".")[0] for key in tensors if key.startswith(prefix)})
