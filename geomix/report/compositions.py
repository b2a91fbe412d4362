"""What every composition drew: its places, counts by stratum as asked and as they became, and refused samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from geomix import manifest, store, tables
from geomix.report.rows import Label

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Draw:
    """One realised draw of a composition."""

    seed: int
    manifest_hash: str
    lonlat_N2: F64
    """Degrees, WGS84, longitude first."""
    requested: Mapping[str, int]
    """Stratum -> samples asked for; empty if the manifest does not say."""
    realised: Mapping[str, int]
    refused: Mapping[str, int]
    """Refusal code -> samples replaced from the reserves."""
    excluded: int | None
    """Candidates removed before drawing because they lie near a task's place."""


@dataclass(frozen=True)
class Composition:
    """All draws of one composition."""

    name: str
    pool: str
    pool_hash: str
    draws: tuple[Draw, ...]

    @property
    def places_N2(self) -> F64:
        """Places of all draws, one row a sample and draw."""
        return np.concatenate([d.lonlat_N2 for d in self.draws])

    @property
    def strata(self) -> tuple[str, ...]:
        """Every stratum asked for or found, sorted."""
        return tuple(sorted({s for d in self.draws for s in (*d.requested, *d.realised)}))


@dataclass
class _Pools:
    """Coordinates of pools, read once each."""

    known: dict[str, pd.DataFrame] = field(default_factory=dict)

    def lonlat(self, uri: str, sample_ids: Sequence[str]) -> F64:
        if uri not in self.known:
            self.known[uri] = tables.read(store.join(uri, "pool.parquet"), ["id", "lon", "lat"]).set_index("id")
        return self.known[uri].loc[list(sample_ids), ["lon", "lat"]].to_numpy(dtype=np.float64)


def read(labels: Sequence[Label]) -> list[Composition]:
    """The compositions that drew samples, in the order of `labels`, draws by seed. Raises DataError."""
    pools = _Pools()
    found: dict[str, dict[int, Draw]] = {}
    about: dict[str, tuple[str, str]] = {}
    for label in labels:
        if label.manifest is None or label.draw_seed is None:
            continue
        draws = found.setdefault(label.composition, {})
        if label.draw_seed in draws:
            continue  # the same draw, for another model
        rows = manifest.read(label.manifest)
        description = rows.description
        pool = description["pool"]
        about[label.composition] = (str(label.pool), str(pool["hash"]))
        draws[label.draw_seed] = Draw(
            label.draw_seed,
            label.manifest_hash,
            pools.lonlat(_beside(label.manifest, str(pool["uri"])), list(rows.drawn["id"])),
            _counts(description.get("requested")),
            _counts(description.get("realised")) or count(rows.drawn),
            _counts(description.get("refused_by_code")),
            _excluded(description.get("excluded")),
        )
    return [Composition(name, *about[name], tuple(draws[seed] for seed in sorted(draws))) for name, draws in found.items()]


def pool_uris(labels: Sequence[Label]) -> dict[str, str]:
    """Pool name -> URI of its folder, from the manifests of `labels`."""
    found: dict[str, str] = {}
    for label in labels:
        if label.manifest is not None and label.pool is not None and label.pool not in found:
            found[label.pool] = _beside(label.manifest, str(manifest.read(label.manifest).description["pool"]["uri"]))
    return found


def _beside(manifest_uri: str, pool_uri: str) -> str:
    # Manifests remember where their pool was when they were drawn; the work folder may have been moved since. Both lie
    # under one root: {root}/shard/{key}/{attempt}/manifests/{name} and {root}/pool/{key}/{attempt}.
    root = manifest_uri.rstrip("/").rsplit("/", 5)[0]
    return store.join(root, *pool_uri.rstrip("/").split("/")[-3:])


def count(rows: pd.DataFrame) -> dict[str, int]:
    """Samples by stratum, all of them under `all` where a manifest has no strata."""
    strata = rows["stratum"].fillna("all").astype(str).value_counts()
    return {str(name): int(n) for name, n in sorted(strata.items())}


def _counts(content: object) -> dict[str, int]:
    return {str(k): int(v) for k, v in sorted(content.items())} if isinstance(content, Mapping) else {}


def _excluded(content: object) -> int | None:
    return int(content["rows"]) if isinstance(content, Mapping) and "rows" in content else None
