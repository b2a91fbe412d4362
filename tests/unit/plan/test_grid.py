"""The grid that `geomix plan` prints: counts, and what the replication can detect."""

from __future__ import annotations

import pytest

from geomix import study_file
from geomix.models import scales
from geomix.plan import grid

STUDY = """
name: grid
scale: tiny
pools: {{series: {{kind: earth, size: 100}}}}
budget: 10
compositions:
  uar: {{strategy: uniform}}
  each: {{strategy: onehot, each: continent}}
  zero: {{strategy: none}}
models: {{presto: {{pool: series}}}}
seeds: {{draw: {draw}, train: {train}, label: 2}}
tasks: {{crop: {{kind: earth, models: [presto]}}}}
sweep: {{heads: [logistic, knn], shots: [10], splits: [block]}}
report: {{primary: {{task: crop, split: block, head: logistic, metric: f1, shots: 10}}}}
"""


def test_counts_cross_draws_and_seeds() -> None:
    found = grid(study_file.parse(STUDY.format(draw=[0, 1, 2], train=[0, 1])), regions=6)
    (line,) = found.lines
    assert line.draws == 7 * 3  # uar, and one composition a continent
    assert line.pretrainings == 7 * 3 * 2
    assert line.encoders == line.pretrainings + 2  # zero pretraining: one encoder a training seed
    assert line.samples_seen >= line.steps
    assert found.scores == line.encoders * 2 * 6 * 2  # heads, regions, label draws


def test_time_is_told_where_it_was_measured() -> None:
    text = STUDY.format(draw=[0, 1], train=[0, 1])
    (tiny,) = grid(study_file.parse(text)).lines
    assert tiny.core_minutes == pytest.approx(tiny.pretrainings * tiny.steps * scales.SECONDS_A_STEP["tiny", "presto"] / 60)
    (paper,) = grid(study_file.parse(text.replace("scale: tiny", "scale: paper"))).lines
    assert paper.core_minutes is None


@pytest.mark.parametrize(
    ("draw", "train", "says"),
    [([0], [0], "nothing is replicated"), ([0], [0, 1], "for these drawn samples"), ([0, 1], [0, 1], "between draws")],
)
def test_says_what_replication_can_detect(draw: list[int], train: list[int], says: str) -> None:
    assert says in grid(study_file.parse(STUDY.format(draw=draw, train=train))).detectable


def test_compositions_that_stand_for_several_are_counted() -> None:
    several = (
        "  dose: {{strategy: dose, of: [uar, forest], percent: [25, 75]}}\n"
        "  forest: {{strategy: where, expr: 'landcover < 6'}}\n"
        "  design: {{strategy: simplex, by: continent, values: [Africa, Asia, Europe], degree: 2}}\n"
        "  without: {{strategy: leave_one_out, each: continent}}\n"
        "  zero:"
    )
    text = STUDY.replace("  zero:", several).format(draw=[0], train=[0])
    assert grid(study_file.parse(text), regions=6).lines[0].draws == 1 + 6 + 2 + 1 + 6 + 6
