"""Reference vectors of a published model: reading them, and differences between them and ours."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from geomix import store
from geomix.errors import DataError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Difference:
    """One compared output. `largest` is absolute, for Presto's losses relative."""

    case: str
    name: str
    largest: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """True within the tolerance (a NaN is not)."""
        return self.largest <= self.tolerance


class Vectors(Mapping[str, Array]):
    """The arrays of vectors.npz by name (`<case>/<array>`). Remembers which were looked at."""

    def __init__(self, folder: str) -> None:
        uri = store.join(folder, "vectors.npz")
        self.uri, self.used = uri, set[str]()
        try:
            with np.load(store.local_path(uri), allow_pickle=False) as stored:
                self._arrays = {key: stored[key] for key in stored.files}
        except (FileNotFoundError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{uri}: not readable ({error})", wanted="reference vectors of a published model") from None

    def __getitem__(self, name: str) -> Array:
        if name not in self._arrays:
            raise DataError(f"{self.uri}: no array {name!r}", wanted=f"one of {', '.join(sorted(self._arrays))}")
        self.used.add(name)
        found: Array = self._arrays[name]
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def tensor(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        """The array as a tensor."""
        return torch.from_numpy(self[name].copy()).to(dtype)

    def cases(self, depth: int = 1) -> list[str]:
        """The cases there are: names of arrays without their last part, where they have `depth` + 1 parts."""
        return sorted({name.rpartition("/")[0] for name in self if name.count("/") == depth})

    def compare(self, case: str, name: str, value: Tensor | Array | float, tolerance: float) -> list[Difference]:
        """The largest absolute difference of our `value` from the array, if there is such an array. Raises DataError."""
        key = f"{case}/{name}" if case else name
        if key not in self:
            return []
        ours = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        theirs = self[key]
        if ours.shape != theirs.shape:
            raise DataError(f"{self.uri}: {key} has shape {theirs.shape}", wanted=f"{ours.shape}, as ours")
        gap = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
        return [Difference(case, name, float(gap.max(initial=0.0)), tolerance)]


def config_of(folder: str, name: str) -> dict[str, Any]:
    """The JSON object in `folder`/`name`. Raises DataError."""
    uri = store.join(folder, name)
    try:
        content = store.read_json(uri)
    except FileNotFoundError:
        raise DataError(f"{uri}: no such file", wanted="the configuration that the vectors were made with") from None
    if not isinstance(content, dict):
        raise DataError(f"{uri}: no JSON object", wanted="the configuration that the vectors were made with")
    return content


def known(kind: type[Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of `content` that are settings of ours: a published configuration says more."""
    names = {f.name for f in dataclasses.fields(kind)}
    return {key: value for key, value in content.items() if key in names}
