"""What is installed is complete: the wheel works from an empty folder, and its package list is the tree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # A copy of what git tracks: a build must not leave its folders in the tree, nor pick up what lies there.
    listing = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    )
    for name in listing.stdout.splitlines():
        if (REPOSITORY / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((REPOSITORY / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(source),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def test_the_package_list_is_the_tree() -> None:
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    roots = {"geomix": "geomix", "components": "geomix_components", "pipelines": "geomix_pipelines"}
    found = []
    for folder, package in roots.items():
        for init in (REPOSITORY / folder).rglob("__init__.py"):
            found.append(".".join([package, *init.parent.relative_to(REPOSITORY / folder).parts]))
    assert sorted(listed) == sorted(found)


def test_the_installed_wheel_works_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    target, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(target)
    code = (
        "import geomix, geomix_components, geomix_pipelines, pathlib, sys;"
        f"assert str(geomix.__file__).startswith({str(target)!r}), geomix.__file__;"
        "from geomix import atlas, cli; from geomix_pipelines.study import study_pipeline;"
        "assert atlas.lookup('continent', [2.35], [48.85])[0] == 'Europe';"
        "folder = pathlib.Path(geomix_pipelines.__file__).parent;"
        "assert (folder / 'compiled/geomix.yaml').exists() and (folder / 'studies/debug.yaml').exists()"
    )
    environment = {"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [sys.executable, "-c", "from geomix.cli import main; main()", "--help"],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "run" in shown.stdout
    assert shown.returncode == 0


def test_no_site_path_or_secret_is_in_the_repository() -> None:
    files = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    suspicious = re.compile(r"(?<![\w.}/-])/(work|home|root|Users)/\w|AKIA[0-9A-Z]{16}|pypi\.org|BEGIN [A-Z ]*PRIVATE KEY")
    for name in files:
        path = REPOSITORY / name
        if path.suffix in (".parquet", ".png") or path == Path(__file__) or not path.exists():
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            assert not suspicious.search(line), f"{name}:{number}: {line.strip()}"


def test_the_tree_in_the_readme_is_true() -> None:
    text = (REPOSITORY / "README.md").read_text()
    block = re.search(r"```tree\n(.*?)```", text, re.S)
    assert block, "README has a ```tree block"
    named = [line.split()[0] for line in block.group(1).splitlines() if line.strip()]
    missing = [name for name in named if not (REPOSITORY / name).exists()]
    assert not missing
    modules = {
        str(p.relative_to(REPOSITORY))
        for p in (REPOSITORY / "geomix").rglob("*.py")
        if p.name not in ("__init__.py", "__main__.py")
    }
    absent = sorted(m for m in modules if m not in named)
    assert not absent, "every module has a clause in the README's tree"
