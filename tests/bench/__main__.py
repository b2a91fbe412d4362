"""`make bench`: speed as ratios against a named baseline of the same run. Exit code 1 if a goal is missed.

    python -m tests.bench [GROUP ...]      pool, store, earth, training, sweep; all without an argument

Absolute times are printed for people and gate nothing: they say more about the machine than about the code.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import data, earth_images, judging, pool, strata, training
from tests.bench.measure import Measured

GROUPS: dict[str, list[Callable[[Path], Measured | str]]] = {
    "pool": [
        strata.nations,
        strata.biomes,
        strata.memory,
        strata.bigearthnet,
        data.drawing,
    ],
    "store": [data.reading],
    "earth": [earth_images.chips],
    "training": [training.batches],
    "sweep": [judging.logistic, judging.neighbours],
}
"""Group -> benchmarks; a benchmark returns what it measured, or the reason for which it did not run."""


def main(groups: Sequence[str]) -> int:
    """Runs the benchmarks of `groups` (none: all) and prints a table."""
    unknown = set(groups) - set(GROUPS)
    if unknown:
        print(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    console = Console(width=160)
    table = Table("what", "ours", "baseline", "", "times better", "goal")
    missed = 0
    for bench in [b for group in groups or GROUPS for b in GROUPS[group]]:
        with tempfile.TemporaryDirectory() as folder:
            m = bench(Path(folder))
        if isinstance(m, str):
            console.print(f"skipped: {m}")
            continue
        missed += not m.met
        goal = "" if m.goal is None else f">= {m.goal:g}" + ("" if m.met else "  MISSED")
        table.add_row(m.what, f"{m.ours_s:.4f} {m.unit}", m.baseline, f"{m.baseline_s:.4f} {m.unit}", f"{m.ratio:.1f}", goal)
    console.print(table)
    if "pool" in (groups or GROUPS):
        pool.show(pool.draws())
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
