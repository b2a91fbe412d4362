"""Chips: the same pixels in any batch and window, spectra as measured, patches as stated, and the three worlds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import cross_val_score

from geomix import atlas, config, earth
from geomix.earth import clouds, grid, images, landscapes, noise, patches, sites, spectra, worlds
from geomix.errors import DataError, StudyError

REALISTIC, NULL = config.Earth(), config.Earth(world="null")


def effect(size: float, target: str = "Africa") -> config.Earth:
    return config.Earth(world="effect", target=target, effect=size)


def places(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = earth.pool_rows(config.EarthPool(kind="earth", size=size, bias=1.0), REALISTIC)
    return rows["lon"].to_numpy(), rows["lat"].to_numpy(), 18262 + 37 * np.arange(size) % 365


@pytest.fixture(scope="module")
def world() -> images.Chips:
    """Chips from all over the world, each in its summer: 24 x 24 pixels, days 200 (north) and 20 (south)."""
    lon, lat, _ = places(700)
    return images.chips(lon, lat, np.where(lat > 0, 18262 + 200, 18262 + 20), REALISTIC, 24)


def same(one: images.Chips, other: images.Chips, rows: np.ndarray) -> None:
    np.testing.assert_array_equal(one.number_NCHW[rows], other.number_NCHW)
    np.testing.assert_array_equal(one.mask_NHW[rows], other.mask_NHW)
    np.testing.assert_array_equal(one.cover_NHW[rows], other.cover_NHW)


@pytest.mark.parametrize("earth_", [REALISTIC, NULL, effect(1.0)], ids=["realistic", "null", "effect"])
def test_pixels_do_not_depend_on_order_and_batch(earth_: config.Earth) -> None:
    lon, lat, day = places(70)
    whole = images.chips(lon, lat, day, earth_, 20)
    for rows in (np.arange(70)[::-1], np.array([69, 3, 41]), np.array([17])):
        same(whole, images.chips(lon[rows], lat[rows], day[rows], earth_, 20), rows)
    days = (day[:3]).astype("datetime64[D]")
    same(whole, images.chips(lon[:3], lat[:3], days, earth_, 20), np.arange(3))


@pytest.mark.parametrize("earth_", [REALISTIC, NULL], ids=["realistic", "null"])
def test_windows_of_one_ground_agree_where_they_overlap(earth_: config.Earth) -> None:
    # Round a corner of four landscapes, with odd and even first rows and columns.
    middle = landscapes.SPACING * 100 + landscapes.SPACING // 2
    large = images.rendered(_window(middle - 151, -middle - 130, 301, 277), earth_)
    assert len(np.unique(large.cover_NHW)) > 2
    for column, row, width, height in (
        (0, 0, 64, 64),
        (77, 30, 64, 65),
        (150, 131, 1, 1),
        (238, 214, 63, 63),
        (13, 0, 224, 276),
    ):
        small = images.rendered(_window(middle - 151 + column, -middle - 130 + row, width, height), earth_)
        at = np.s_[..., row : row + height, column : column + width]
        np.testing.assert_array_equal(small.number_NCHW, large.number_NCHW[at])
        np.testing.assert_array_equal(small.mask_NHW, large.mask_NHW[at])
        np.testing.assert_array_equal(small.cover_NHW, large.cover_NHW[at])


def _window(column: int, row: int, width: int, height: int, day: int = 18800) -> grid.Windows:
    return grid.Windows(*(np.array([v]) for v in (32633, column, row, day)), height, width)


def test_seeds_and_days_change_pixels_and_only_seeds_change_the_ground() -> None:
    lon, lat, day = places(6)
    one, later = images.chips(lon, lat, day, REALISTIC, 16), images.chips(lon, lat, day + 60, REALISTIC, 16)
    other = images.chips(lon, lat, day, config.Earth(seed=1), 16)
    assert (one.number_NCHW != later.number_NCHW).mean() > 0.9
    assert (one.number_NCHW != other.number_NCHW).mean() > 0.9
    np.testing.assert_array_equal(one.cover_NHW, later.cover_NHW)
    assert (one.cover_NHW != other.cover_NHW).mean() > 0.3


def test_bands_of_20_m_are_smoother(world: images.Chips) -> None:
    x, w = world.reflectance_NCHW, world.windows
    even = (w.column % 2 == 0) & (w.row % 2 == 0)
    assert even.sum() > 100
    for k, band in enumerate(images.BANDS):
        inside = np.abs(x[even, k, :, 1::2] - x[even, k, :, ::2]).mean()
        across = np.abs(x[even, k, :, 2::2] - x[even, k, :, 1:-1:2]).mean()
        if band in images.FINE:
            assert inside == pytest.approx(across, rel=0.25)
        else:
            assert inside == 0 < across
    # A window that begins inside a square of 2 x 2 shows the square's other half.
    odd = w.column % 2 == 1
    assert (x[odd, 3, :, 1] == x[odd, 3, :, 2]).all()


def test_numbers_are_reflectance_by_the_stated_scale(world: images.Chips) -> None:
    assert world.number_NCHW.dtype == np.uint16
    assert world.reflectance_NCHW.dtype == np.float32
    np.testing.assert_allclose(world.reflectance_NCHW, world.number_NCHW * 1e-4 - 0.1, atol=1e-6)
    assert world.number_NCHW.min() >= 1  # 0 is no data
    assert 1.5 > world.reflectance_NCHW.max() > 0.6


def test_spectra_lie_within_the_measured_percentiles_of_their_class(world: images.Chips) -> None:
    pixels = world.reflectance_NCHW.transpose(0, 2, 3, 1)[world.mask_NHW == clouds.CLEAR] * 1e4
    cover = world.cover_NHW[world.mask_NHW == clouds.CLEAR]
    known = 0
    for number, name in enumerate(spectra.COVERS):
        x = pixels[cover == number]
        if len(x) < 2000:
            continue
        known += 1
        low, _, high = np.array(spectra.PERCENTILES[name])
        median = np.median(x, axis=0)
        assert ((low < median) & (median < high)).all(), name
        # 80 % of the real spectra lie between them; these are of one season.
        assert ((low <= x) & (x <= high)).mean() > 0.6, name
    assert known >= 7


def test_leaves_come_and_go_with_the_season() -> None:
    places_ = np.array([[10.0, 52.0], [-93.5, 42.0], [25.0, 56.0], [-90.0, 45.0]])  # temperate north
    lon, lat = np.repeat(places_[:, 0], 6) + np.tile(np.arange(6) * 0.11, 4), np.repeat(places_[:, 1], 6)

    def ndvi(day: str) -> float:
        c = images.chips(lon, lat, np.full(len(lon), np.datetime64(day)), REALISTIC, 16)
        x = c.reflectance_NCHW[:, [images.BANDS.index("B8"), images.BANDS.index("B4")]].astype(np.float64)
        return float(((x[:, 0] - x[:, 1]) / (x[:, 0] + x[:, 1]))[c.mask_NHW == clouds.CLEAR].mean())

    assert ndvi("2020-07-10") > ndvi("2020-01-10") + 0.25


def test_clouds_cover_the_declared_share() -> None:
    np.testing.assert_allclose(clouds.share(np.array([0.0, 1.0, 5.0, 20.0])), [0.03, 0.06, 0.18, 0.30])
    # Clouds are kilometres wide: many places, few pixels.
    lon, lat, day = places(3000)
    made = images.chips(lon, lat, day, REALISTIC, 2)
    around = landscapes.around(made.windows, REALISTIC)
    declared = around.blended(clouds.share(around.rain_mm)).mean(axis=(1, 2))
    assert made.cloud_N.mean() == pytest.approx(declared.mean(), rel=0.2)
    rainy = declared > np.median(declared)
    assert made.cloud_N[rainy].mean() > 1.5 * made.cloud_N[~rainy].mean()
    x = made.reflectance_NCHW[:, 0]
    assert x[made.mask_NHW == clouds.CLOUD].mean() > 2 * x[made.mask_NHW == clouds.CLEAR].mean()
    # Shadows are darker than the same kinds of ground in the sun.
    vegetation = np.isin(made.cover_NHW, (spectra.TREE, spectra.GRASS, spectra.CROP, spectra.SHRUB))
    red_edge = made.reflectance_NCHW[:, images.BANDS.index("B7")]
    lit, dark = (np.median(red_edge[vegetation & (made.mask_NHW == m)]) for m in (clouds.CLEAR, clouds.SHADOW))
    assert dark < 0.8 * lit


def test_patches_of_a_cover_are_as_large_as_stated() -> None:
    zones = 10
    w = grid.Windows(32601 + np.arange(zones), *(np.full(zones, v) for v in (51200, -51200, 18800)), 256, 512)
    for cover, spacing in patches.SPACING.items():
        x = patches.field_of(w, cover, 0).astype(np.float64)
        at = np.arange(0, 120, 4)
        both = [(x[:, :, d:] * x[:, :, : 512 - d]).mean() / (x * x).mean() for d in at]
        reach = 10 * np.interp(-np.exp(-1), -np.array(both), at)
        assert reach == pytest.approx(patches.CORRELATION_M[cover], rel=0.15), (cover, spacing)
    lengths = list(patches.CORRELATION_M.values())
    assert lengths == sorted(lengths)


def test_covers_have_their_landscapes_shares() -> None:
    lon, lat, day = places(600)
    w = grid.centred(lon, lat, day, 8)
    around = landscapes.around(w, REALISTIC)
    # Rivers come on top: a dry world has none.
    around = replace(around, rain_usual_mm=np.zeros(len(around.month)))
    node = around.nearest(0)
    cover = patches.of(around, node, 0).cover
    for number, name in enumerate(spectra.COVERS):
        declared = around.share_K9[node, number].mean()
        assert (cover == number).mean() == pytest.approx(declared, abs=0.01 + 0.1 * declared), name


def features(made: images.Chips) -> np.ndarray:
    x = np.log(np.maximum(made.reflectance_NCHW, 0.005))
    return np.concatenate([x.mean(axis=(2, 3)), x.std(axis=(2, 3)), made.cloud_N[:, None]], axis=1)


def test_null_world_carries_no_place_and_the_realistic_one_does() -> None:
    lon, lat, day = places(3000)
    continent = pd.Series(np.asarray(atlas.lookup("continent", lon, lat)).astype(str))
    rows = np.sort(np.concatenate([continent.index[continent == c][:100] for c in continent.unique()]))
    lon, lat, day = lon[rows], lat[rows], day[rows]
    arid = np.array([str(c).startswith("B") for c in sites.climate_of(lon, lat)])

    def score(made: images.Chips, label: np.ndarray) -> float:
        reader = LinearDiscriminantAnalysis()
        return float(cross_val_score(reader, features(made), label, cv=5, scoring="balanced_accuracy").mean())

    null, realistic = (images.chips(lon, lat, day, w, 16) for w in (NULL, REALISTIC))
    for label, classes in ((continent.to_numpy()[rows], 6), (arid, 2), (lat < 0, 2), (np.abs(lat) < 25, 2)):
        smallest = min(np.unique(label, return_counts=True)[1])
        error = np.sqrt((1 / classes) * (1 - 1 / classes) / (smallest * classes))
        assert abs(score(null, label) - 1 / classes) < 4 * error
    assert score(realistic, arid) > 0.65


def test_zero_effect_is_the_realistic_world_bit_for_bit() -> None:
    lon, lat, day = places(40)
    same(images.chips(lon, lat, day, REALISTIC, 16), images.chips(lon, lat, day, effect(0.0), 16), np.arange(40))


def test_effect_changes_the_target_by_the_declared_amount() -> None:
    lon, lat, day = places(500)
    continent = np.asarray(atlas.lookup("continent", lon, lat)).astype(str)
    rows = np.flatnonzero((continent == "Africa") | (np.arange(500) < 40))
    lon, lat, day, inside = lon[rows], lat[rows], day[rows], continent[rows] == "Africa"
    before, after = (images.chips(lon, lat, day, w, 16) for w in (REALISTIC, effect(1.0)))
    np.testing.assert_array_equal(before.cover_NHW, after.cover_NHW)
    np.testing.assert_array_equal(before.mask_NHW, after.mask_NHW)
    untouched = (before.number_NCHW == after.number_NCHW).all(axis=(1, 2, 3))
    # A landscape that lies across the border of continents belongs to one of them.
    assert untouched[~inside].mean() > 0.9
    assert untouched[inside].mean() < 0.1

    change = np.log(after.reflectance_NCHW) - np.log(before.reflectance_NCHW)
    wild = (before.cover_NHW != spectra.CROP) & (before.cover_NHW != spectra.WATER) & (before.mask_NHW == clouds.CLEAR)
    wild &= inside[:, None, None] & ~untouched[:, None, None]
    for band in ("B2", "B3", "B4", "B8"):
        assert (change[:, images.BANDS.index(band)][wild] == 0).all()  # no mode, and wild plants have no calendar to lose
    b11, b12 = (change[:, images.BANDS.index(b)] for b in ("B11", "B12"))
    chosen = np.flatnonzero(wild.reshape(len(rows), -1).sum(axis=1) > 20)
    amplitude = np.array([np.median(((b11 - b12) / 2)[n][wild[n]]) for n in chosen])
    error = amplitude.std() / np.sqrt(len(amplitude))
    assert abs(amplitude.mean() + worlds.STRENGTH * worlds.DIRECT) < 4 * error + 0.03
    assert amplitude.std() == pytest.approx(worlds.STRENGTH * worlds.SPREAD, rel=0.35)
    assert np.median(np.abs(b11 + b12)[wild]) < 0.03  # B11 and B12 go opposite ways by as much


def test_wrong_questions_are_refused() -> None:
    with pytest.raises(DataError, match="UTM"):
        images.chips([0.0], [88.0], [18800], REALISTIC)
    with pytest.raises(DataError, match="2 longitudes, 1 latitudes"):
        images.chips([0.0, 1.0], [8.0], [18800], REALISTIC)
    with pytest.raises(StudyError, match="Atlantis"):
        images.chips([0.0], [8.0], [18800], effect(1.0, "Atlantis"))


def test_sensor_noise_is_small_and_differs_between_days() -> None:
    w = _window(51200, -400000, 64, 64)
    two = [noise.white(replace(w, day=w.day + k), 0, "sensor 10 m", 1) for k in (0, 1)]
    assert abs(np.corrcoef(two[0].ravel(), two[1].ravel())[0, 1]) < 0.06
    lon, lat, day = places(60)
    made = images.chips(lon, lat, day, REALISTIC, 16)
    water = made.reflectance_NCHW[:, 0][(made.cover_NHW == spectra.WATER) & (made.mask_NHW == clouds.CLEAR)]
    assert len(np.unique(water)) > 20
