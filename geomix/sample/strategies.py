"""The strategies, by name: pure functions of (candidates, what is asked, parameters) that order the candidates.

Every order is that of an unlimited list: the first `budget` are the draw, what follows are the reserves, and a smaller
budget takes the head of a larger one's list. Nothing depends on the order of the rows. All strategies of one draw seed
share the samples' permanent random numbers, so that compositions overlap as much as their definitions allow.
"""

from __future__ import annotations

from collections.abc import Mapping

from geomix import config
from geomix.sample import blue_noise, by_entropy, by_feature, by_place, by_region, expressions, mixtures
from geomix.sample.by_place import largest
from geomix.sample.registry import STRATEGIES, Ask, Ordered, draw, enough, register

__all__ = ["STRATEGIES", "Ask", "Ordered", "columns", "draw", "enough", "largest", "register"]

MODULES = (blue_noise, by_entropy, by_feature, by_place, by_region, mixtures)
"""Where the strategies live: importing them fills the table."""


def columns(definition: config.Composition, parts: Mapping[str, config.Composition]) -> list[str] | None:
    """Columns of the pool that a composition and its parts read, for `pool_files.read`; None: they cannot be told, read all."""
    found: list[str] = []
    for one in (definition, *parts.values()):
        more = expressions.columns(one.expr) if isinstance(one, config.Where) else getattr(one, "reads", ())
        if more is None:
            return None
        found += more
    return sorted(set(found))
