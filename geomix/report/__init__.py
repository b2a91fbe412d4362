"""report: which composition wins, where, by how much, and how sure one can be."""

from geomix.report.stage import run

__all__ = ["run"]
