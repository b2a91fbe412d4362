"""What design rule 10 asks of the whole path: a declared effect is found, and where there is none no winner is declared.

The effect world's target is Africa, and so is the task: there, the composition that covers it must come out ahead of one
from everywhere else and of one from another continent. Zero pretraining is left out: at scale `tiny` a random encoder
carries the declared pattern about as well as one that has learned it (METHODOLOGY.md, "Synthetic Earth").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geomix import store
from tests.integration import studies
from tests.integration.conftest import Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ARMS = {
    "africa": {"strategy": "onehot", "by": "continent", "value": "Africa"},
    "elsewhere": {"strategy": "where", "expr": "continent <> 'Africa'"},
    "europe": {"strategy": "onehot", "by": "continent", "value": "Europe"},
}


def summary(geomix: Run, folder: Path, **changes: Any) -> dict[str, Any]:
    """summary.json of the tiny study with three arms, two draws, four training seeds and `changes`.

    Four, because how well an encoder keeps the pattern depends on its training seed as much as on what it saw: with two,
    the same differences cannot be told from chance.
    """
    own = {"seeds": {"draw": [0, 1], "train": [0, 1, 2, 3], "label": 10}, "sweep__shots": [10], "report__primary__shots": 10}
    study = studies.study(folder / "tiny.yaml", compositions=ARMS, **{**own, **changes})
    done = geomix("run", str(study), "--workdir", str(folder / "work"))
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(store.read_json(str(folder / "work" / "reports" / "tiny" / "summary.json")))


def test_with_a_declared_effect_the_composition_that_covers_the_target_wins(geomix: Run, tmp_path: Path) -> None:
    earth = {"seed": 0, "world": "effect", "target": "Africa", "effect": 4.0}
    found = summary(geomix, tmp_path, earth=earth, pools__series__size=6000, tasks__cropland__regions=["Africa"])
    means = {name: found["compositions"][name]["mean"] for name in ARMS}
    assert found["winner"] == "africa", found["reason"]
    assert means["africa"] > max(means["elsewhere"], means["europe"]) + 0.05


def test_in_the_null_world_no_winner_is_declared(geomix: Run, tmp_path: Path) -> None:
    found = summary(geomix, tmp_path, earth={"seed": 0, "world": "null"}, pools__series__size=6000)
    assert found["winner"] is None
    assert found["reason"]
    means = [found["compositions"][name]["mean"] for name in ARMS]
    assert max(means) - min(means) < 0.05
