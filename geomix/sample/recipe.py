"""What decides a draw: its pool, strategy, budget and seed, and whatever a strategy reads beside them, as hashes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix import atlas, config, ids, store, tables
from geomix.errors import CompositionError, DataError
from geomix.sample import exclude, strategies
from geomix.sample.strategies import Ask

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SCHEMA = 2
"""Raised when the same recipe gives another draw, or manifest.json other contents."""


@dataclass(frozen=True)
class Recipe:
    """One draw: a composition of one pool for one draw seed."""

    label: str
    """For people and messages; it decides nothing."""
    definition: config.Composition
    pool: Mapping[str, Any]
    """name, uri and hash of the pool."""
    budget: int
    draw_seed: int
    reserves: float = 0.25
    """As a share of the budget."""
    quota: str = "exact"
    near_tasks_km: float = 0.0
    places: pd.DataFrame | None = None
    """Places of tasks (tables.PLACES_SCHEMA), for the exclusion zone."""
    parts: Mapping[str, config.Composition] = field(default_factory=dict)
    """Label -> composition of what a mix or placebo is made of."""

    @property
    def ask(self) -> Ask:
        """What a strategy is asked for."""
        # The thousandth keeps 1000 * 0.29 at 290 and not at 289.
        reserves = math.floor(self.budget * self.reserves + 1e-3)
        return Ask(self.budget, reserves, self.draw_seed, self.quota, self.label, parts=self.parts)

    @property
    def decides(self) -> dict[str, Any]:
        """Everything but hashes, as plain JSON. Contents of the user's own files count (`inputs`), their paths do not."""
        counted = any(isinstance(c, config.Drawn) and c.has_quotas for c in (self.definition, *self.parts.values()))
        return {
            "strategy": self.definition.strategy,
            "parameters": self.definition.model_dump(mode="json", exclude={"strategy", "uri"}, exclude_none=True),
            "parts": {n: part.model_dump(mode="json", exclude={"uri"}, exclude_none=True) for n, part in self.parts.items()},
            "draw_seed": self.draw_seed,
            "budget": self.ask.budget,
            "reserves": self.ask.reserves,
            "quota": self.quota if counted else None,
            "near_tasks_km": self.near_tasks_km,
        }

    @property
    def zone(self) -> Callable[[F64, F64], Mask] | None:
        """(longitudes, latitudes) in degrees -> mask of the points near a task's place; None: nothing is excluded."""
        places = self.places
        if places is None or self.near_tasks_km <= 0:
            return None
        return lambda lon, lat: exclude.near(lon, lat, places, self.near_tasks_km)

    def nothing_left(self, rows: int) -> CompositionError:
        """What to raise if all `rows` of the pool lie in the exclusion zone."""
        return CompositionError(
            f"composition {self.label!r}: all {rows:,} rows of pool {self.pool['name']!r} lie within "
            f"{self.near_tasks_km:g} km of a task's place",
            remedy="lower `exclude: near_tasks_km`, or take another pool",
        )

    def inputs(self) -> dict[str, str]:
        """Hashes of the pool, of its columns that the pool hash leaves out, and of maps and files that are read beside it."""
        described = pool_description(str(self.pool["uri"]))
        found = {"pool": str(self.pool["hash"]), "columns": ids.sha256(ids.canonical_json(described["column_hashes"]))}
        if self.near_tasks_km > 0 and self.places is not None:
            found["places"] = exclude.places_hash(self.places)
        return found | _read_beside({"": self.definition, **self.parts})


def pool_description(pool_uri: str) -> dict[str, Any]:
    """pool.json of the pool in the folder `pool_uri`. Raises DataError."""
    if store.exists(store.join(pool_uri, "unfinished.json")):
        raise DataError(f"{pool_uri}: a pool that is not finished", remedy="run the command that builds it again")
    try:
        content = store.read_json(store.join(pool_uri, "pool.json"))
    except (FileNotFoundError, NotADirectoryError):
        remedy = f"build one: geomix pool build --kind grid --spacing-km 10 --out {pool_uri}"
        raise DataError(f"{pool_uri}: no pool here", wanted="a folder with pool.json", remedy=remedy) from None
    lacking = [key for key in ("pool_hash", "rows", "column_hashes") if not isinstance(content, dict) or key not in content]
    if lacking:
        raise DataError(f"{pool_uri}/pool.json: no {lacking[0]!r}", remedy="build the pool again with this version")
    return dict(content)


def _read_beside(compositions: Mapping[str, config.Composition]) -> dict[str, str]:
    """Hashes of what is read, by the label of the part that reads it (the composition itself: none)."""
    found = {}
    for label, one in compositions.items():
        if isinstance(one, config.Cities):
            largest = strategies.largest(one)
            # What counts of a list, not its bytes: the order of its rows and further columns do not.
            found[f"cities {label}"] = ids.sha256("cities", largest[["name", "lon", "lat"]].to_csv(index=False))
        elif getattr(one, "weight", None) == "area":
            found["land"] = atlas.source("landcover").sha256
        elif isinstance(one, config.Ids):
            found[f"ids {label}"] = tables.digest(one.uri)
    return found
