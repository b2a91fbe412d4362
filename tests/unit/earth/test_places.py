"""Pool rows and task places: on land, dense as stated, nested, unique, balanced."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from geomix import atlas, config, earth, errors
from geomix.earth import land, simulation

WORLD = config.Earth(seed=0)


def pool(size: int, bias: float = 0.0, world: config.Earth = WORLD) -> pd.DataFrame:
    return earth.pool_rows(config.EarthPool(kind="earth", size=size, bias=bias), world)


def task(size: int, world: config.Earth = WORLD, name: str = "cropland") -> pd.DataFrame:
    return earth.task_rows(config.EarthTask(kind="earth", models=("presto",), size=size), world, name)


def continents(frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(atlas.lookup("continent", frame["lon"], frame["lat"]))


def test_pool_rows_are_named_places_on_land() -> None:
    rows = pool(3000, 3.0)
    assert list(rows.columns) == ["id", "place", "lon", "lat"]
    assert len(rows) == 3000
    assert rows["id"].is_unique
    assert rows["id"].is_monotonic_increasing
    assert rows["id"].str.fullmatch(r"earth-\d{8}").all()
    assert not rows.duplicated(["lon", "lat"]).any()
    assert set(continents(rows)) == set(land.CONTINENTS)
    assert np.array_equal(rows["lon"], rows["lon"].round(5))


def test_without_bias_rows_are_even_over_land_area() -> None:
    rows = pool(12_000)
    share = pd.Series(continents(rows)).value_counts(normalize=True)
    # Land areas in million square km (Antarctica left out, Russia divided at 60 E, inland waters and ice included).
    area = {"Africa": 30.0, "Asia": 45.0, "Europe": 9.9, "North America": 24.2, "Oceania": 8.5, "South America": 17.8}
    for name, million_km2 in area.items():
        assert share[name] == pytest.approx(million_km2 / sum(area.values()), abs=0.015), name


def test_bias_follows_the_stated_density() -> None:
    even, biased = pool(12_000), pool(12_000, 3.0)
    w_even, w_biased = (land.city_weight(f["lon"].to_numpy(), f["lat"].to_numpy()) for f in (even, biased))
    assert w_biased.mean() > 1.4 * w_even.mean()
    # Under density 1 + 3 w the mean of 1 / (1 + 3 w) over rows is 1 / (the mean of 1 + 3 w over area).
    assert np.mean(1 / (1 + 3 * w_biased)) == pytest.approx(1 / np.mean(1 + 3 * w_even), rel=0.02)


def test_city_weight_of_known_places() -> None:
    weight = land.city_weight(np.array([2.35, 139.7, 23.0, -60.0]), np.array([48.85, 35.69, 23.5, 78.0]))
    assert weight[0] > 0.9
    assert weight[1] > 0.9
    assert weight[2] < 0.1
    assert weight[3] < 0.001


def test_a_larger_pool_holds_the_smaller_one_and_a_seed_moves_all() -> None:
    small, large = pool(500, 1.0), pool(2000, 1.0)
    pd.testing.assert_frame_equal(small, large.iloc[:500])
    other = pool(500, 1.0, config.Earth(seed=1))
    assert not set(zip(small["lon"], small["lat"], strict=True)) & set(zip(other["lon"], other["lat"], strict=True))


@pytest.mark.parametrize("world", ["realistic", "null", "effect"])
def test_task_is_balanced_over_continents_and_classes(world: str) -> None:
    earth_config = config.Earth.model_validate({"world": world})
    rows = task(606, earth_config)
    assert rows["row"].tolist() == list(range(606))
    where = continents(rows)
    _, label = earth.simulate(rows["lon"], rows["lat"], [f"cropland:{r}" for r in rows["row"]], earth_config)
    for name in land.CONTINENTS:
        assert (where == name).sum() == 101
        assert label[where == name].sum() == 50


def test_a_task_of_some_continents_has_places_there_alone() -> None:
    named = config.EarthTask(kind="earth", models=("presto",), size=41, regions=("Europe", "Africa"))
    rows = earth.task_rows(named, WORLD, "cropland")
    where = continents(rows)
    assert {name: int((where == name).sum()) for name in set(where)} == {"Africa": 21, "Europe": 20}
    whole = continents(task(606))
    assert set(whole) == set(land.CONTINENTS)
    with pytest.raises(errors.TaskError, match="Atlantis"):
        earth.task_rows(named.model_copy(update={"regions": ("Atlantis",)}), WORLD, "cropland")
    with pytest.raises(errors.TaskError, match="4 or more"):
        earth.task_rows(named.model_copy(update={"size": 3}), WORLD, "cropland")


def test_tasks_and_pools_have_their_own_places() -> None:
    mine, other, candidates = task(600), task(600, name="other"), pool(3000)
    sets = [set(zip(f["lon"], f["lat"], strict=True)) for f in (mine, other, candidates)]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    pd.testing.assert_frame_equal(mine, task(600))


def test_labels_alone_are_those_of_the_simulation() -> None:
    rows = pool(800)
    lon, lat = rows["lon"].to_numpy(), rows["lat"].to_numpy()
    _, label = earth.simulate(lon, lat, rows["id"].tolist(), WORLD)
    assert np.array_equal(simulation.labels(lon, lat, WORLD), label)


def test_impossible_sizes_and_targets_are_explained() -> None:
    with pytest.raises(errors.TaskError, match="size 11"):
        task(11)
    with pytest.raises(errors.StudyError, match="Atlantis") as caught:
        pool(10, world=config.Earth(world="effect", target="Atlantis"))
    assert "South America" in caught.value.wanted


def test_a_pool_larger_than_its_ids_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geomix.earth.places.MOST_CANDIDATES", land.BLOCK)
    with pytest.raises(errors.PoolError, match="eight digits"):
        pool(50_000)
