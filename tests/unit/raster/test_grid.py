"""A chip's grid and resampling, against GDAL's warper and by hand; blocks are read once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.warp import reproject

from geomix.raster import Recipe, blocks, grid
from tests.unit.raster import makers

LATTICE = grid.Lattice(west=1000.0, north=9000.0, dx=10.0, dy=10.0, columns=500, rows=500)


def _resampled(values: np.ndarray, first: float, ratio: float, n: int, method: str, good: np.ndarray | None = None):
    rows, columns = (grid.axis(first, ratio, n, size, method) for size in values.shape)
    at = np.s_[rows.start : rows.stop, columns.start : columns.stop]
    out, ok = grid.apply(rows, columns, values[at][None], None if good is None else good[at][None])
    return out[0], ok[0]


def test_the_corner_lies_on_the_raster_and_the_centre_within_half_a_pixel() -> None:
    rng = np.random.default_rng(0)
    for height, width in ((64, 64), (33, 48)):
        recipe = Recipe(height, width, 10.0)
        for x, y in rng.uniform(3000, 4000, (50, 2)):
            g = grid.chip_grid(x, y, 10.0, recipe, LATTICE)
            assert (g.west - LATTICE.west) % 10 == 0
            assert (LATTICE.north - g.north) % 10 == 0
            assert abs(g.west + width * 5 - x) <= 5.005
            assert abs(g.north - height * 5 - y) <= 5.005


def test_a_place_on_a_pixels_edge_does_not_depend_on_the_last_digit() -> None:
    recipe = Recipe(33, 33, 10.0)
    grids = {grid.chip_grid(3000 + e, 4000 - e, 10.0, recipe, LATTICE) for e in (-1e-7, 0.0, 1e-7)}
    assert len(grids) == 1


@pytest.mark.parametrize(("pixel", "copied"), [(10.0057, True), (9.98, True), (10.1, False), (20.0, False)])
def test_pixels_of_nearly_the_ground_distance_are_copied(pixel: float, copied: bool) -> None:
    lattice = grid.Lattice(0.0, 0.0, pixel, pixel, 1000, 1000)
    g = grid.chip_grid(5000, -5000, 10.0, Recipe(64, 64, 10.0), lattice)
    assert (g.dx == pixel) == copied
    assert (grid.method_for(g.dx / pixel, 64, None) == "nearest") == copied


@pytest.mark.parametrize(("method", "ratio"), [("bilinear", 0.5), ("bilinear", 1 / 6), ("average", 2.0), ("average", 2.5)])
@pytest.mark.parametrize("first", [0.0, 3.0, 7.5])
def test_resampling_is_gdals(method: str, ratio: float, first: float) -> None:
    values = np.random.default_rng(1).uniform(0, 5000, (60, 60)).astype(np.float32)
    n = 16
    expected = np.zeros((n, n), dtype=np.float32)
    reproject(
        values,
        expected,
        src_transform=Affine(1, 0, 0, 0, -1, 60),
        dst_transform=Affine(ratio, 0, first, 0, -ratio, 60 - first),
        src_crs="EPSG:32633",
        dst_crs="EPSG:32633",
        resampling=Resampling[method],
    )
    found, ok = _resampled(values, first, ratio, n, method)
    assert ok.all()
    assert np.allclose(found, expected, atol=0.05)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-40, 70),
    st.sampled_from([1 / 6, 0.5, 1.0, 1.7, 2.0]),
    st.sampled_from(["nearest", "bilinear", "average"]),
    st.integers(0, 3),
)
def test_a_plane_stays_a_plane_and_a_constant_a_constant(first: float, ratio: float, method: str, seed: int) -> None:
    n = 24
    constant, ok = _resampled(np.full((60, 60), 42.0), first, ratio, n, method)
    assert np.allclose(constant[ok], 42.0)
    # Where pixels lie inside is told by their centres alone, whatever the method (average: by half their area).
    centre = first + (np.arange(n) + 0.5) * ratio
    inside = (centre > 0.01) & (centre < 59.99)
    if method != "average":
        assert np.array_equal(ok[inside][:, inside], np.ones((inside.sum(),) * 2, dtype=bool))
    assert not ok[(centre < -0.01 - ratio) | (centre > 60.01 + ratio)].any()
    plane, ok = _resampled(np.add.outer(np.arange(60) * 10.0, np.arange(60)) + 5.5, first, ratio, n, method)
    within = (centre > 1 + ratio) & (centre < 59 - ratio)
    if method == "bilinear" and within.any():
        expected = np.add.outer(centre[within] * 10, centre[within])
        assert np.allclose(plane[within][:, within], expected, atol=1e-3)


def test_pixels_without_data_take_no_part() -> None:
    values, good = np.full((20, 20), 7.0), np.ones((20, 20), dtype=bool)
    values[4, 4], good[4, 4] = 9999.0, False
    for method, ratio in (("bilinear", 0.5), ("average", 2.0)):
        found, ok = _resampled(values, 0.0, ratio, 8, method, good)
        assert set(np.unique(found[ok])) == {7.0}
    # Three of four pixels have data: the mean of them; one of four: none.
    good[5, 4] = good[4, 5] = False
    _, ok = _resampled(values, 0.0, 2.0, 8, "average", good)
    assert (~ok).sum() == 1
    assert not ok[2, 2]


class _Counting:
    """A dataset in memory that counts how often each block is read."""

    def __init__(self, values: np.ndarray, block: tuple[int, int]) -> None:
        self.values, self.block_shapes, self.interleaving = values, [block], "band"
        self.count, self.height, self.width = values.shape
        self.dtypes = [values.dtype.name] * self.count
        self.blocks: list[tuple[int, int]] = []
        self.reads = 0

    def read(self, bands: list[int], window: tuple[tuple[int, int], tuple[int, int]]) -> np.ndarray:
        (r0, r1), (c0, c1) = window
        rows, columns = self.block_shapes[0]
        assert (r0 % rows, c0 % columns) == (0, 0)
        self.reads += 1
        self.blocks += [(r, c) for r in range(r0 // rows, -(-r1 // rows)) for c in range(c0 // columns, -(-c1 // columns))]
        return self.values[[b - 1 for b in bands], r0:r1, c0:c1]


@pytest.mark.parametrize("block", [(64, 64), (1, 500), (7, 500), (512, 512), (128, 64)])
def test_every_block_is_read_once_and_only_if_needed(block: tuple[int, int]) -> None:
    values = makers.ground(500, 500, bands=2)
    rng = np.random.default_rng(2)
    corners = rng.integers(0, 460, (20, 2))
    windows = [blocks.Window(r, min(r + 64, 500), c, min(c + 64, 500)) for r, c in corners.tolist()]
    windows.append(blocks.Window(3, 3, 5, 9))
    dataset = _Counting(values, block)
    found = blocks.read_windows(dataset, [2], windows)
    for window, pixels in zip(windows, found, strict=True):
        assert np.array_equal(pixels, values[1:, window.row : window.row_stop, window.column : window.column_stop])
    assert len(dataset.blocks) == len(set(dataset.blocks))
    rows, columns = min(block[0], 500), min(block[1], 500)
    needed = {
        (r // rows, c // columns) for w in windows for r in range(w.row, w.row_stop) for c in range(w.column, w.column_stop)
    }
    assert set(dataset.blocks) == needed
    if block == (1, 500):
        assert dataset.reads <= 3  # strips of one row come in stretches


def test_reads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "READ_BYTES", 4 * 100)
    found = blocks.runs([blocks.Window(0, 100, 0, 100)], (10, 10), 100)
    sizes = [(w.row_stop - w.row) * (w.column_stop - w.column) // 100 for w, _ in found]
    assert sum(sizes) == 100
    assert max(sizes) <= 4
