"""The rows of any kind of pool, and what decides them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geomix import config, tables
from geomix.pool import grid, places, simulated, stac, table
from geomix.pool.rows import Rows, Source


@dataclass(frozen=True)
class Opened:
    """A pool before it is read: what decides its rows (for the step's key), and how to get them."""

    decides: dict[str, Any]
    inputs: dict[str, str]
    pool: config.Pool
    earth: config.Earth
    catalogue: stac.Catalogue | None
    scratch: Path

    def source(self, strata: Collection[str]) -> Source:
        """The rows. `strata`: names that the user's columns must not have. Raises PoolError, DataError."""
        pool = self.pool
        if isinstance(pool, config.GridPool):
            return grid.source(pool)
        if isinstance(pool, config.StacPool):
            assert self.catalogue is not None
            return stac.source(pool, self.catalogue)
        if isinstance(pool, config.EarthPool):
            return _small("the synthetic Earth", pool, simulated.build(pool, self.earth))
        if pool.arrays is not None:
            return _small(pool.uri, pool, table.build(pool, pool.arrays, strata))
        return places.source(pool, strata, self.scratch)


def opened(pool: config.Pool, earth: config.Earth, scratch: Path) -> Opened:
    """`pool`, with what decides its rows. An HTTP catalogue is fetched into `scratch` now, because its pages are hashed."""
    decides: dict[str, Any] = {"pool": pool.model_dump(mode="json")}
    inputs: dict[str, str] = {}
    catalogue = None
    if isinstance(pool, config.TablePool):
        del decides["pool"]["uri"]
        inputs = {"table": tables.digest(pool.uri)}
        if pool.arrays is not None:
            decides["pool"]["arrays"] = table.reading(pool.arrays)
            inputs["arrays"] = tables.digest(pool.arrays.uri)
    elif isinstance(pool, config.StacPool):
        del decides["pool"]["uri"]
        catalogue = stac.Catalogue(pool.uri, stac.Fields(pool.asset, pool.cloud, pool.nodata), scratch)
        inputs = {"items": catalogue.digest()}
    elif isinstance(pool, config.EarthPool):
        decides["earth"] = simulated.content(earth)
    return Opened(decides, inputs, pool, earth, catalogue, scratch)


def _small(name: str, pool: config.EarthPool | config.TablePool, rows: Rows) -> Source:
    checked = isinstance(pool, config.TablePool) and not pool.sea
    return Source(name, pool.kind, pool.pixels, rows.blocks, rows.content, rows.notes, ordered=True, may_be_exchanged=checked)
