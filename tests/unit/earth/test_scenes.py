"""Scenes: which there are, and that what is read from their files is what chips made directly show."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from geomix import config, store
from geomix.earth import grid, images, scenes, spectra
from geomix.errors import DataError
from geomix.raster.cog import write_cog
from tests.unit import s3_server

EARTH = config.Earth()
LON = np.array([2.30, 117.0, 2.302, 2.30, 2.30])
LAT = np.array([48.80, -31.5, 48.801, 48.80, 48.80])
DAY = np.array(["2021-06-22", "2022-01-08", "2021-06-22", "2021-06-23", "2021-06-22"], dtype="datetime64[D]")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[scenes.Scene, scenes.Files, scenes.Files]:
    """One scene in both layouts."""
    folder = str(tmp_path_factory.mktemp("archive"))
    found, which = scenes.covering(LON[:1], LAT[:1], DAY[:1])
    scene = found[which[0]]
    return scene, scenes.write_scene(scene, folder, EARTH), scenes.write_scene(scene, folder + "/bands", EARTH, "bands")


def test_places_share_scenes_of_one_ground_and_day() -> None:
    found, which = scenes.covering(LON, LAT, DAY)
    assert len(found) == 3
    assert found == sorted(found)
    assert which[0] == which[2] == which[4]
    assert len({which[0], which[1], which[3]}) == 3
    assert len({s.name for s in found}) == 3
    again, other = scenes.covering(LON[::-1], LAT[::-1], DAY[::-1])
    assert again == found
    np.testing.assert_array_equal(other[::-1], which)


@pytest.mark.parametrize("size", [1, 64, 128])
def test_a_chip_lies_whole_in_its_scene(size: int) -> None:
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 2000), rng.uniform(-80, 84, 2000)
    found, which = scenes.covering(lon, lat, np.full(2000, 18800), size)
    w = grid.centred(lon, lat, np.full(2000, 18800), size)
    for name in ("column", "row"):
        into = getattr(w, name) - np.array([getattr(s, name) for s in found])[which]
        assert into.min() >= 0
        assert into.max() + size <= scenes.SIDE
    np.testing.assert_array_equal(np.array([s.epsg for s in found])[which], w.epsg)


def test_too_large_a_chip_is_refused() -> None:
    with pytest.raises(DataError, match="129 pixels"):
        scenes.covering(LON, LAT, DAY, 129)


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [
        (2.3, 48.8, 32631),
        (117.0, -31.5, 32750),
        (5.3, 60.4, 32632),
        (15.6, 78.2, 32633),
        (180.0, 0.0, 32601),
        (-180.0, -1.0, 32701),
    ],
    ids=["Paris", "Australia", "Bergen", "Svalbard", "dateline", "dateline south"],
)
def test_zones(lon: float, lat: float, epsg: int) -> None:
    assert grid.zones(np.array([lon]), np.array([lat])).tolist() == [epsg]


def test_the_middle_of_a_window_is_its_place() -> None:
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(-180, 180, 500), rng.uniform(-60, 80, 500)
    for size in (63, 64):
        w = grid.centred(lon, lat, np.full(500, 18800), size)
        box = w.bounds()
        x, y = grid.coordinates(w.epsg, (box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2)
        off = np.hypot((x - lon) * np.cos(np.radians(lat)), y - lat) * 111_200
        assert off.max() < 7.3  # half a pixel's diagonal


def test_files_are_tiled_cogs_that_say_what_they_hold(written: tuple[scenes.Scene, scenes.Files, scenes.Files]) -> None:
    scene, stack, bands = written
    with rasterio.open(stack.bands[0]) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.block_shapes[0] == (256, 256)
        assert file.overviews(1) == [2]
        assert file.crs.to_epsg() == scene.epsg
        assert file.descriptions == images.BANDS
        assert set(file.scales) == {images.SCALE}
        assert set(file.offsets) == {images.OFFSET}
        assert (file.nodata, file.dtypes[0], file.shape) == (0, "uint16", (512, 512))
        assert file.res == (10, 10)
        np.testing.assert_array_equal(np.array(file.bounds), scene.windows().bounds()[0])
    for uri, band in zip(bands.bands, images.BANDS, strict=True):
        with rasterio.open(uri) as file:
            assert file.res == ((10, 10) if band in images.FINE else (20, 20))
            np.testing.assert_array_equal(np.array(file.bounds), scene.windows().bounds()[0])
    assert sorted(os.listdir(Path(stack.mask).parent)) == ["SCL.tif", "cover.tif", "image.tif"]


def test_chips_read_from_files_are_those_made_directly(written: tuple[scenes.Scene, scenes.Files, scenes.Files]) -> None:
    scene, stack, bands = written
    chosen = np.array([0, 2, 4])
    made = images.chips(LON[chosen], LAT[chosen], DAY[chosen], EARTH)
    for n in range(3):
        r, c = int(made.windows.row[n]) - scene.row, int(made.windows.column[n]) - scene.column
        window = ((r, r + 64), (c, c + 64))
        with rasterio.open(stack.bands[0]) as file:
            np.testing.assert_array_equal(file.read(window=window), made.number_NCHW[n])
        with rasterio.open(stack.cover) as file:
            np.testing.assert_array_equal(file.read(1, window=window), np.array(scenes.WORLDCOVER)[made.cover_NHW[n]])
        with rasterio.open(stack.mask) as file:
            seen = file.read(1, window=window)
        np.testing.assert_array_equal(seen == scenes.SCL["cloud"], made.mask_NHW[n] == 2)
        np.testing.assert_array_equal(seen == scenes.SCL["shadow"], made.mask_NHW[n] == 1)
        for k, uri in enumerate(bands.bands):
            with rasterio.open(uri) as file:
                whole = file.read(1)
            step = scenes.SIDE // len(whole)
            whole = whole.repeat(step, axis=0).repeat(step, axis=1)
            np.testing.assert_array_equal(whole[r : r + 64, c : c + 64], made.number_NCHW[n, k])


def test_scenes_agree_where_they_overlap() -> None:
    day = 18800
    one = images.rendered(scenes.Scene(32631, 115 * 384, -1408 * 384, day).windows(), EARTH)
    other = images.rendered(scenes.Scene(32631, 116 * 384, -1407 * 384, day).windows(), EARTH)
    np.testing.assert_array_equal(one.number_NCHW[..., 384:, 384:], other.number_NCHW[..., :128, :128])
    assert len(np.unique(one.cover_NHW)) > 3


def test_every_cover_has_its_codes() -> None:
    assert len(scenes.WORLDCOVER) == len(spectra.COVERS)
    made = images.Chips(
        grid.Windows(*(np.zeros(1, dtype=np.int64),) * 4, 1, 3),
        np.ones((1, 10, 1, 3), dtype=np.uint16),
        np.array([[[0, 1, 2]]], dtype=np.uint8),
        np.array([[[spectra.WATER, spectra.TREE, spectra.BARE]]], dtype=np.uint8),
    )
    assert scenes.classified(made).tolist() == [[[6, 3, 9]]]


def small(uri: str, side: int = 300) -> np.ndarray:
    x = np.random.default_rng(0).integers(1, 60000, (2, side, side)).astype(np.uint16)
    write_cog(uri, x, epsg=32631, west=500000.0, north=5400000.0, pixel=10.0, bands=["B2", "B3"], nodata=0)
    return x


def test_a_cog_goes_to_an_object_store_that_fails_for_a_while() -> None:
    with pytest.MonkeyPatch.context() as patch, s3_server.served(patch) as bucket:
        bucket.faults.fail = 2
        x = small(f"{bucket.uri}/scenes/a.tif")
        with MemoryFile(store.read_bytes(f"{bucket.uri}/scenes/a.tif")) as memory, memory.open() as file:
            np.testing.assert_array_equal(file.read(), x)
