"""Classes of many places as numbers: a small code a place, and the names once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class Coded:
    """Class of each place: `code` int16 or int32 [N], a position in `names`, -1 where a place has no class."""

    code: Codes
    names: tuple[str, ...]

    def values(self) -> npt.NDArray[np.object_]:
        """The classes themselves: object [N], str, None where a place has none."""
        return np.asarray(np.array([*self.names, None], dtype=object)[self.code])


def smallest(codes: Codes, count: int) -> Codes:
    """`codes` as int16 where `count` classes allow it, else as int32."""
    return codes.astype(np.int16 if count < np.iinfo(np.int16).max else np.int32)


@dataclass(frozen=True)
class Legend:
    """Names in order, and the code of each member of a table (polygon parts, numbers of a map) [M + 1]: the last is -1,
    so that member -1 (none) has no class."""

    names: tuple[str, ...]
    code: Codes

    @classmethod
    def of(cls, values: npt.NDArray[np.object_]) -> Legend:
        """The legend of members whose classes are `values`: object [M], str or None."""
        names = sorted({str(v) for v in values if v is not None})
        at = {name: code for code, name in enumerate(names)} | {None: -1}
        return cls(tuple(names), smallest(np.array([*(at[v] for v in values), -1], dtype=np.int64), len(names)))

    def of_members(self, member: npt.NDArray[np.integer[Any]]) -> Coded:
        """Classes of places by the member that each belongs to: integers [N], -1 for none."""
        return Coded(np.asarray(self.code[member]), self.names)
