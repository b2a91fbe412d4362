"""Safetensors files: read whole, checked, and put into a module. Pickles are refused unopened."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from geomix import store
from geomix.errors import DataError


@dataclass(frozen=True)
class TensorFile:
    """Content of a safetensors file."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str


def read(uri: str) -> TensorFile:
    """The file at `uri`. Raises DataError for pickles, and for a file that is missing or damaged."""
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
            with path.open("rb") as raw:
                digest = hashlib.file_digest(raw, "sha256").hexdigest()
            with safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                return TensorFile(tensors, dict(file.metadata() or {}), digest)
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{uri}: no such file", remedy="check the path of the weights") from None
    except (SafetensorError, OSError) as error:
        raise DataError(f"{uri}: not a safetensors file ({error})", remedy="is it complete? fetch it again") from None


def fill(module: nn.Module, tensors: Mapping[str, Tensor], uri: str, what: str, optional: Collection[str] = ()) -> None:
    """Puts `tensors` into `module`; those in `optional` may be absent. Raises DataError, which names `what` was wanted."""
    state = module.state_dict()
    lacking = sorted(set(state) - set(tensors) - set(optional))
    unknown = sorted(set(tensors) - set(state))
    wrong = sorted(k for k in set(state) & set(tensors) if state[k].shape != tensors[k].shape)
    for words, keys in (("lacks", lacking), ("has the unknown", unknown), ("has a wrong shape of", wrong)):
        if keys:
            raise DataError(
                f"{uri}: {words} tensor {keys[0]}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else ""),
                wanted=f"the weights of {what}",
            )
    bad = sorted(k for k, v in tensors.items() if not math.isfinite(v.double().sum().item()))
    if bad:
        raise DataError(f"{uri}: tensor {bad[0]} is not finite", remedy="the training that made it failed")
    module.load_state_dict(dict(tensors), strict=False)
