"""Strict study files: every error names the line and the value, none is a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geomix import config, study_file
from geomix.errors import StudyError

TEXT = """\
name: one
scale: tiny
pools:
  series: {kind: earth, modality: series, size: 3000}
budget: 200
compositions:
  uar: {strategy: uniform}
  hot: {strategy: onehot, each: continent}
  cities: {strategy: cities, top: 10}
  half: {strategy: mix, of: {uar: 0.5, cities: 0.5}}
  zero: {strategy: none}
models: {presto: {pool: series}}
seeds: {draw: [0], train: [0, 1], label: 2}
tasks:
  crops: {kind: earth, models: [presto], size: 1200}
sweep: {heads: [logistic], shots: [20], splits: [random]}
report:
  primary: {task: crops, split: random, head: logistic, metric: f1, shots: 20}
"""
STUDIES = sorted((Path(__file__).resolve().parents[2] / "pipelines" / "studies").glob("*.yaml"))


def refused(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        study_file.parse(text, "s.yaml")
    assert caught.value.exit_code == 2
    return caught.value.message


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


def test_a_valid_study_has_its_defaults_written_out() -> None:
    study = study_file.parse(TEXT)
    assert (study.name, study.budget, study.quota, study.seeds.train) == ("one", 200, "exact", (0, 1))
    assert study.synthetic
    assert study.judged("crops") == (("logistic",), (20,), ("random",))
    again = config.Study.model_validate(json.loads(json.dumps(study.to_json())))
    assert again == study


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_the_studies_that_ship_are_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOMIX_DATA", "/data")
    monkeypatch.setenv("GEOMIX_WEIGHTS", "/weights")
    assert study_file.load(str(path)).name == path.stem


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("budget: 200", "budgett: 200", 5, "unknown key 'budgett'; did you mean 'budget'?"),
        ("top: 10", "topp: 10", 9, "did you mean 'top'?"),
        ("budget: 200", "budget: many", 5, "'many'"),
        ("budget: 200", "budget: 0", 5, "0: Input should be greater than 0"),
        ("budget: 200", "budget: .nan", 5, "budget"),
        ("scale: tiny", "scale: huge", 2, "'huge' is not one of"),
        ("strategy: uniform", "strategy: unifrom", 7, "'unifrom' is not one of"),
        ("strategy: uniform", "weight: area", 7, "compositions.uar"),
        ("each: continent", "value: Asia", 8, "each: STRATUM"),
        ("each: continent", "by: continent", 8, "each: STRATUM"),
        ("train: [0, 1]", "train: [0, 0]", 13, "different integers"),
        ("train: [0, 1]", "train: []", 13, "different integers"),
        ("draw: [0]", "draw: [-1]", 13, "0 or more"),
        ("  hot:", "  Hot one:", 8, "Hot one"),
        ("size: 3000", "size: 3000, bias: -1", 4, "bias"),
        ("kind: earth, modality", "kind: moon, modality", 4, "'moon' is not one of"),
        ("heads: [logistic]", "heads: [logistics]", 16, "'logistics' is not one of"),
        ("{pool: series}", "{pool: sereis}", 12, "'sereis' is not one of series"),
        ("of: {uar: 0.5, cities: 0.5}", "of: {uar: 0.5, absent: 0.5}", 10, "'absent' is not one of"),
        ("of: {uar: 0.5, cities: 0.5}", "of: {uar: 0.5, zero: 0.5}", 10, "'zero' cannot be mixed"),
        ("of: {uar: 0.5, cities: 0.5}", "of: {uar: 0.5, hot: 0.5}", 10, "'hot' cannot be mixed"),
        ("of: {uar: 0.5, cities: 0.5}", "of: {uar: 1.0}", 10, "half"),
        ("{task: crops,", "{task: corps,", 18, "'corps' is not one of crops"),
        ("metric: f1", "metric: rmse", 18, "rmse does not fit task 'crops'"),
        ("metric: f1, shots: 20", "metric: f1, shots: 21", 18, "21 is not one of 20"),
    ],
)
def test_wrong_values_name_line_and_remedy(old: str, new: str, line: int, words: str) -> None:
    message = refused(changed(old, new))
    assert words in message
    assert f"s.yaml, line {line}" in message


def test_missing_keys_and_all_errors_at_once() -> None:
    message = refused("name: one\nscale: huge\n")
    for words in ("budget: a required key is missing", "'huge' is not one of", "tasks: a required key is missing"):
        assert words in message


def test_a_repeated_key_names_both_lines() -> None:
    message = refused(TEXT + "budget: 7\n")
    assert "s.yaml, line 19: key 'budget' is repeated (first on line 5)" in message
    assert "line 9" in refused(changed("top: 10", "top: 10, top: 11"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a\n- list",
        "name: [1, 2",
        "a: b: c",
        "name: \t{x",
        "name: *nowhere",
        "name: one\n---\nname: two",
        "name: \x01",
        "name: !!python/object:os.system x",
        "name: !!int abc",
        "name: 2026-13-45",
        "name: !!binary x",
        "name: &a [*a]",
        "{[1, 2]: 3}",
        "? {a: 1}\n: 2",
    ],
)
def test_what_is_no_study_at_all_is_explained(text: str) -> None:
    assert "s.yaml" in refused(text)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such study file"):
        study_file.load(str(tmp_path / "absent.yaml"))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="not a text file"):
        study_file.load(str(tmp_path / "binary.yaml"))
    with pytest.raises(StudyError, match=str(tmp_path)):
        study_file.load(str(tmp_path))


def test_only_geomix_variables_expand(monkeypatch: pytest.MonkeyPatch) -> None:
    published = "zero: {strategy: weights, uri: '${GEOMIX_WEIGHTS}/a-${GEOMIX_X}.safetensors', model: presto}"
    text = changed("zero: {strategy: none}", published)
    monkeypatch.setenv("GEOMIX_WEIGHTS", "/w")
    monkeypatch.delenv("GEOMIX_X", raising=False)
    assert "line 11: ${GEOMIX_X} is not set" in refused(text)
    monkeypatch.setenv("GEOMIX_X", "${HOME}")  # a value is not expanded again
    chosen: Any = study_file.parse(text).compositions["zero"]
    assert chosen.uri == "/w/a-${HOME}.safetensors"
    assert "${HOME} is not expanded" in refused(text.replace("GEOMIX_X", "HOME"))


def test_anchors_are_understood() -> None:
    text = changed("  uar: {strategy: uniform}", "  uar: &u {strategy: uniform}\n  again: *u")
    assert study_file.parse(text).compositions["again"] == config.Uniform(strategy="uniform")
