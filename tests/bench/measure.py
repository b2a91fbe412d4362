"""How speed is measured: the shortest of several runs of ours and of a named baseline, in turn, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One comparison: seconds (or another `unit`) of ours and of the baseline, and the ratio wanted (None: printed only)."""

    what: str
    baseline: str
    ours_s: float
    baseline_s: float
    goal: float | None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.baseline_s / self.ours_s

    @property
    def met(self) -> bool:
        """Whether the goal, if there is one, is reached."""
        return self.goal is None or self.ratio >= self.goal


def compare(
    what: str,
    ours: Callable[[], object],
    baseline_name: str,
    baseline: Callable[[], object],
    goal: float | None = None,
    repeats: int = 3,
) -> Measured:
    """Both timed `repeats` times in turn, after one run of ours to warm up; the shortest counts, since noise only adds."""
    ours()
    times: dict[str, list[float]] = {"ours": [], "baseline": []}
    for _ in range(repeats):
        for name, work in (("ours", ours), ("baseline", baseline)):
            started = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - started)
    return Measured(what, baseline_name, min(times["ours"]), min(times["baseline"]), goal)
