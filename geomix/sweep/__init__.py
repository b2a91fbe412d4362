"""sweep: judges frozen encoders on downstream tasks, region by region. Reads encoders and tasks, writes scores."""

from geomix.sweep.prepared import preflight
from geomix.sweep.stage import run

__all__ = ["preflight", "run"]
