"""Chips from local GeoTIFFs: units, resampling of 20 and 60 m bands, odd places and projections, masks, every refusal."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from rasterio.transform import Affine
from rasterio.warp import transform

from geomix.errors import InputError
from geomix.raster import Band, Chip, ChipReader, ChipRequest, ClassMask, Recipe, Refusal, Scene, chips, reader, reading_order
from tests.unit.raster import makers

RECIPE = Recipe(32, 32, 10.0)
S2 = {"scale": 1e-4, "offset": -0.1}


def read(requests: list[ChipRequest], recipe: Recipe = RECIPE, workers: int = 2) -> dict[str, Chip | Refusal]:
    return {result.id: result for result in ChipReader(recipe, workers=workers).read(requests)}


def chip(request: ChipRequest, recipe: Recipe = RECIPE) -> Chip:
    found = read([request], recipe)[request.id]
    assert isinstance(found, Chip), found
    return found


def refusal(request: ChipRequest, recipe: Recipe = RECIPE) -> Refusal:
    found = read([request], recipe)[request.id]
    assert isinstance(found, Refusal), found
    assert found.code in chips.REFUSALS
    return found


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_offset_1000_one_file_or_one_file_a_band(tmp_path: Path, driver: str) -> None:
    dn = makers.ground(300, 300, bands=3)
    whole = makers.tiff(tmp_path / "all.tif", dn, driver=driver)
    single = [makers.tiff(tmp_path / f"b{i}.tif", dn[i : i + 1], driver=driver) for i in range(3)]
    # Channels in another order than in the file.
    one = makers.request("one", 100, 150, *[Band(whole, index=i, count=3, **S2) for i in (3, 1, 2)])
    many = makers.request("many", 100, 150, *[Band(single[i - 1], count=1, **S2) for i in (3, 1, 2)])
    found = read([one, many])
    expected = (dn[[2, 0, 1], 84:116, 134:166] - 1000.0) / 10000
    for result in found.values():
        assert isinstance(result, Chip)
        assert result.x_CHW.dtype == np.float32
        assert np.allclose(result.x_CHW, expected, atol=1e-7)
        assert result.valid_HW.all()
        assert (result.shares.nodata, result.shares.saturated, result.shares.cloud) == (0.0, 0.0, None)


def test_20_and_60_m_bands_come_onto_the_10_m_grid(tmp_path: Path) -> None:
    fine = makers.tiff(tmp_path / "b02.tif", makers.ground(360, 360))
    # A plane in metres is the same plane in every pixel size: value = 1000 + 0.7 y + 0.3 x at a pixel's centre.
    bands = [Band(fine)]
    for metres in (20, 60):
        r, c = np.arange(3600 // metres)[:, None], np.arange(3600 // metres)
        plane = 1000 + 0.7 * (r + 0.5) * metres + 0.3 * (c + 0.5) * metres - 5
        path = tmp_path / f"{metres}.tif"
        bands.append(Band(makers.tiff(path, plane[None].astype(np.float32), metres=metres)))
    found = chip(makers.request("a", 101, 99, *bands))
    assert np.array_equal(found.x_CHW[0], makers.ground(360, 360)[0, 85:117, 83:115])
    assert np.allclose(found.x_CHW[1:], found.x_CHW[0], atol=0.01)


def test_bands_finer_than_the_chip_are_averaged_or_as_stated(tmp_path: Path) -> None:
    dn = makers.ground(256, 256)
    path = makers.tiff(tmp_path / "a.tif", dn)
    recipe = Recipe(16, 16, 20.0)
    mean = chip(makers.request("a", 128, 128, Band(path)), recipe).x_CHW[0]
    assert np.allclose(mean, dn[0, 112:144, 112:144].reshape(16, 2, 16, 2).mean(axis=(1, 3)))
    nearest = chip(makers.request("a", 128, 128, Band(path, resampling="nearest")), recipe).x_CHW[0]
    assert set(np.unique(nearest)) <= set(np.unique(dn).astype(np.float32))


@pytest.mark.parametrize("stated", [True, False])
def test_nodata_as_0_in_one_band(tmp_path: Path, stated: bool) -> None:
    dn = makers.ground(256, 256, bands=2)
    dn[1, :128] = 0
    path = makers.tiff(tmp_path / "a.tif", dn, nodata=None if stated else 0)
    bands = [Band(path, index=i, nodata=0 if stated else None) for i in (1, 2)]
    found = chip(makers.request("a", 128, 100, *bands))
    assert np.isfinite(found.x_CHW[0]).all()
    assert np.isnan(found.x_CHW[1, :16]).all()
    assert np.isfinite(found.x_CHW[1, 16:]).all()
    assert found.shares.nodata == 0.5
    assert np.array_equal(found.valid_HW, np.repeat([False, True], 16)[:, None] & np.ones((32, 32), dtype=bool))
    assert refusal(makers.request("b", 60, 100, *bands)).code == chips.ALL_NODATA
    strict = Recipe(32, 32, 10.0, max_nodata=0.4)
    assert refusal(makers.request("c", 128, 100, *bands), strict).code == chips.TOO_MUCH_NODATA


def test_nodata_does_not_bleed_into_an_upsampled_band(tmp_path: Path) -> None:
    dn = np.full((1, 128, 128), 4000, dtype=np.uint16) + makers.ground(128, 128, base=0) % 3
    dn[0, :, :64] = 0
    path, fine = makers.tiff(tmp_path / "20m.tif", dn, metres=20), makers.tiff(tmp_path / "10m.tif", makers.ground(256, 256))
    found = chip(makers.request("a", 128, 128, Band(fine), Band(path, nodata=0)))
    assert np.nanmin(found.x_CHW[1]) >= 4000
    assert found.shares.nodata == 0.5


def test_saturated_pixels(tmp_path: Path) -> None:
    dn = makers.ground(256, 256)
    dn[0, 120:124, 120:128] = 65535
    path = makers.tiff(tmp_path / "a.tif", dn)
    found = chip(makers.request("a", 128, 128, Band(path)))
    assert found.shares.saturated == 32 / 1024
    assert found.shares.nodata == 0
    assert np.isnan(found.x_CHW).sum() == (~found.valid_HW).sum() == 32
    untouched = chip(makers.request("a", 128, 128, Band(path, saturated=None)))
    assert untouched.x_CHW.max() == 65535
    assert untouched.valid_HW.all()


def test_scene_classes_of_20_m(tmp_path: Path) -> None:
    path = makers.tiff(tmp_path / "a.tif", makers.ground(256, 256))
    scl = np.full((1, 128, 128), 4, dtype=np.uint8)
    scl[0, 56:58] = 9  # four rows of 10 m: cloud
    scl[0, 58] = 0
    scl[0, 59] = 1
    mask = ClassMask(makers.tiff(tmp_path / "scl.tif", scl, metres=20))
    asked = makers.request("a", 128, 128, Band(path), mask=mask)
    found = chip(asked)
    assert not found.valid_HW[:8].any()
    assert found.valid_HW[8:].all()
    assert (found.shares.nodata, found.shares.saturated, found.shares.cloud) == (2 / 32, 2 / 32, 4 / 30)
    assert np.isfinite(found.x_CHW).all()  # a mask hides nothing that was measured
    assert refusal(asked, Recipe(32, 32, 10.0, max_cloud=0.1)).code == chips.TOO_CLOUDY
    clear = ClassMask(mask.href, cloud=(8,))
    assert chip(makers.request("a", 128, 128, Band(path), mask=clear)).shares.cloud == 0.0


def test_the_edge_of_a_scene(tmp_path: Path) -> None:
    dn = makers.ground(256, 256)
    coarse = makers.tiff(tmp_path / "b.tif", dn[:, ::2, ::2], metres=20)
    bands = (Band(makers.tiff(tmp_path / "a.tif", dn)), Band(coarse))
    corner = chip(makers.request("a", 0, 256, *bands))
    assert corner.shares.nodata == 0.75
    assert np.array_equal(corner.x_CHW[0, 16:, :16], dn[0, :16, 240:])
    assert np.isfinite(corner.x_CHW[1, 16:, :16]).all()
    assert np.isnan(corner.x_CHW[:, :16]).all()
    assert np.isnan(corner.x_CHW[:, :, 16:]).all()
    for row, column in ((-17, 100), (100, 290), (2000, -5000)):
        assert refusal(makers.request("b", row, column, *bands)).code == chips.OUTSIDE_SCENE


def _centre(scene: str, lon: float, lat: float, crs: str, west: float, north: float) -> tuple[float, float]:
    """Longitude and latitude that the values round a chip's centre stand for, in a raster of makers.ground."""
    found = chip(ChipRequest("a", lon, lat, Scene((Band(scene, index=1), Band(scene, index=2)))))
    at = found.x_CHW[:, 15:17, 15:17].mean(axis=(1, 2))
    (x,), (y,) = [west + (at[1] - 0.5 + 1) * 10 - 5], [north - (at[0] + 0.5) * 10]
    return makers.lonlat(x, y, crs)


