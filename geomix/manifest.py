"""The manifest: the file that holds a composition, its hash, and the description beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from geomix import ids, store, tables

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("stratum", pa.string()),
    ]
)

NONE = "none"
"""Manifest hash of zero pretraining."""

RAW = "raw"
"""Manifest hash of the baseline on raw features: no encoder at all."""


@dataclass(frozen=True)
class Manifest:
    """An ordered composition: `rows` (id, rank, stratum), the first `budget` are the draw, the rest the reserves."""

    rows: pd.DataFrame
    budget: int
    description: Mapping[str, Any] = field(default_factory=dict)

    @property
    def drawn(self) -> pd.DataFrame:
        """The draw: the first `budget` rows."""
        return self.rows.iloc[: self.budget]

    @property
    def reserves(self) -> pd.DataFrame:
        """What follows the draw, in the order in which it would replace refused samples."""
        return self.rows.iloc[self.budget :]


def manifest_hash(sample_ids: Iterable[str], pool_hash: str) -> str:
    """SHA-256 of the sorted ids and the pool hash: what keys pretraining and results. Order does not matter."""
    return ids.sha256("manifest", pool_hash, *sorted(sample_ids))


def weights_hash(sha256: str) -> str:
    """Manifest hash of a published checkpoint."""
    return f"weights:{sha256}"


def write(folder: str, manifest: Manifest) -> None:
    """Writes manifest.parquet and manifest.json into `folder`."""
    tables.write_parquet(store.join(folder, "manifest.parquet"), manifest.rows, SCHEMA)
    store.write_json(store.join(folder, "manifest.json"), {"budget": manifest.budget, **manifest.description})


def read(folder: str) -> Manifest:
    """The manifest in `folder`. Raises DataError."""
    rows = tables.read(store.join(folder, "manifest.parquet"), SCHEMA.names)
    description = store.read_json(store.join(folder, "manifest.json"))
    return Manifest(rows, int(description.pop("budget")), description)
