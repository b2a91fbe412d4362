"""The winner: Holm's known answer, the error rate in null worlds, and power at a declared effect."""

from __future__ import annotations

import numpy as np
import pytest

from geomix.report import stats, verdict
from tests.unit.report.worlds import units

CANDIDATES = ["c0", "c1", "c2", "c3", "c4", "zero"]


def winners(seed: int, studies: int, higher: bool = True, **world: float | tuple[float, ...]) -> list[str | None]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(studies):
        analysis = stats.analyse(units(rng, 5, 2, 2, zero=float(world.get("zero", 0.0)), means=world.get("means", ())), 0.05)  # type: ignore[arg-type]
        found.append(verdict.verdict(analysis, CANDIDATES, higher).winner)
    return found


def test_holm_known_answer() -> None:
    # Smallest p times 4, next times 3, ...; never below the one before.
    assert verdict.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert verdict.holm([]) == []


def test_null_worlds_rarely_have_a_winner() -> None:
    found = winners(0, 2000)
    assert sum(w is not None for w in found) / len(found) <= 0.05


def test_two_equal_at_the_top_have_a_winner_no_more_often_than_stated() -> None:
    # The hardest null: the others are far below, so that everything hangs on one contrast.
    found = winners(1, 1000, means=(9.0, 9.0, 0.0, 0.0, 0.0), zero=-9.0)
    assert sum(w is not None for w in found) / len(found) <= 0.05 + 2 * (0.05 * 0.95 / 1000) ** 0.5


def test_a_declared_effect_is_found() -> None:
    found = winners(2, 200, means=(9.0,))
    assert found.count("c0") / len(found) > 0.8
    assert set(found) <= {"c0", None}


def test_less_is_better_for_errors() -> None:
    found = winners(3, 50, higher=False, means=(-12.0,))
    assert found.count("c0") > 40


def test_arms_that_are_no_candidates_do_not_decide() -> None:
    analysis = stats.analyse(units(np.random.default_rng(0), 3, 3, 3, means=(50.0, 0.0, 100.0)), 0.05)
    assert verdict.verdict(analysis, ["c0", "c1"], True).winner == "c0"
    assert verdict.verdict(analysis, ["c0", "c1", "c2"], True).winner == "c2"


def test_reasons() -> None:
    rng = np.random.default_rng(0)
    alone = verdict.verdict(stats.analyse(units(rng, 1, 2, 2), 0.05), ["c0"], True)
    assert alone.winner is None
    assert "fewer than two" in alone.reason
    bare = verdict.verdict(stats.analyse(units(rng, 3, 1, 1), 0.05), ["c0", "c1", "c2"], True)
    assert bare.winner is None
    assert "nothing is replicated" in bare.reason
    level = verdict.verdict(stats.analyse(units(rng, 3, 2, 2), 0.05), ["c0", "c1", "c2"], True)
    assert level.winner is None
    assert "cannot be told from" in level.reason