@pytest.mark.parametrize(
    ("crs", "lon", "lat"),
    [
        ("EPSG:32601", 179.999, 65.0),  # the dateline, from the zone east of it
        ("EPSG:32601", -179.999, 65.0),
        ("EPSG:32660", -179.999, -16.5),  # and from the zone west of it
        ("EPSG:32660", 180.0, 52.0),
        ("EPSG:32632", 12.0, 47.0),  # a place on the border of two zones, in both
        ("EPSG:32633", 12.0, 47.0),
        ("EPSG:32733", 15.0, -20.0),  # south of the equator
        ("EPSG:3035", 10.0, 52.0),  # another projection, of Europe
    ],
)
def test_dateline_and_two_utm_zones(tmp_path: Path, crs: str, lon: float, lat: float) -> None:
    (x,), (y,) = transform("EPSG:4326", crs, [lon], [lat])
    west, north = round(x, -1) - 1280.0, round(y, -1) + 1280.0
    r, c = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    path = makers.tiff(tmp_path / "a.tif", np.stack([r, c]).astype(np.uint16), crs=crs, west=west, north=north)
    there = _centre(path, lon, lat, crs, west, north)
    metres = 111_320.0
    away = (there[0] - lon + 180) % 360 - 180
    assert abs(away) * metres * np.cos(np.radians(lat)) < 11
    assert abs(there[1] - lat) * metres < 11


