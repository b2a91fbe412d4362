"""A user's raster at places: any coordinate system and extent, edges of cells, no data, and errors that say what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import pytest
import rasterio
from rasterio.transform import Affine

from geomix import raster
from geomix.errors import DataError


def from_origin(west: float, north: float, width: float, height: float) -> Affine:
    # rasterio's own warns with the newest affine.
    return Affine(width, 0, west, 0, -height, north)


WORLD = from_origin(-180, 90, 10, 10)


def write(path: Path, cells: npt.NDArray[Any], transform: Affine = WORLD, crs: str | None = "EPSG:4326", **more: Any) -> Path:
    bands = cells if cells.ndim == 3 else cells[None]
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", driver="GTiff", dtype=cells.dtype, transform=transform, crs=crs, **shape, **more) as out:
        out.write(bands)
    return path


def numbered(rows: int = 18, columns: int = 36) -> npt.NDArray[np.int32]:
    return np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)


def test_a_cell_holds_its_western_and_northern_edge(tmp_path: Path) -> None:
    found = raster.open_raster(write(tmp_path / "w.tif", numbered()), 1, "w.tif")
    lon, lat = [-180, -170.001, -170, 0, 5, 179.9, 180, 190], [90, 80.001, 80, 0, -5, -89.9, -90, 0]
    assert found.at(lon, lat).tolist() == [0, 0, 37, 9 * 36 + 18, 9 * 36 + 18, 647, 18 * 36 - 1, 9 * 36 + 1]


def test_a_world_from_0_to_360_is_the_same_world(tmp_path: Path) -> None:
    turned = np.roll(numbered(), -18, axis=1)
    one = raster.open_raster(write(tmp_path / "a.tif", numbered()), 1, "a")
    other = raster.open_raster(write(tmp_path / "b.tif", turned, from_origin(0, 90, 10, 10)), 1, "b")
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 500), rng.uniform(-90, 90, 500)
    assert other.at(lon, lat).tolist() == one.at(lon, lat).tolist()


def test_tiles_are_read_where_places_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster.values, "_WINDOW", 16)
    cells = np.random.default_rng(1).integers(0, 1000, (180, 360)).astype(np.uint16)
    path = write(tmp_path / "t.tif", cells, from_origin(-180, 90, 1, 1), tiled=True, blockxsize=16, blockysize=32)
    rng = np.random.default_rng(2)
    lon, lat = rng.uniform(-180, 180, 2_000), rng.uniform(-90, 90, 2_000)
    found = raster.open_raster(path, 1, "t").at(lon, lat)
    expected = cells[np.floor(90 - lat).astype(int), np.floor(lon + 180).astype(int)]
    assert (found.data == expected).all()
    assert not np.ma.getmaskarray(found).any()


def test_a_raster_in_metres_holds_nothing_outside(tmp_path: Path) -> None:
    # 400 km by 400 km in Lambert azimuthal equal area (Europe), cells of 100 km.
    path = write(tmp_path / "m.tif", numbered(4, 4), from_origin(4_000_000, 3_400_000, 100_000, 100_000), "EPSG:3035")
    rng = np.random.default_rng(3)
    x, y = rng.uniform(3_900_000, 4_500_000, 300), rng.uniform(2_900_000, 3_500_000, 300)
    lon, lat = pyproj.Transformer.from_crs(3035, 4326, always_xy=True).transform(x, y)
    column, row = np.floor((x - 4_000_000) / 1e5).astype(int), np.floor((3_400_000 - y) / 1e5).astype(int)
    inside = (column >= 0) & (column < 4) & (row >= 0) & (row < 4)
    found = raster.open_raster(path, 1, "m").at(lon, lat)
    assert (np.ma.getmaskarray(found) == ~inside).all()
    assert (found.data[inside] == row[inside] * 4 + column[inside]).all()
    assert raster.open_raster(path, 1, "m").at([-170.0], [-45.0]).tolist() == [None]


def test_no_data_and_other_bands(tmp_path: Path) -> None:
    cells = np.stack([numbered(), numbered() + 1000]).astype(np.float32)
    cells[0, 0, 0] = np.nan
    path = write(tmp_path / "n.tif", cells, nodata=1.0)
    first, second = (raster.open_raster(path, band, "n") for band in (1, 2))
    assert not first.integer
    assert first.at([-175, -165, -155], [85] * 3).tolist() == [None, None, 2.0]
    assert second.at([-175, -165, np.nan], [85] * 3).tolist() == [1000.0, 1001.0, None]
    assert first.at([], []).tolist() == []


def test_wrong_files_are_explained(tmp_path: Path) -> None:
    def opened(path: Path, band: int = 1) -> None:
        raster.open_raster(path, band, path.name)

    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(DataError, match="not a readable raster"):
        opened(tmp_path / "text.tif")
    with pytest.raises(DataError, match="no band 2") as caught:
        opened(write(tmp_path / "one.tif", numbered()), 2)
    assert "1 to 1" in caught.value.wanted
    with pytest.raises(DataError, match="coordinate system"):
        opened(write(tmp_path / "no_crs.tif", numbered(), crs=None))
    with pytest.raises(DataError, match="complex"):
        opened(write(tmp_path / "complex.tif", numbered().astype(np.complex64)))


def test_a_truncated_raster_is_found_where_it_is_read(tmp_path: Path) -> None:
    cells = np.random.default_rng(0).integers(0, 2**15, (180, 360)).astype(np.int16)
    path = write(tmp_path / "cut.tif", cells, from_origin(-180, 90, 1, 1))
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(DataError, match="cells cannot be read") as caught:
        raster.open_raster(path, 1, "cut.tif").at([0.0] * 2, [80.0, -80.0])
    assert "complete" in caught.value.remedy
