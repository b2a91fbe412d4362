"""Simulated series: shape, units, gaps, independence of order and batch, and a signal that is neither absent nor trivial."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest

from geomix import atlas, config, earth, errors, tables
from geomix.earth import land, simulation, sky, spectra
from geomix.series import Series

WORLD = config.Earth(seed=0)
BAND = {name: i for i, name in enumerate(tables.SERIES_BANDS)}
OPTICAL = list(spectra.CHANNELS)
Pool: TypeAlias = tuple[np.ndarray, np.ndarray, list[str], Series, np.ndarray]


def simulated(size: int = 4000, world: config.Earth = WORLD) -> Pool:
    rows = earth.pool_rows(config.EarthPool(kind="earth", size=size, bias=0), world)
    lon, lat, ids = rows["lon"].to_numpy(), rows["lat"].to_numpy(), rows["id"].tolist()
    series, label = earth.simulate(lon, lat, ids, world)
    return lon, lat, ids, series, label


@pytest.fixture(scope="module")
def pool() -> Pool:
    return simulated()


def test_shapes_and_months(pool: Pool) -> None:
    _, _, ids, series, label = pool
    assert series.x_NTC.shape == (len(ids), 12, 16)
    assert series.x_NTC.dtype == np.float32
    assert series.month_NT.dtype == np.int64
    assert (np.sort(series.month_NT, axis=1) == np.arange(12)).all()
    assert ((series.month_NT[:, 1:] - series.month_NT[:, :-1]) % 12 == 1).all()
    assert np.bincount(series.month_NT[:, 0], minlength=12).min() > len(ids) / 12 * 0.8
    assert (series.landcover_NT == tables.MISSING_LANDCOVER).all()
    assert set(label.tolist()) == {0, 1}


def test_units(pool: Pool) -> None:
    x = pool[3].x_NTC
    bounds = {
        **dict.fromkeys(spectra.BANDS, (0.0, 1.2)),
        "VV": (-32.0, 5.0),
        "VH": (-40.0, 0.0),
        "temperature_2m": (200.0, 325.0),
        "total_precipitation": (0.0, 0.1),
        "elevation": (0.0, 5500.0),
        "slope": (0.0, 45.0),
    }
    for band, (least, most) in bounds.items():
        values = x[:, :, BAND[band]]
        assert least <= np.nanmin(values), band
        assert np.nanmax(values) <= most, band
    assert np.nanmedian(x[:, :, BAND["total_precipitation"]]) == pytest.approx(0.0017, abs=0.001)


def test_gaps(pool: Pool) -> None:
    lon, lat, _, series, _ = pool
    seen = np.isfinite(series.x_NTC[:, :, OPTICAL])
    assert (seen.all(axis=2) == seen.any(axis=2)).all()
    months = seen.any(axis=2).sum(axis=1)
    assert (months == 0).mean() == pytest.approx(sky.NEVER_SEEN, abs=0.007)
    assert 0.01 < (months < 3).mean() < 0.03
    radar = np.isfinite(series.x_NTC[:, :, BAND["VV"]])
    assert (radar.all(axis=1) | ~radar.any(axis=1)).all()
    assert (~radar.any(axis=1)).mean() == pytest.approx(sky.NO_RADAR, abs=0.015)
    assert np.isfinite(series.x_NTC[:, :, 12:]).all()
    zone = np.asarray(atlas.lookup("climate_zone", lon, lat))
    assert months[zone == "tropical"].mean() < months[zone == "arid"].mean() - 1


def test_neither_order_nor_batch_matters(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    lon, lat, ids, series, label = pool
    order = np.random.default_rng(1).permutation(len(ids))[:501]
    monkeypatch.setattr(simulation, "CHUNK", 100)
    again, relabel = earth.simulate(lon[order], lat[order], [ids[i] for i in order], WORLD)
    np.testing.assert_array_equal(again.x_NTC, series.x_NTC[order])
    np.testing.assert_array_equal(again.month_NT, series.month_NT[order])
    np.testing.assert_array_equal(relabel, label[order])
    alone, _ = earth.simulate(lon[7:8], lat[7:8], ids[7:8], WORLD)
    np.testing.assert_array_equal(alone.x_NTC[0], series.x_NTC[7])


def test_ground_belongs_to_the_place_and_weather_to_the_sample() -> None:
    lon, lat = np.full(60, 5.0), np.full(60, 47.0)
    series, label = earth.simulate(lon, lat, [f"visit-{i}" for i in range(60)], WORLD)
    assert len(set(label.tolist())) == 1
    assert len(np.unique(series.x_NTC[:, 0, BAND["elevation"]])) == 1
    assert len(set(series.month_NT[:, 0].tolist())) > 6
    assert len(np.unique(series.x_NTC[:, 0, BAND["temperature_2m"]])) == 60


def test_another_seed_is_another_earth(pool: Pool) -> None:
    lon, lat, ids, series, label = pool
    other, relabel = earth.simulate(lon[:500], lat[:500], ids[:500], config.Earth(seed=1))
    assert not np.array_equal(other.x_NTC[:, :, 12], series.x_NTC[:500, :, 12])
    assert (relabel != label[:500]).any()


def test_leaves_follow_the_hemisphere(pool: Pool) -> None:
    lon, lat, _, series, _ = pool
    calendar = by_month(series)
    nir, red = calendar[:, :, BAND["B8"]], calendar[:, :, BAND["B4"]]
    ndvi = (nir - red) / (nir + red)
    zone = np.asarray(atlas.lookup("climate_zone", lon, lat))
    north, south = (zone == "temperate") & (lat > 35), (zone == "temperate") & (lat < -25)
    assert np.nanmean(ndvi[north][:, 5:8]) > np.nanmean(ndvi[north][:, [11, 0, 1]]) + 0.15
    assert np.nanmean(ndvi[south][:, [11, 0, 1]]) > np.nanmean(ndvi[south][:, 5:8])
    desert = np.asarray(atlas.lookup("landcover", lon, lat)) == 16
    assert np.nanmean(ndvi[desert]) < 0.3
    forest = np.asarray(atlas.lookup("landcover", lon, lat)) == 2
    assert np.nanmean(ndvi[forest]) > 0.6


def by_month(series: Series) -> np.ndarray:
    out = np.empty_like(series.x_NTC)
    np.put_along_axis(out, series.month_NT[:, :, None], series.x_NTC, axis=1)
    return out


def test_crops_can_be_told_but_less_well_in_another_continent() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score

    task = config.EarthTask(kind="earth", models=("presto",), size=1500)
    rows = earth.task_rows(task, WORLD, "cropland")
    series, label = earth.simulate(rows["lon"], rows["lat"], [f"cropland:{r}" for r in rows["row"]], WORLD)
    where = np.asarray(atlas.lookup("continent", rows["lon"], rows["lat"])).astype(str)
    x = np.nan_to_num(by_month(series).reshape(len(label), -1), nan=-1.0)
    within, across = [], []
    for train in land.CONTINENTS:
        inside = np.random.default_rng(0).permutation(np.flatnonzero(where == train))
        forest = RandomForestClassifier(60, random_state=0).fit(x[inside[:100]], label[inside[:100]])
        for test in land.CONTINENTS:
            chosen = inside[100:] if test == train else np.flatnonzero(where == test)
            score = roc_auc_score(label[chosen], forest.predict_proba(x[chosen])[:, 1])
            (within if test == train else across).append(score)
    assert 0.75 < np.mean(within) < 0.9
    assert np.mean(across) < np.mean(within) - 0.04
    assert np.mean(across) > 0.6


def test_wrong_coordinates_are_explained() -> None:
    with pytest.raises(errors.DataError, match="not on Earth"):
        earth.simulate(np.array([10.0]), np.array([120.0]), ["a"], WORLD)
    with pytest.raises(errors.DataError, match="not on Earth"):
        earth.simulate(np.array([np.nan]), np.array([1.0]), ["a"], WORLD)
    with pytest.raises(errors.DataError, match="2 longitudes"):
        earth.simulate(np.zeros(2), np.zeros(2), ["a"], WORLD)


def test_nothing_to_simulate_is_no_error() -> None:
    series, label = earth.simulate(np.zeros(0), np.zeros(0), [], WORLD)
    assert series.x_NTC.shape == (0, 12, 16)
    assert len(label) == 0


def test_any_point_on_earth_can_be_simulated() -> None:
    lon, lat = np.array([0.0, 180.0, -180.0, 20.0, -150.0]), np.array([90.0, -90.0, 0.0, -75.0, 5.0])
    series, _ = earth.simulate(lon, lat, list("abcde"), WORLD)
    assert np.isfinite(series.x_NTC[:, :, 12:]).all()
