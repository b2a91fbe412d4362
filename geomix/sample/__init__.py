"""sample: draws a composition from a pool and writes its manifest, draw first, then reserves."""

from geomix.sample.stage import run

__all__ = ["run"]
