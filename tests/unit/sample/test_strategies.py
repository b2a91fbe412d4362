"""Strategies: exact counts, nesting, indifference to row order, overlap, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geomix import atlas, config
from geomix.errors import CompositionError, DataError
from geomix.sample import sphere, strategies
from geomix.sample.candidates import of_frame
from geomix.sample.strategies import Ask, draw
from tests.unit.sample import pools

UNIFORM = config.Uniform(strategy="uniform")
AREA = config.Uniform(strategy="uniform", weight="area")
CONTINENT = config.Stratified(strategy="stratified", by="continent")
FOREST = config.Where(strategy="where", expr="landcover IN (1, 2, 3, 4, 5)")
CITIES = config.Cities(strategy="cities", top=300, sigma_km=50)
AFRICA = config.OneHot(strategy="onehot", by="continent", value="Africa")
HALF = config.Mix(strategy="mix", of={"uar": 0.5, "africa": 0.5})
PARTS: dict[str, config.Composition] = {"uar": UNIFORM, "africa": AFRICA, "cities": CITIES}
ALL: dict[str, config.Composition] = {
    "uniform": UNIFORM,
    "area": AREA,
    "stratified": CONTINENT,
    "where": FOREST,
    "cities": CITIES,
    "onehot": AFRICA,
    "mix": HALF,
    "mix_cities": config.Mix(strategy="mix", of={"uar": 3, "cities": 1, "africa": 1}),
}

either = pytest.mark.parametrize("how", ALL.values(), ids=ALL.keys())


def ask(budget: int, reserves: int = 0, **changes: Any) -> Ask:
    return Ask(**{"budget": budget, "reserves": reserves, "draw_seed": 0, "parts": PARTS, "name": "it", **changes})


def ids_of(rows: pd.DataFrame, how: config.Composition, one: Ask) -> list[str]:
    pool = of_frame(rows, one.draw_seed)
    return pools.drawn_ids(pool, draw(pool, one, how).positions)


@either
@settings(deadline=None, max_examples=8)
@given(st.integers(0, 1000), st.integers(4, 150), st.integers(0, 40))
def test_counts_are_exact_and_ids_differ(how: config.Composition, seed: int, budget: int, reserves: int) -> None:
    pool = pools.candidates(2000, seed % 5, draw_seed=seed)
    found = draw(pool, ask(budget, reserves, draw_seed=seed), how)
    assert len(found.positions) == budget + reserves
    assert len(set(found.positions.tolist())) == budget + reserves
    assert sum(found.requested.values()) == budget


@either
@settings(deadline=None, max_examples=6)
@given(st.integers(0, 1000))
def test_the_order_of_rows_changes_nothing(how: config.Composition, seed: int) -> None:
    rows = pools.frame(1500, seed % 3)
    turned = rows.sample(frac=1, random_state=seed).reset_index(drop=True)
    one = ask(60, 20, draw_seed=seed)
    assert ids_of(rows, how, one) == ids_of(turned, how, one)


@either
@settings(deadline=None, max_examples=6)
@given(st.integers(4, 120), st.integers(0, 80), st.integers(0, 60))
def test_budgets_nest(how: config.Composition, budget: int, more: int, reserves: int) -> None:
    rows = pools.frame(1500)
    less = ids_of(rows, how, ask(budget, reserves))
    # More samples or more reserves: the same list, longer.
    longer = ids_of(rows, how, ask(budget + more, reserves))
    assert longer[: len(less)] == less


@either
def test_a_thousand_holds_the_five_hundred(how: config.Composition) -> None:
    rows = pools.frame(20_000)
    assert set(ids_of(rows, how, ask(500))) < set(ids_of(rows, how, ask(1000)))


@either
def test_the_seed_decides(how: config.Composition) -> None:
    rows = pools.frame(3000)
    assert ids_of(rows, how, ask(100, draw_seed=1)) == ids_of(rows, how, ask(100, draw_seed=1))
    assert ids_of(rows, how, ask(100, draw_seed=1)) != ids_of(rows, how, ask(100, draw_seed=2))


GOLDEN_UNIFORM = ["g85", "g92", "g88", "g65", "g86"]
GOLDEN_STRATIFIED = ["g92", "g85", "g88", "g65"]
GOLDEN_CITIES = ["g99", "g28", "g0", "g98"]


def test_golden_ids() -> None:
    # The ids of a draw are the same on any machine and for ever: a change here is a new SCHEMA of the step.
    rows = pd.DataFrame(
        {"id": [f"g{n}" for n in range(100)], "lon": np.arange(100.0), "lat": 0.0, "continent": ["a", "b"] * 50}
    )
    assert ids_of(rows, UNIFORM, ask(5)) == GOLDEN_UNIFORM
    assert ids_of(rows, CONTINENT, ask(4)) == GOLDEN_STRATIFIED
    assert ids_of(rows, config.Cities(strategy="cities", top=3), ask(4)) == GOLDEN_CITIES


def test_a_row_more_changes_at_most_one_sample() -> None:
    # Permanent random numbers: pools that overlap give draws that overlap.
    rows = pools.frame(3000)
    fewer = rows.drop(index=[5, 6, 7])
    assert len(set(ids_of(rows, UNIFORM, ask(500))) ^ set(ids_of(fewer, UNIFORM, ask(500)))) <= 6


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_stratified_counts_are_equal_and_nulls_are_counted(seed: int) -> None:
    pool = pools.candidates(2000, seed % 4, draw_seed=seed)
    found = draw(pool, ask(102, 21, draw_seed=seed), CONTINENT)
    assert found.requested == {"Africa": 26, "Asia": 26, "Europe": 25, "Oceania": 25}
    values, counts = np.unique(found.strata[:102].astype(str), return_counts=True)
    assert dict(zip(values, counts, strict=True)) == found.requested
    assert found.strata.tolist() == pool.table["continent"].to_pandas()[found.positions].tolist()
    assert found.notes["without_value"] == pool.table["continent"].null_count > 0


def test_stratified_by_a_number_with_gaps() -> None:
    # pandas turns integers with nulls into floats: class 4 stays "4".
    pool = pools.candidates(400, zone=[1, None, 10, 2] * 100)
    found = draw(pool, ask(9), config.Stratified(strategy="stratified", by="zone"))
    assert found.requested == {"1": 3, "10": 3, "2": 3}


def test_a_dry_stratum_is_named_or_filled() -> None:
    pool = pools.candidates(400)
    have = int((pool.table["continent"].to_pandas() == "Oceania").sum())
    with pytest.raises(CompositionError) as caught:
        draw(pool, ask(200), CONTINENT)
    assert f"Oceania has {have} of 50" in caught.value.seen
    assert "'it'" in caught.value.seen
    assert "water_fill" in caught.value.remedy
    filled = draw(pool, ask(200, quota="water_fill"), CONTINENT)
    assert len(filled.positions) == 200
    assert filled.notes["filled_from_others"] == {"Oceania": 50 - have}
    assert (filled.strata == "Oceania").sum() == have
    # Africa and Asia fill what Oceania lacks, as equally as they can.
    assert abs(int((filled.strata == "Africa").sum()) - int((filled.strata == "Asia").sum())) <= 1


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(["Africa", "Asia", "Europe", "Oceania"]), st.integers(0, 99))
def test_onehot_is_inside_its_region(value: str, seed: int) -> None:
    pool = pools.candidates(1500, draw_seed=seed)
    found = draw(pool, ask(80, 20), config.OneHot(strategy="onehot", by="continent", value=value))
    assert set(pool.table["continent"].to_pandas()[found.positions]) == {value}
    assert set(found.strata) == {value}


def test_compositions_overlap_as_much_as_their_definitions_allow() -> None:
    rows = pools.frame(4000)
    inside = set(rows.loc[rows["continent"] == "Africa", "id"])
    whole = set(ids_of(rows, UNIFORM, ask(800)))
    # The drawn Africans of `uniform` are the first that `onehot` takes.
    assert whole & inside == set(ids_of(rows, AFRICA, ask(len(whole & inside))))
    assert ids_of(rows, config.Where(strategy="where", expr="continent = 'Africa'"), ask(200)) == ids_of(rows, AFRICA, ask(200))


def test_mix_of_one_with_itself_and_shares() -> None:
    pool = pools.candidates(3000)
    found = draw(pool, ask(100), config.Mix(strategy="mix", of={"uar": 3, "africa": 1}))
    assert found.requested == {"africa": 25, "uar": 75}
    assert (found.strata == "africa").sum() == 25
    one = ask(100, parts={"a": UNIFORM, "b": UNIFORM})
    twice = draw(pool, one, config.Mix(strategy="mix", of={"a": 0.5, "b": 0.5}))
    assert twice.positions.tolist() == draw(pool, ask(100), UNIFORM).positions.tolist()  # duplicates are skipped


def test_mix_that_runs_dry() -> None:
    pool = pools.candidates(1000)
    rare = config.Where(strategy="where", expr="continent = 'Oceania'")
    have = int((pool.table["continent"].to_pandas() == "Oceania").sum())
    # Both want the same rows: each alone could be filled.
    how = config.Mix(strategy="mix", of={"a": 0.5, "b": 0.5})
    budget = have + 20
    with pytest.raises(CompositionError, match="others have not taken"):
        draw(pool, ask(budget, parts={"a": rare, "b": rare}), how)
    filled = draw(pool, ask(budget, parts={"a": rare, "b": UNIFORM}, quota="water_fill"), how)
    assert len(filled.positions) == budget


def around(cities: pd.DataFrame, rows: int, degrees: float) -> pd.DataFrame:
    """A pool of `rows` rows in a box about each city."""
    random = np.random.default_rng(0)
    lon = np.concatenate([random.uniform(x - degrees, x + degrees, rows) for x in cities["lon"]])
    lat = np.concatenate([random.uniform(y - degrees, y + degrees, rows) for y in cities["lat"]])
    return pd.DataFrame({"id": [f"c{i}" for i in range(len(lon))], "lon": lon, "lat": lat})


def metres_to(cities: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    points = sphere.unit_vectors(rows["lon"].to_numpy(), rows["lat"].to_numpy())
    centres = sphere.unit_vectors(cities["lon"].to_numpy(), cities["lat"].to_numpy())
    return sphere.metres(np.linalg.norm(points[:, None] - centres[None], axis=2))


def test_cities_take_turns() -> None:
    top = atlas.cities().head(10)
    pool = of_frame(around(top, 1000, 1.0), 0)
    found = draw(pool, ask(300), config.Cities(strategy="cities", top=10, sigma_km=5)).positions
    nearest = metres_to(top, pool.table.to_pandas().iloc[found]).argmin(axis=1)
    assert np.bincount(nearest, minlength=10).tolist() == [30] * 10
    assert all(len(set(nearest[k : k + 10])) == 10 for k in range(0, 300, 10))


def test_samples_scatter_about_a_city_by_sigma() -> None:
    top = atlas.cities().head(1)
    pool = of_frame(around(top, 100_000, 2.5), 0)  # dense: the nearest row is about 1 km away
    found = draw(pool, ask(1000), config.Cities(strategy="cities", top=1, sigma_km=50))
    rms = np.sqrt((metres_to(top, pool.table.to_pandas().iloc[found.positions]) ** 2).mean())
    assert rms == pytest.approx(50_000 * np.sqrt(2), rel=0.05)  # one standard error is 1.6 %
    assert found.notes["km_from_point_to_sample"]["p95"] < 5


def test_fewer_reserves_than_asked_are_recorded_and_a_short_budget_is_refused() -> None:
    pool = pools.candidates(500)
    have = int((pool.table["continent"].to_pandas() == "Europe").sum())
    europe = config.OneHot(strategy="onehot", by="continent", value="Europe")
    assert len(draw(pool, ask(have - 2, 50), europe).positions) == have
    with pytest.raises(CompositionError) as caught:
        draw(pool, ask(have + 1), europe)
    assert f"{have:,} samples can be drawn" in caught.value.seen
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("how", [UNIFORM, AREA, CITIES])
def test_a_budget_larger_than_the_pool(how: config.Composition) -> None:
    with pytest.raises(CompositionError, match="200 samples can be drawn from 200 candidates"):
        draw(pools.candidates(200), ask(1000), how)


def test_wrong_definitions_are_explained() -> None:
    pool = pools.candidates(300)

    def refused(how: config.Composition, kind: type[Exception] = CompositionError, budget: int = 50) -> str:
        with pytest.raises(kind) as caught:
            draw(pool, ask(budget), how)
        assert "'it'" in str(caught.value)
        return str(caught.value)

    assert "did you mean 'continent'?" in refused(config.Stratified(strategy="stratified", by="Continents"))
    assert "one of: continent, landcover" in refused(config.Stratified(strategy="stratified", by="lon"))
    assert "more than the 3 samples" in refused(CONTINENT, budget=3)
    text = refused(config.OneHot(strategy="onehot", by="continent", value="africa"))
    assert "did you mean 'Africa'?" in text
    assert "Africa, Asia, Europe, Oceania" in text
    assert "holds for none" in refused(config.Where(strategy="where", expr="landcover = 99"))
    for more in ("random() < 0.5", "lon > (SELECT avg(lon) FROM rows)", "row_number() OVER () < 9", "true); SELECT (1"):
        assert "more than a condition on a row" in refused(config.Where(strategy="where", expr=more), DataError)
    assert "current_date" in refused(config.Where(strategy="where", expr="current_date > DATE '2020-01-01'"), DataError)
    assert "more than a condition" in refused(config.Where(strategy="where", expr="true) UNION ALL SELECT (9"), DataError)
    text = refused(config.Where(strategy="where", expr="landcovr = 1"), DataError)
    assert "landcovr" in text
    assert "continent" in text
    refused(config.Where(strategy="where", expr="landcover = = 1"), DataError)
    assert "draws nothing" in refused(config.NoPretraining(strategy="none"))
    assert "several compositions" in refused(config.OneHot(strategy="onehot", each="continent"))


def test_every_strategy_of_the_schema_that_draws_is_registered() -> None:
    named = {c.model_fields["strategy"].annotation.__args__[0] for c in config.Composition.__args__[0].__args__}  # type: ignore[union-attr]
    assert named - set(strategies.STRATEGIES) == {"none", "weights"}
