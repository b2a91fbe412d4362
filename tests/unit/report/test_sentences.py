"""Sentences: what a study cannot conclude, and whether pretraining helps, said plainly."""

from __future__ import annotations

from pathlib import Path

import pytest

from geomix import tables
from geomix.report import page, plainly, rows, stage
from tests.unit.report import make_rows
from tests.unit.report.make_rows import STUDY, Effects


def content(root: Path, text: str = STUDY, effects: Effects | None = None) -> page.Content:
    made = make_rows.make(root, text, effects)
    labels = rows.read_labels(made.labels)
    return stage.build(made.study, made.plan, labels, rows.read(made.rows, labels, made.study.name))


def test_the_design_decides_what_is_said(tmp_path: Path) -> None:
    said = " ".join(content(tmp_path / "a").summary["cannot_conclude"])
    for part in (
        "simulated",
        "2 draws and 2 training seeds",
        "“debug”",
        "One model",
        "bias 3",
        "circular",
        "this favours it",
        "one task",
    ):
        assert part in said
    text = (
        STUDY.replace("draw: [0, 1]", "draw: [0]")
        .replace("near_tasks_km: 10", "near_tasks_km: 0")
        .replace("bias: 3.0", "bias: 0.0")
    )
    text = text.replace("world: realistic", "world: effect, target: Asia, effect: 2.0").replace("split: block", "split: random")
    said = " ".join(content(tmp_path / "b", text).summary["cannot_conclude"])
    for part in ("one draw", "declared effect of 2", "very places it is tested on", "optimistic"):
        assert part in said
    assert "bias" not in said


def test_samples_without_coordinates_are_counted(tmp_path: Path) -> None:
    made = make_rows.make(tmp_path)
    places = tables.read(f"{made.plan}/places.parquet")
    places.loc[:122, ["lon", "lat"]] = None
    tables.write_parquet(f"{made.plan}/places.parquet", places, tables.PLACES_SCHEMA)
    labels = rows.read_labels(made.labels)
    said = stage.build(made.study, made.plan, labels, rows.read(made.rows, labels, "made")).summary["cannot_conclude"]
    assert any("123 of 500 samples of task cropland have no coordinates" in s for s in said)


def test_notes_of_sweeps_are_passed_on(tmp_path: Path) -> None:
    made = make_rows.make(tmp_path)
    labels = rows.read_labels(made.labels)
    small = {"split": "block", "train_region": "Oceania", "test_region": "Oceania", "n": 4, "smallest_class": 1}
    notes = [{"tasks": {"cropland": {"regions_too_small": [small]}}, "undefined_scores": 7}] * 2
    frame = rows.read(made.rows, labels, "made")
    said = stage.build(made.study, made.plan, labels, frame, notes).summary["cannot_conclude"]
    assert any("Oceania (block)" in s for s in said)
    assert any("14 scores are not defined" in s for s in said)


@pytest.mark.parametrize(("zero", "word"), [(-0.2, "Better than zero"), (0.2, "Worse than zero"), (0.0, "Not told from zero")])
def test_against_zero_pretraining(tmp_path: Path, zero: float, word: str) -> None:
    found = content(tmp_path, effects=Effects(composition={"zero": zero}, draw=0.004, seed=0.004, by_region=0.0))
    sentences = plainly.against_zero(found.analysis, found.who, True)
    assert sentences[0].startswith(word)


def test_against_raw_features(tmp_path: Path) -> None:
    above = content(tmp_path / "a", effects=Effects(composition={"raw": 0.3}))
    (sentence,) = plainly.against_raw(above.analysis, above.who, True)
    assert "none scores better; not better: uar, continent, climate, forest, cities." in sentence
    assert all(c.helps is False for c in plainly.everywhere(above.rows, above.study, above.who))
    below = content(tmp_path / "b", effects=Effects(composition={"raw": -0.3}))
    assert "All 5 pretrained encoders are better" in plainly.against_raw(below.analysis, below.who, True)[0]
    assert [c.helps for c in plainly.everywhere(below.rows, below.study, below.who)].count(None) == 0


def test_roles_follow_each_and_kinds(tmp_path: Path) -> None:
    study = make_rows.study_file.parse(STUDY.replace("  zero: ", "  only: {strategy: onehot, each: continent}\n  zero: "))
    who = plainly.roles(study, ["uar", "only_africa", "zero", "raw", "uar"])
    assert (who.drawn, who.zero, who.raw) == (("uar", "only_africa"), ("zero",), ("raw",))
    assert who.candidates == ("uar", "only_africa", "zero")
