"""The rows of a pool before they are written, and the hashes that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix import ids


@dataclass(frozen=True)
class Rows:
    """A pool: `frame` has tables.POOL_SCHEMA's columns and the user's, sorted by id.

    `reference` [N]: what of `href` counts in the pool hash (no paths, so that a moved file keeps it).
    `version` [N]: what decides a row's pixels beside `content`: its first month, which corrections apply to it.
    `content`: what decides the pixels of all rows: the simulator and its world, or the arrays' bytes and how they are read.
    `notes`: counts for pool.json.
    """

    frame: pd.DataFrame
    reference: Sequence[str]
    version: Sequence[str]
    content: str
    notes: Mapping[str, Any] = field(default_factory=dict)


def grid5(degrees: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Degrees in steps of 1e-5 (about a metre), int64: what of a coordinate enters a hash."""
    return np.rint(np.asarray(degrees, dtype=np.float64) * 1e5).astype(np.int64)


def pool_hash(rows: Rows) -> str:
    """SHA-256 of the content version and of every row's (id, lon, lat, time, href, version) in order of id."""
    frame = rows.frame
    time = ["" if pd.isna(t) else str(int(t.timestamp())) for t in frame["time"]]
    columns = (frame["id"], grid5(frame["lon"].to_numpy()), grid5(frame["lat"].to_numpy()), time, rows.reference, rows.version)
    return ids.sha256("pool", rows.content, *("\x1f".join(map(str, row)) for row in zip(*columns, strict=True)))


def text(value: object) -> str:
    """A value of a table as text. A number in a column with gaps is read as 1.0: it is 1."""
    return str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value)
