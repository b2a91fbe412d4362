"""World maps: every point gets its cell, at edges, dateline and poles; broken images are refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.errors import NotGeoreferencedWarning

from geomix import raster
from geomix.errors import DataError

# 4 x 2 cells of 90 degrees: the number tells row and column.
CELLS = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.uint8)


def write(path: Path, cells: np.ndarray, **profile: object) -> Path:
    height, width = cells.shape
    with rasterio.open(path, "w", height=height, width=width, count=1, dtype=cells.dtype, **profile) as file:
        file.write(cells, 1)
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    with pytest.warns(NotGeoreferencedWarning):
        return write(tmp_path / "plain.png", CELLS, driver="PNG")


@pytest.mark.parametrize(
    ("lon", "lat", "cell"),
    [
        (-180, 90, 1),  # the north-western corner
        (-179.999, 0.001, 1),
        (-90, 45, 2),  # an edge belongs to the cell east of it
        (-90.0001, 45, 1),
        (0, 0, 7),  # and to the cell south of it
        (-0.0001, 0.0001, 2),
        (179.999, 45, 4),
        (180, 45, 1),  # the dateline is one line
        (190, 45, 1),
        (-190, 45, 4),
        (10, 90, 3),  # poles belong to the outer rows
        (10, -90, 7),
    ],
)
def test_a_point_gets_its_cell(lon: float, lat: float, cell: int) -> None:
    assert raster.WorldMap(CELLS).at([lon], [lat]).tolist() == [cell]


def test_reads_an_image_without_georeference_silently(plain: Path) -> None:
    assert np.array_equal(raster.read_world(plain).cells, CELLS)  # warnings are errors in these tests


def test_reads_a_geotiff_that_spans_the_earth(tmp_path: Path) -> None:
    path = write(tmp_path / "world.tif", CELLS, driver="GTiff", crs="EPSG:4326", transform=Affine(90, 0, -180, 0, -90, 90))
    assert np.array_equal(raster.read_world(path).cells, CELLS)


def test_a_map_of_a_part_of_the_earth_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "part.tif", CELLS, driver="GTiff", crs="EPSG:4326", transform=Affine(10, 0, 0, 0, -10, 90))
    with pytest.raises(DataError, match="whole Earth"):
        raster.read_world(path)


def test_other_shapes_and_types_are_refused(tmp_path: Path) -> None:
    world = {"driver": "GTiff", "crs": "EPSG:4326", "transform": Affine(90, 0, -180, 0, -90, 90)}
    with pytest.raises(DataError, match=r"int16"):
        raster.read_world(write(tmp_path / "int16.tif", CELLS.astype(np.int16), **world))
    with pytest.raises(DataError, match="2 x 2"):
        raster.read_world(write(tmp_path / "square.tif", CELLS[:, :2], **world))


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match="not a readable image"):
        raster.read_world(tmp_path / "text.png")


@pytest.mark.parametrize(("lon", "lat"), [(np.nan, 0), (0, np.nan), (0, 90.1), (0, -120), (np.inf, 0)])
def test_places_off_the_earth_are_refused(lon: float, lat: float) -> None:
    with pytest.raises(DataError, match="no coordinates"):
        raster.WorldMap(CELLS).at([0, lon], [0, lat])