def test_web_mercator_is_stretched_and_feet_are_not_metres(tmp_path: Path) -> None:
    # At 60 degrees north one metre on the ground is about two in EPSG:3857: a chip pixel is 2 x 2 of its pixels.
    (x,), (y,) = transform("EPSG:4326", "EPSG:3857", [10.0], [60.0])
    dn = makers.ground(256, 256)
    path = makers.tiff(tmp_path / "a.tif", dn, crs="EPSG:3857", west=x - 1280, north=y + 1280)
    found = chip(ChipRequest("a", 10.0, 60.0, Scene((Band(path),))))
    across, down = np.diff(found.x_CHW[0], axis=1).mean(), np.diff(found.x_CHW[0], axis=0).mean()
    assert (across / 3, down / 7) == pytest.approx((2.0, 2.0), abs=0.02)
    # EPSG:2263: New York, US survey feet; a pixel of 32.8083 feet is one of 10 m and is copied.
    (x,), (y,) = transform("EPSG:4326", "EPSG:2263", [-74.0], [40.7])
    feet = 10 * 3937 / 1200
    path = makers.tiff(tmp_path / "b.tif", dn, crs="EPSG:2263", west=x - 128 * feet, north=y + 128 * feet, metres=feet)
    found = chip(ChipRequest("a", -74.0, 40.7, Scene((Band(path),))))
    assert np.array_equal(found.x_CHW[0], dn[0, 112:144, 112:144])


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    dn = makers.ground(256, 256, bands=2)
    fine = makers.tiff(tmp_path / "fine.tif", dn)
    data = Path(fine).read_bytes()
    (tmp_path / "half.tif").write_bytes(data[: len(data) // 2])
    (tmp_path / "head.tif").write_bytes(data[:100])
    (tmp_path / "text.tif").write_text("<VRTDataset/> this is no TIFF")
    (tmp_path / "empty.tif").write_bytes(b"")
    constant = dn.copy()
    constant[1] = 1234
    turned = makers.tiff(tmp_path / "degrees.tif", dn, crs="EPSG:4326", west=14.0, north=46.0, metres=1e-4)
    wrong = {
        chips.MISSING_OBJECT: [(Band(str(tmp_path / "none.tif")),)],
        chips.NOT_A_RASTER: [(Band(str(tmp_path / name)),) for name in ("text.tif", "empty.tif", ".")],
        chips.TRUNCATED: [(Band(str(tmp_path / name)),) for name in ("half.tif", "head.tif")],
        chips.NO_CRS: [
            (Band(makers.tiff(tmp_path / "nocrs.tif", dn, crs=None)),),
            (Band(makers.tiff(tmp_path / "placed.tif", dn, crs=None, driver="GTiff", transform=Affine(10, 0, 5, 0, -10, 9))),),
        ],
        chips.UNSUPPORTED_GRID: [
            (Band(turned),),
            (Band(fine), Band(makers.tiff(tmp_path / "zone.tif", dn, crs="EPSG:32632"))),
        ],
        chips.WRONG_BAND_COUNT: [(Band(fine, index=3),), (Band(fine, index=1, count=12),), (Band(fine, index=0),)],
        chips.CONSTANT_BAND: [(Band(makers.tiff(tmp_path / "constant.tif", constant), index=2),)],
    }
    requests = {
        f"{code}-{i}": makers.request(f"{code}-{i}", 128, 128, *bands)
        for code, scenes in wrong.items()
        for i, bands in enumerate(scenes)
    }
    good = makers.request("good", 128, 128, Band(fine, count=2))
    chip_reader = ChipReader(RECIPE)
    found = {result.id: result for result in chip_reader.read([*requests.values(), good])}
    assert isinstance(found.pop("good"), Chip)
    for name, result in found.items():
        assert isinstance(result, Refusal), name
        assert result.code == name.rsplit("-", 1)[0], result
        assert "\n" not in result.detail
    tally = chip_reader.tally
    assert (tally.asked, tally.read, tally.refused.total()) == (len(found) + 1, 1, len(found))
    assert not tally.retried  # nothing on this disk will pass by waiting
    assert "truncated: 2" in "\n".join(tally.lines())


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = makers.tiff(tmp_path / "a.tif", makers.ground(256, 256))
    request = makers.request("a", 128, 128, Band(path))
    os.chmod(path, 0)
    user = os.geteuid()
    try:
        if user == 0:  # root reads everything: be nobody for a moment
            os.seteuid(65534)
        assert refusal(request).code == chips.PERMISSION_DENIED
    finally:
        os.seteuid(user)


def test_a_refusal_does_not_depend_on_neighbours(tmp_path: Path) -> None:
    dn = np.random.default_rng(0).integers(1, 9000, (1, 512, 512)).astype(np.uint16)
    data = Path(makers.tiff(tmp_path / "a.tif", dn, overviews="NONE")).read_bytes()
    (tmp_path / "half.tif").write_bytes(data[: len(data) // 2])
    band = Band(str(tmp_path / "half.tif"))
    requests = [makers.request(f"r{row:03d}", row, 200, band) for row in range(40, 500, 40)]
    together = {name: isinstance(result, Chip) for name, result in read(requests).items()}
    alone = {r.id: isinstance(read([r])[r.id], Chip) for r in requests}
    assert together == alone
    assert set(alone.values()) == {True, False}


def test_order_and_bytes_do_not_depend_on_threads_or_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BATCH_BYTES", 5 * 32 * 32 * 4)  # five chips at a time
    scenes = [makers.tiff(tmp_path / f"{i}.tif", makers.ground(512, 512, base=i)) for i in range(3)]
    rng = np.random.default_rng(3)
    requests = [
        makers.request(f"c{i:02d}", *rng.uniform(0, 512, 2).tolist(), Band(scenes[i % 3]), Band(scenes[i % 3], scale=2.0))
        for i in range(40)
    ]
    first = list(ChipReader(RECIPE, workers=1).read(requests))
    assert [result.id for result in first] == [r.id for r in reading_order(requests)]
    second = list(ChipReader(RECIPE, workers=7).read(reversed(requests)))
    for one, two in zip(first, second, strict=True):
        assert isinstance(one, Chip)
        assert isinstance(two, Chip)
        assert (one.id, one.shares) == (two.id, two.shares)
        assert one.x_CHW.tobytes() == two.x_CHW.tobytes()
        assert one.valid_HW.tobytes() == two.valid_HW.tobytes()


def test_a_reader_can_be_left_early(tmp_path: Path) -> None:
    path = makers.tiff(tmp_path / "a.tif", makers.ground(256, 256))
    results = ChipReader(RECIPE).read(makers.request(f"c{i}", 100 + i, 100, Band(path)) for i in range(9))
    assert next(results).id
    results.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ChipRequest("a", float("nan"), 0.0, Scene((Band("a.tif"),))),
        lambda: ChipRequest("a", 10.0, 91.0, Scene((Band("a.tif"),))),
        lambda: Scene(()),
        lambda: Recipe(0, 32, 10.0),
        lambda: Recipe(32, 32, float("nan")),
        lambda: Recipe(32, 32, 10.0, max_cloud=20.0),
        lambda: list(ChipReader(RECIPE).read([ChipRequest("a", 1.0, 2.0, Scene((Band("ftp://host/a.tif"),)))])),
    ],
)
def test_requests_that_make_no_sense(make: object) -> None:
    with pytest.raises(InputError):
        make()  # type: ignore[operator]


def test_a_place_that_the_projection_does_not_know_is_outside_and_harms_no_neighbour(tmp_path: Path) -> None:
    scene = Scene((Band(makers.tiff(tmp_path / "a.tif", makers.ground(256, 256))),))
    good = makers.request("good", 128, 128, *scene.bands)
    far = {f"far-{i}": place for i, place in enumerate([(105.0, 0.0), (-75.0, 0.0), (10.0, -90.0), (195.0, 89.9)])}
    found = read([good, *(ChipRequest(name, *place, scene) for name, place in far.items())])
    assert isinstance(found["good"], Chip)
    for name in far:
        result = found[name]
        assert isinstance(result, Refusal)
        assert result.code == chips.OUTSIDE_SCENE
