"""The stages of a study one after the other in this process: what `geomix pool`, `geomix sample` ... do, without KFP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from geomix import plan, pool, pretrain, report, sample, shard, sweep
from geomix.step import Place

Tell = Callable[[str], None]


@dataclass
class Chain:
    """Results so far: each stage's return value by its name."""

    study: str
    place: Place
    tell: Tell
    results: dict[str, Any] = field(default_factory=dict)

    def until(self, stage: str) -> Any:
        """The result of `stage`, after every stage before it."""
        for name, work in _STAGES:
            self.tell(name)
            self.results[name] = work(self)
            if name == stage:
                break
        return self.results[stage]


def _pretrain(chain: Chain) -> list[list[dict[str, Any]]]:
    return [pretrain.run(item, chain.place) for item in chain.results["shard"]]


def _sweep(chain: Chain) -> list[str]:
    pairs = zip(chain.results["shard"], chain.results["pretrain"], strict=True)
    return [sweep.run(item, encoders, chain.place) for item, encoders in pairs]


def _report(chain: Chain) -> str:
    labels = chain.results["shard"][0]["labels"]
    return report.run(chain.results["plan"], labels, chain.results["sweep"], chain.place)


_STAGES: tuple[tuple[str, Callable[[Chain], Any]], ...] = (
    ("plan", lambda chain: plan.run(chain.study, chain.place, sweep.preflight)),
    ("pool", lambda chain: pool.run(chain.results["plan"], chain.place)),
    ("sample", lambda chain: [sample.run(draw, chain.place) for draw in chain.results["pool"]]),
    ("shard", lambda chain: shard.run(chain.results["plan"], chain.results["sample"], chain.place)),
    ("pretrain", _pretrain),
    ("sweep", _sweep),
    ("report", _report),
)
