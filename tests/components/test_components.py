"""Components are sleeves: kfp and the standard library at the top, no decisions inside, one a stage."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

COMPONENTS = Path(__file__).resolve().parents[2] / "components"
STAGES = ["plan", "pool", "sample", "shard", "pretrain", "sweep", "report"]


def test_there_is_one_component_a_stage() -> None:
    assert sorted(p.parent.name for p in COMPONENTS.glob("*/component.py")) == sorted(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_imports_only_kfp_and_the_standard_library(stage: str) -> None:
    tree = ast.parse((COMPONENTS / stage / "component.py").read_text())
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(str(node.module).split(".")[0])
    assert names - set(sys.stdlib_module_names) <= {"kfp", "geomix_components"}


@pytest.mark.parametrize("stage", STAGES)
def test_has_no_logic(stage: str) -> None:
    tree = ast.parse((COMPONENTS / stage / "component.py").read_text())
    decisions = [node for node in ast.walk(tree) if isinstance(node, (ast.If, ast.For, ast.While, ast.Try, ast.IfExp))]
    assert not decisions


@pytest.mark.parametrize("stage", STAGES)
def test_installs_nothing_and_documents_itself(stage: str) -> None:
    component = getattr(importlib.import_module(f"geomix_components.{stage}.component"), stage)
    container = component.pipeline_spec.deployment_spec["executors"]["exec-" + stage]["container"]
    assert "pip install" not in " ".join(container["command"])
    assert component.description
