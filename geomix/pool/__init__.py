"""pool: everything that could be sampled, one row a sample, with the strata of every place."""

from geomix.pool.build import build
from geomix.pool.columns import PoolColumns
from geomix.pool.draws import expand
from geomix.pool.resolve import Wish, resolve
from geomix.pool.stage import run

__all__ = ["PoolColumns", "Wish", "build", "expand", "resolve", "run"]
