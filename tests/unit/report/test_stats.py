"""Intervals and contrasts: known answers, coverage on simulated values, and reasons where nothing can be estimated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from geomix.report import anova, stats
from tests.unit.report.worlds import units

STUDIES = 300


def covered(seed: int, **world: float) -> tuple[float, float, float]:
    """Shares of true values inside the intervals: means, contrasts of two compositions, contrasts with zero pretraining."""
    rng = np.random.default_rng(seed)
    draws, seeds = int(world.pop("draws")), int(world.pop("seeds"))
    hits: dict[str, list[bool]] = {"mean": [], "contrast": [], "zero": []}
    for _ in range(STUDIES):
        found = stats.analyse(units(rng, 5, draws, seeds, zero=0.0, **world), 0.05)
        for name, e in found.estimates.items():
            assert e.low is not None
            assert e.high is not None
            if name != "zero":
                hits["mean"].append(e.low <= 0 <= e.high)
        for c in found.contrasts:
            assert c.low is not None
            assert c.high is not None
            hits["zero" if "zero" in (c.a, c.b) else "contrast"].append(c.low <= 0 <= c.high)
    return tuple(float(np.mean(hits[k])) for k in ("mean", "contrast", "zero"))  # type: ignore[return-value]


@pytest.mark.parametrize(("draws", "seeds"), [(2, 3), (3, 3), (5, 3)])
@pytest.mark.parametrize("draw_sd", [1.0, 3.0])
def test_intervals_cover_what_they_say(draws: int, seeds: int, draw_sd: float) -> None:
    # Within 2 points below the nominal 95 %; where draws hardly differ from seeds the intervals are wider, up to 98 %.
    for share in covered(1, draws=draws, seeds=seeds, draw_sd=draw_sd):
        assert 0.93 <= share <= 0.985


def test_effects_that_all_compositions_share_cancel_in_contrasts_and_widen_means() -> None:
    mean, contrast, _ = covered(2, draws=3, seeds=3, draw_sd=0.5, seed_sd=0.5, shared_sd=2.0)
    assert mean >= 0.91  # correlated means: the share itself scatters more
    assert 0.93 <= contrast <= 0.985
    rng = np.random.default_rng(0)
    found = stats.analyse(units(rng, 5, 3, 3, draw_sd=0.1, seed_sd=0.1, shared_sd=3.0), 0.05)
    c, e = found.contrasts[0], found.estimates["c0"]
    assert c.high is not None
    assert c.low is not None
    assert e.high is not None
    assert e.low is not None
    assert c.high - c.low < (e.high - e.low) / 4


def test_degrees_of_freedom_of_a_difference_do_not_vanish() -> None:
    variance, df = anova.combine([anova.Term(1.0, 1.0, 1), anova.Term(-1.0, 0.9, 4)])
    assert variance == pytest.approx(0.1)
    assert df == 1
    _, df = anova.combine([anova.Term(1.0, 1.0, 3), anova.Term(1.0, 1.0, 3)])
    assert df == pytest.approx(6)


def test_zero_pretraining_that_scatters_more_is_not_given_the_pooled_variance() -> None:
    assert covered(3, draws=3, seeds=3, zero_sd=3.0)[2] >= 0.88  # 0.87 with the pooled variance; said in METHODOLOGY.md


def test_one_composition_is_the_textbook_interval() -> None:
    # Draw means 1, 2, 4.5 (S = 2): MS_draw = S * var(draw means); the mean's variance is var(draw means) / D, df D - 1.
    values = [[0.9, 1.1], [1.9, 2.1], [4.4, 4.6]]
    rows = [("c", d, s, f"m{d}", v) for d, pair in enumerate(values) for s, v in enumerate(pair)]
    frame = pd.DataFrame(rows, columns=["composition", "draw", "seed", "manifest_hash", "value"]).astype({"draw": "Int64"})
    e = stats.analyse(frame, 0.05).estimates["c"]
    means = np.array([1.0, 2.0, 4.5])
    # Seeds favour the second here: max(0, MS_seed - MS_draw:seed) / (D S) adds (0.2**2 * 3 / 2 - 0) / 6.
    variance = means.var(ddof=1) / 3 + 0.2**2 * 3 / 2 / 6
    assert e.mean == pytest.approx(2.5)
    assert e.variance == pytest.approx(variance)
    assert e.scope == stats.DRAWS
    assert (e.n, e.draws, e.seeds) == (6, 3, 2)
    assert e.df == pytest.approx(2.0, abs=0.1)


def test_a_contrast_is_the_paired_t_test() -> None:
    # Two compositions, three draws, one seed: MS_cD is half the variance of the paired differences.
    a, b = np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.0, 3.8])
    rows = [("a", d, 0, f"a{d}", v) for d, v in enumerate(a)] + [("b", d, 0, f"b{d}", v) for d, v in enumerate(b)]
    frame = pd.DataFrame(rows, columns=["composition", "draw", "seed", "manifest_hash", "value"]).astype({"draw": "Int64"})
    c = stats.analyse(frame, 0.05).contrast("a", "b")
    t = (a - b).mean() / ((a - b).std(ddof=1) / 3**0.5)
    assert c.df == pytest.approx(2)
    assert c.p == pytest.approx(2 * special.stdtr(2, -abs(t)))
    back = stats.analyse(frame, 0.05).contrast("b", "a")
    assert back.difference == -c.difference
    assert back.low == pytest.approx(-(c.high or 0))


def test_one_draw_speaks_about_these_samples_only() -> None:
    found = stats.analyse(units(np.random.default_rng(0), 3, 1, 3, zero=0.0), 0.05)
    assert {e.scope for e in found.estimates.values()} == {stats.SEEDS}
    assert found.spread.draw is None
    assert found.spread.seed is not None


def test_nothing_replicated_gives_no_interval_but_a_reason() -> None:
    found = stats.analyse(units(np.random.default_rng(0), 3, 1, 1, zero=0.0), 0.05)
    assert all(e.low is None and e.reason for e in found.estimates.values())
    assert all(c.p is None and c.reason for c in found.contrasts)


def test_a_missing_repeat_takes_one_interval_not_all() -> None:
    frame = units(np.random.default_rng(0), 3, 2, 2)
    frame.loc[0, "value"] = np.nan
    found = stats.analyse(frame, 0.05)
    assert found.estimates["c0"].low is None
    assert "3 of 4" in str(found.estimates["c0"].reason)
    assert found.estimates["c0"].mean == pytest.approx(frame.loc[1:3, "value"].mean())
    assert found.estimates["c1"].low is not None
    assert found.contrast("c0", "c1").p is None
    assert found.contrast("c1", "c2").p is not None


def test_equal_manifests_cannot_differ() -> None:
    frame = units(np.random.default_rng(0), 2, 2, 2)
    frame.loc[frame["composition"] == "c1", ["manifest_hash", "value"]] = frame.loc[
        frame["composition"] == "c0", ["manifest_hash", "value"]
    ].to_numpy()
    c = stats.analyse(frame, 0.05).contrasts[0]
    assert (c.difference, c.p) == (0.0, 1.0)
    assert "same samples" in str(c.reason)


def test_a_repeated_unit_is_refused() -> None:
    frame = units(np.random.default_rng(0), 2, 2, 2)
    with pytest.raises(ValueError, match="twice"):
        stats.analyse(pd.concat([frame, frame.head(1)]), 0.05)


def test_order_of_rows_changes_nothing() -> None:
    frame = units(np.random.default_rng(0), 4, 3, 2, zero=1.0)
    assert stats.analyse(frame, 0.05) == stats.analyse(frame.sample(frac=1.0, random_state=1), 0.05)
