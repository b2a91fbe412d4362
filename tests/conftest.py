"""Fixtures shared by every test: where the real data lies, a place for steps, and one Ray a session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from geomix.step import Place

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    # One thread a process: two cores are shared by pytest, Ray workers and a server or two.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: $GEOMIX_DATA or ../shared/data."""
    return _folder("GEOMIX_DATA", "data")


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """The folder of reference vectors: $GEOMIX_REFERENCE or ../shared/reference."""
    return _folder("GEOMIX_REFERENCE", "reference")


def _folder(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable) or REPOSITORY.parent / "shared" / name)
    if not folder.is_dir():
        pytest.skip(f"no real data here: set {variable} to its folder")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty root for steps, with a run name."""
    return Place(str(tmp_path / "work"), "test-run")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[str]:
    """One local Ray for the whole session (starting one costs about 8 s); its address is in RAY_ADDRESS."""
    from geomix.launch import ray_local

    with ray_local.started(cpus=2) as address:
        yield address
