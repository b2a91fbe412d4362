"""earth: the synthetic Earth: real places, real strata, simulated monthly series and crop labels.

Every number that comes from here is synthetic and must be labelled so (design rule 10).
"""

from geomix.earth.places import pool_rows, task_rows
from geomix.earth.simulation import VERSION, simulate

__all__ = ["VERSION", "pool_rows", "simulate", "task_rows"]
