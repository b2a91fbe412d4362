"""`make bench`: speed as ratios against a named baseline of the same run. Exit code 1 if a goal is missed.

Absolute times are printed for people and gate nothing: they say more about the machine than about the code.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import data, judging, training

BENCHES = (data.strata, data.reading, data.drawing, training.batches, judging.logistic, judging.neighbours)


def main() -> int:
    """Runs every benchmark and prints a table."""
    console = Console(width=140)
    table = Table("what", "seconds", "baseline", "seconds", "times faster", "goal")
    missed = 0
    for bench in BENCHES:
        with tempfile.TemporaryDirectory() as folder:
            m = bench(Path(folder))
        missed += not m.met
        goal = "" if m.goal is None else f">= {m.goal:g}" + ("" if m.met else "  MISSED")
        table.add_row(m.what, f"{m.ours_s:.4f}", m.baseline, f"{m.baseline_s:.4f}", f"{m.ratio:.1f}", goal)
    console.print(table)
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
