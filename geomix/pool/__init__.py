"""pool: everything that could be sampled, one row a sample, with the strata of every place."""

from geomix.pool.stage import run

__all__ = ["run"]
