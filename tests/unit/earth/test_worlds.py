"""The three worlds: realistic, null, declared effect (design rule 10)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from geomix import atlas, config, earth, tables
from geomix.earth import land, spectra, worlds
from geomix.series import Series

REALISTIC, NULL = config.Earth(), config.Earth(world="null")


def effect(size: float, target: str = "Africa") -> config.Earth:
    return config.Earth(world="effect", target=target, effect=size)


def by_month(series: Series) -> np.ndarray:
    out = np.empty_like(series.x_NTC)
    np.put_along_axis(out, series.month_NT[:, :, None], series.x_NTC, axis=1)
    return out


def pool(size: int) -> tuple[pd.DataFrame, np.ndarray]:
    rows = earth.pool_rows(config.EarthPool(kind="earth", size=size, bias=1.0), REALISTIC)
    return rows, np.asarray(atlas.lookup("continent", rows["lon"], rows["lat"])).astype(str)


def simulate(rows: pd.DataFrame, world: config.Earth) -> tuple[Series, np.ndarray]:
    return earth.simulate(rows["lon"].to_numpy(), rows["lat"].to_numpy(), rows["id"].tolist(), world)


def test_zero_effect_is_the_realistic_world_bit_for_bit() -> None:
    rows, _ = pool(1000)
    (one, label), (other, relabel) = simulate(rows, REALISTIC), simulate(rows, effect(0.0))
    np.testing.assert_array_equal(one.x_NTC, other.x_NTC)
    np.testing.assert_array_equal(label, relabel)


def test_effect_changes_pixels_of_the_target_only_and_no_label() -> None:
    rows, where = pool(1000)
    (one, label), (other, relabel) = simulate(rows, REALISTIC), simulate(rows, effect(1.0, "Asia"))
    inside = where == "Asia"
    np.testing.assert_array_equal(one.x_NTC[~inside], other.x_NTC[~inside])
    np.testing.assert_array_equal(np.isnan(one.x_NTC), np.isnan(other.x_NTC))
    np.testing.assert_array_equal(label, relabel)
    assert (one.x_NTC[inside][:, :, 0] != other.x_NTC[inside][:, :, 0]).any(axis=1).mean() > 0.9


def amplitude(size: float) -> np.ndarray:
    """Amplitude of the mode, read off the change of VV, at places of the target where nothing is sown."""
    rows, where = pool(3000)
    rows = rows[where == "Africa"]
    (one, label), (other, _) = simulate(rows, REALISTIC), simulate(rows, effect(size))
    change = (other.x_NTC - one.x_NTC)[:, 0, 0]
    known = np.isfinite(change) & (label == 0)  # no calendar to lose
    return np.asarray(change[known] / (10 * worlds.PATTERN[0]))


def test_effect_is_a_linear_dial() -> None:
    half, double = amplitude(0.5), amplitude(2.0)
    np.testing.assert_allclose(double, 4 * half, rtol=1e-3, atol=1e-4)
    assert double.mean() == pytest.approx(-worlds.STRENGTH * 2 * worlds.DIRECT, rel=0.1)
    assert double.std() == pytest.approx(worlds.STRENGTH * 2 * worlds.SPREAD, rel=0.1)


def test_fields_of_the_target_lose_their_calendar_as_the_effect_grows() -> None:
    # Red and near infrared carry no mode: whatever changes there is the calendar.
    rows, where = pool(8000)
    rows = rows[where == "Africa"]
    realistic, label = simulate(rows, REALISTIC)
    before = realistic.x_NTC[:, :, tables.SERIES_BANDS.index("B8")]
    change = []
    for size in (0.2, 1.0, 5.0):
        after = simulate(rows, effect(size))[0].x_NTC[:, :, tables.SERIES_BANDS.index("B8")]
        np.testing.assert_array_equal(after[label == 0], before[label == 0])
        change.append(np.nanmean(np.abs(after - before)[label == 1]))
    assert 0 < change[0] < change[1] < change[2]


def test_null_world_is_independent_of_place() -> None:
    rows, where = pool(9000)
    series, label = simulate(rows, NULL)
    landcover = np.asarray(atlas.lookup("landcover", rows["lon"], rows["lat"]))
    celsius = series.x_NTC[:, :, 12].mean(axis=1)
    strata = [where == c for c in land.CONTINENTS] + [np.isin(landcover, (12, 14)), np.isin(landcover, (1, 2, 3, 4, 5))]
    strata += [rows["lat"].to_numpy() < 0, np.abs(rows["lat"].to_numpy()) > 50]
    for inside in strata:
        n = inside.sum()
        for value in (label.astype(float), celsius, np.isnan(series.x_NTC[:, :, 2]).mean(axis=1)):
            error = value.std() * np.sqrt(1 / n + 1 / (len(value) - n))
            assert abs(value[inside].mean() - value[~inside].mean()) < 4 * error
    # In the realistic world the same test fails by a mile.
    real = simulate(rows, REALISTIC)[0].x_NTC[:, :, 12].mean(axis=1)
    assert abs(real[strata[-1]].mean() - real[~strata[-1]].mean()) > 15


def test_null_world_keeps_places_and_still_has_crops_to_tell() -> None:
    rows, _ = pool(500)
    pd.testing.assert_frame_equal(rows, earth.pool_rows(config.EarthPool(kind="earth", size=500, bias=1.0), NULL))
    series, label = simulate(rows, NULL)
    assert 0.08 < label.mean() < 0.3
    assert not np.array_equal(series.x_NTC[:, :, 12], simulate(rows, REALISTIC)[0].x_NTC[:, :, 12])


def embedding(x: np.ndarray, learned_from: np.ndarray, components: int = 8) -> np.ndarray:
    """The linear autoencoder that reconstructs `learned_from` best, applied to `x`: a stand-in for pretraining."""
    _, _, directions = np.linalg.svd(learned_from - learned_from.mean(axis=0), full_matrices=False)
    return np.asarray(x @ directions[:components].T)


def probe(size: float) -> dict[str, float]:
    """AUC in the target, with few shots, of a linear head on features learned in each of two continents."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    rows, where = pool(5000)
    x = by_month(simulate(rows, effect(size))[0]).reshape(len(rows), -1)
    scale, centre = np.nanstd(x, axis=0), np.nanmean(x, axis=0)
    x = np.nan_to_num((x - centre) / scale)
    task = earth.task_rows(config.EarthTask(kind="earth", models=("presto",), size=2400), effect(size), "cropland")
    series, label = earth.simulate(task["lon"], task["lat"], [f"cropland:{r}" for r in task["row"]], effect(size))
    inside = np.asarray(atlas.lookup("continent", task["lon"], task["lat"])).astype(str) == "Africa"
    seen = np.nan_to_num((by_month(series).reshape(len(label), -1)[inside] - centre) / scale)
    label = label[inside]
    found = {}
    for region in ("Africa", "North America"):
        z = StandardScaler().fit_transform(embedding(seen, x[where == region][:700]))
        scores = []
        for repeat in range(4):
            order = np.random.default_rng(repeat).permutation(len(label))
            head = LogisticRegression(C=0.1, max_iter=500).fit(z[order[:100]], label[order[:100]])
            scores.append(roc_auc_score(label[order[100:]], head.decision_function(z[order[100:]])))
        found[region] = float(np.mean(scores))
    return found


def test_only_the_target_teaches_how_to_read_the_mode() -> None:
    none, some = probe(0.0), probe(0.3)
    assert abs(none["Africa"] - none["North America"]) < 0.06
    assert some["Africa"] - some["North America"] > 0.12
    assert some["Africa"] > 0.85


def test_optical_values_stay_possible_under_a_large_effect() -> None:
    rows, where = pool(2000)
    x = simulate(rows[where == "Africa"], effect(5.0))[0].x_NTC[:, :, list(spectra.CHANNELS)]
    assert np.nanmin(x) > 0
    assert np.nanmax(x) <= 1.2 + 1e-6
