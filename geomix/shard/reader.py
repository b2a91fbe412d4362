"""Random access to the series of a composition: memory maps, batches by fancy indexing.

Letters in names: B samples of a batch, T time steps, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from geomix.errors import DataError
from geomix.models.batch import SeriesBatch
from geomix.shard import layout

I64 = npt.NDArray[np.int64]
Arrays = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]


class SeriesReader:
    """The series of some ids of a store, in the order of the sorted ids. `open` makes one."""

    def __init__(self, rows: pd.DataFrame, arrays: Mapping[int, Arrays]) -> None:
        """Made from `rows` of the index, sorted by id, and `arrays`: part -> (values, months, land cover)."""
        self.ids: tuple[str, ...] = tuple(rows["id"])
        self._id_N = np.array(self.ids, dtype=object)
        self._part_N = rows["part"].to_numpy(dtype=np.int64)
        self._row_N = rows["row"].to_numpy(dtype=np.int64)
        self._lonlat_N2 = rows[["lon", "lat"]].to_numpy(dtype=np.float32)
        self._arrays = dict(arrays)

    @classmethod
    def open(cls, store_uri: str, ids: Sequence[str], cache: Path) -> SeriesReader:
        """A reader of `ids` (any order, each once) from the store at `store_uri`.

        Parts of a local store are memory-mapped where they lie; a remote store's are staged into `cache` first.
        Checksums are verified. Raises DataError if an id is missing or was refused, or a part is damaged.
        """
        index = layout.read_index(store_uri)
        wanted = pd.Index(sorted(ids))
        if wanted.has_duplicates:
            raise DataError(f"id {wanted[wanted.duplicated()][0]!r} is asked for more than once")
        at = pd.Index(index.rows["id"]).get_indexer(wanted)
        rows = index.rows.take(at[at >= 0])
        lacking = [*wanted[at < 0], *rows.loc[rows["part"] < 0, "id"]]
        if lacking:
            names = ", ".join(map(str, lacking[:5])) + (", ..." if len(lacking) > 5 else "")
            raise DataError(
                f"{store_uri}: {len(lacking)} of {len(wanted)} samples have no pixels here: {names}",
                wanted="ids of a realised manifest of this store",
                remedy="run the study again: `shard` adds what is missing",
            )
        parts = {int(part): _open_part(store_uri, index, int(part), cache) for part in np.unique(rows["part"])}
        return cls(rows, parts)

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, positions: I64) -> SeriesBatch:
        """The batch of the samples at `positions` (int64 [B], into `ids`), in that order."""
        part_B, row_B = self._part_N[positions], self._row_N[positions]
        parts = np.unique(part_B)
        if len(parts) == 1:
            values, month, landcover = (array[row_B] for array in self._arrays[int(parts[0])])
        else:
            first = self._arrays[int(parts[0])] if len(parts) else next(iter(self._arrays.values()))
            values, month, landcover = (np.empty((len(row_B), *array.shape[1:]), array.dtype) for array in first)
            for part in parts:
                here = np.flatnonzero(part_B == part)
                for target, array in zip((values, month, landcover), self._arrays[int(part)], strict=True):
                    target[here] = array[row_B[here]]
        valid = np.isfinite(values)
        np.copyto(values, np.float32(0), where=~valid)
        return SeriesBatch(
            x_BTC=torch.from_numpy(values),
            valid_BTC=torch.from_numpy(valid),
            month_BT=torch.from_numpy(month.astype(np.int64)),
            landcover_BT=torch.from_numpy(landcover.astype(np.int64)),
            lonlat_B2=torch.from_numpy(self._lonlat_N2[positions]),
            id_B=self._id_N[positions].tolist(),
        )


def _open_part(store_uri: str, index: layout.Index, part: int, cache: Path) -> Arrays:
    names = [layout.part_name(part, kind) for kind in layout.ARRAYS]
    values, month, landcover = (layout.open_array(store_uri, name, index.parts[part][name], cache) for name in names)
    return values, month, landcover
