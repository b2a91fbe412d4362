"""plan: validates a study, writes what every later stage reads, and says what the study will cost."""

from geomix.plan.grid import Grid, grid
from geomix.plan.stage import run

__all__ = ["Grid", "grid", "run"]
