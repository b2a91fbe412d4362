"""Properties that every strategy has, and those of the ones beyond `test_strategies`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import stats as scipy_stats
from scipy.spatial import cKDTree

from geomix import config
from geomix.errors import CompositionError, DataError
from geomix.sample import by_feature, order, sphere, strategies, unused
from geomix.sample.candidates import Candidates, of_frame
from geomix.sample.strategies import Ask, draw
from tests.unit.sample import pools

ADAPTER: TypeAdapter[config.Composition] = TypeAdapter(config.Composition)


def made(**definition: Any) -> config.Composition:
    return ADAPTER.validate_python(definition)


def rows_of(rows: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed + 100)
    extra = {
        "f1": random.normal(size=rows),
        "f2": random.normal(size=rows).round(1),
        "spectral_entropy_pooled": random.normal(5, 1, rows).round(3),
    }
    frame = pools.frame(rows, seed, **extra)
    frame.loc[::17, "f1"] = np.nan
    frame["spectral_entropy_pooled"] += np.where(frame["continent"] == "Europe", 0.7, 0.0)
    return frame


PARTS = {
    "uar": made(strategy="uniform"),
    "africa": made(strategy="onehot", by="continent", value="Africa"),
    "europe": made(strategy="onehot", by="continent", value="Europe"),
    "continent": made(strategy="stratified", by="continent"),
    "forest": made(strategy="where", expr="landcover <= 4"),
}
NEW: dict[str, config.Composition] = {
    "proportional": made(strategy="stratified", by="continent", allocation="proportional"),
    "sqrt": made(strategy="stratified", by="continent", allocation="sqrt"),
    "weights": made(strategy="stratified", by="continent", allocation="weights", weights={"Asia": 2, "Africa": 1}),
    "balanced": made(strategy="balanced", values=["Africa", "Asia", "Europe"]),
    "leave_rows": made(strategy="leave_one_out", by="continent", value="Africa"),
    "leave_equal": made(strategy="leave_one_out", by="continent", value="Africa", allocation="equal"),
    "clustered": made(strategy="clustered", clusters=4, radius_km=3000),
    "clustered_area": made(strategy="clustered", clusters=3, radius_km=3000, weight="area"),
    "blue": made(strategy="spatially_balanced"),
    "clusters": made(strategy="cluster_balanced", columns=["f1", "f2"], clusters=5),
    "farthest": made(strategy="farthest_point", columns=["f1", "f2"]),
    "farthest_of": made(strategy="farthest_point", columns=["f1"], candidates=700),
    "top": made(strategy="entropy", mode="top"),
    "bins": made(strategy="entropy", mode="stratified", bins=5, by="continent", value="Asia"),
    "matched": made(strategy="entropy", mode="matched", by="continent", value="Africa", like="Europe"),
    "dose": made(strategy="dose", of=["uar", "africa"], percent=[25]),
    "placebo": made(strategy="placebo", of="continent"),
}
each = pytest.mark.parametrize("how", NEW.values(), ids=NEW.keys())
few = settings(deadline=None, derandomize=True, max_examples=3)


def ask(budget: int, reserves: int = 0, **changes: Any) -> Ask:
    base = {"budget": budget, "reserves": reserves, "draw_seed": 0, "parts": PARTS, "name": "it", "quota": "water_fill"}
    return Ask(**{**base, **changes})


def drawn(rows: pd.DataFrame, how: config.Composition, one: Ask) -> list[str]:
    pool = of_frame(rows, one.draw_seed)
    return pool.ids_at(draw(pool, one, how).positions)


@each
@few
@given(st.integers(0, 1000), st.integers(5, 120), st.integers(0, 40))
def test_counts_are_exact_and_ids_differ(how: config.Composition, seed: int, budget: int, reserves: int) -> None:
    found = draw(of_frame(rows_of(1500, seed % 5), seed), ask(budget, reserves, draw_seed=seed), how)
    assert len(found.positions) == len(set(found.positions.tolist())) == budget + reserves == len(found.strata)
    assert sum(found.requested.values()) == budget


@each
@few
@given(st.integers(0, 1000))
def test_the_order_of_rows_changes_nothing(how: config.Composition, seed: int) -> None:
    rows = rows_of(1200, seed % 3)
    turned = rows.sample(frac=1, random_state=seed).reset_index(drop=True)
    assert drawn(rows, how, ask(60, 20, draw_seed=seed)) == drawn(turned, how, ask(60, 20, draw_seed=seed))


@each
@few
@given(st.integers(5, 100), st.integers(0, 80), st.integers(0, 50))
def test_budgets_nest(how: config.Composition, budget: int, more: int, reserves: int) -> None:
    rows = rows_of(1200)
    less = drawn(rows, how, ask(budget, reserves))
    assert drawn(rows, how, ask(budget + more, reserves))[: len(less)] == less


@each
def test_the_seed_decides(how: config.Composition) -> None:
    if how.strategy == "entropy" and how.mode == "top":  # the values decide: numbers only break ties
        return
    rows = rows_of(1500)
    assert drawn(rows, how, ask(80, draw_seed=1)) != drawn(rows, how, ask(80, draw_seed=2))


@few
@given(st.integers(0, 99), st.lists(st.integers(1, 9), min_size=4, max_size=4), st.integers(1, 400))
def test_heads_of_groups_are_those_of_the_whole_order(seed: int, shares: list[int], n: int) -> None:
    random = np.random.default_rng(seed)
    codes = random.choice(5, 500, p=[0.02, 0.1, 0.3, 0.5, 0.08]) - 1
    numbers = order.draw_numbers([str(k) for k in range(500)], seed)
    weights = np.asarray(shares, dtype=float)
    whole = order.by_number(numbers)
    expected = whole[order.interleave(codes[whole], weights)][:n]
    have = np.bincount(codes[codes >= 0], minlength=4)
    assert order.by_group(numbers, codes, weights, have, n).tolist() == expected.tolist()
    crowded = numbers >> np.uint64(40)  # all far below the cut, and numbers near each other
    whole = order.by_number(crowded)
    expected = whole[order.interleave(codes[whole], weights)][:n]
    assert order.by_group(crowded, codes, weights, have, n).tolist() == expected.tolist()
    assert order.by_number(numbers, n=n).tolist() == order.by_number(numbers)[:n].tolist()


def counts(found: Any, budget: int) -> dict[str, int]:
    return dict(pd.Series(found.strata[:budget]).value_counts())


def test_shares_of_allocations() -> None:
    pool = of_frame(rows_of(4000), 0)
    have = pool.table["continent"].to_pandas().value_counts()
    proportional = draw(pool, ask(400), NEW["proportional"])
    assert max(abs(proportional.requested[c] - 400 * have[c] / have.sum()) for c in have.index) <= 1
    root = np.sqrt(have)
    found = draw(pool, ask(400), NEW["sqrt"])
    assert max(abs(found.requested[c] - 400 * root[c] / root.sum()) for c in have.index) <= 1
    assert counts(draw(pool, ask(300), NEW["weights"]), 300) == {"Asia": 200, "Africa": 100}


def test_balanced_leaves_antarctica_out_and_stratified_does_not() -> None:
    rows = rows_of(2000)
    rows.loc[rows["continent"] == "Oceania", "continent"] = "Antarctica"
    pool = of_frame(rows, 0)
    assert set(draw(pool, ask(90), made(strategy="balanced")).requested) == {"Africa", "Asia", "Europe"}
    assert "Antarctica" in draw(pool, ask(90), PARTS["continent"]).requested


@pytest.mark.parametrize("how", [NEW["leave_rows"], NEW["leave_equal"]])
def test_leave_one_out_has_none_of_the_region(how: config.Composition) -> None:
    pool = of_frame(rows_of(1500), 0)
    places = pool.table["continent"].to_pandas()[draw(pool, ask(200, 50), how).positions]
    assert set(places) == {"Asia", "Europe", "Oceania"}


def test_doses_of_none_and_all_equal_their_parents() -> None:
    rows = rows_of(1500)
    for percent, parent in ((0, "uar"), (100, "africa")):
        dose = made(strategy="dose", of=["uar", "africa"], percent=[percent])
        assert drawn(rows, dose, ask(150, 30)) == drawn(rows, PARTS[parent], ask(150, 30))
    found = draw(of_frame(rows, 0), ask(200), NEW["dose"])
    assert counts(found, 200) == {"uar": 150, "africa": 50}


def test_a_vertex_of_a_simplex_is_its_region() -> None:
    rows = rows_of(1500)
    vertex = made(strategy="stratified", by="continent", allocation="weights", weights={"Africa": 2})
    assert drawn(rows, vertex, ask(100, 20)) == drawn(rows, PARTS["africa"], ask(100, 20))


@few
@given(st.integers(0, 99))
def test_a_placebo_keeps_marginals_and_loses_places(seed: int) -> None:
    pool = of_frame(rows_of(2000), seed)
    turned = pool.shuffled(order.by_number(order.own_numbers(pool.numbers, "placebo", seed)))
    for name in ("continent", "landcover"):
        before, after = (one.table[name].to_pandas() for one in (pool, turned))
        assert before.value_counts(dropna=False).to_dict() == after.value_counts(dropna=False).to_dict()
    assert (pool.lon == turned.lon).all()
    found = draw(pool, ask(200, draw_seed=seed, quota="exact"), NEW["placebo"])
    assert set(found.requested.values()) == {50}
    mine = pool.table["continent"].to_pandas()[found.positions[found.strata == "Africa"]]
    assert (mine == "Africa").mean() < 0.8  # by chance 0.4


def test_discs_hold_their_rows_and_the_nearest_centre_decides() -> None:
    rows = rows_of(3000)
    pool = of_frame(rows, 0)
    found = draw(pool, ask(60, quota="exact"), NEW["clustered"])
    at = {name: n for n, name in enumerate(pool.ids_at(np.arange(len(pool))))}
    centres = [at[c] for c in found.notes["centres"]]
    vectors = sphere.unit_vectors(pool.lon, pool.lat)
    far = sphere.metres(np.linalg.norm(vectors[found.positions][:, None] - vectors[centres][None], axis=2)).round()
    assert found.strata.tolist() == [f"disc_{n + 1}" for n in far.argmin(axis=1)]
    assert far.min(axis=1).max() <= 3_000_000
    assert set(found.requested.values()) == {15}
    with pytest.raises(CompositionError, match="discs run dry: disc_"):
        draw(pool, ask(60, quota="exact"), made(strategy="clustered", clusters=4, radius_km=50))
    assert len(draw(pool, ask(60), made(strategy="clustered", clusters=4, radius_km=1500)).positions) == 60


def test_blue_noise_keeps_its_distance_and_is_the_sequential_order(monkeypatch: pytest.MonkeyPatch) -> None:
    from geomix.sample import blue_noise

    pool = of_frame(rows_of(4000), 0)
    vectors = sphere.unit_vectors(pool.lon, pool.lat)

    def gaps(how: config.Composition) -> np.ndarray:
        at = vectors[draw(pool, ask(300), how).positions]
        return sphere.metres(cKDTree(at).query(at, k=2)[0][:, 1])

    blue, uniform = gaps(NEW["blue"]), gaps(PARTS["uar"])
    assert np.median(blue) > 1.5 * np.median(uniform)
    assert blue.min() > 20 * uniform.min()
    # One candidate after the other, as the definition says.
    whole, taken, level = order.by_number(pool.numbers).tolist(), [], 0
    while len(taken) < 300:
        distance, before = round(blue_noise.FIRST_M / 2 ** (level / 2)), len(taken)
        for row in whole[: 2 * blue_noise.TRIES * max(before, 32)]:
            far = sphere.metres(np.linalg.norm(vectors[taken] - vectors[row], axis=1)).round() if taken else np.empty(0)
            if row not in taken and (far >= distance).all():
                taken.append(row)
        level += 1
    assert draw(pool, ask(300), NEW["blue"]).positions.tolist() == taken[:300]


def test_visits_of_one_place_come_last_in_blue_noise() -> None:
    rows = pools.frame(40)
    pool = of_frame(pd.concat([rows, rows.assign(id=rows["id"] + "x")]), 0)
    found = pool.ids_at(draw(pool, ask(80), NEW["blue"]).positions)
    assert len({name.rstrip("x") for name in found[:40]}) == 40


def test_farthest_point_by_hand_and_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.array([[0, 10, 4, 10, 5]], dtype=np.int32)
    assert by_feature.farthest_first(x, 5).tolist() == [0, 1, 4, 2, 3]  # 3 equals 1: last
    monkeypatch.setattr(by_feature, "MOST_STEPS", 1e5)
    with pytest.raises(CompositionError) as caught:
        draw(of_frame(rows_of(1500), 0), ask(100), NEW["farthest"])
    assert "candidates: 500" in caught.value.remedy


def test_clusters_of_separate_blobs_are_found() -> None:
    random = np.random.default_rng(0)
    blob = random.choice(3, 1500, p=[0.8, 0.15, 0.05])
    rows = rows_of(1500).assign(f1=blob * 10 + random.normal(size=1500), blob=blob)
    pool = of_frame(rows, 0)
    found = draw(pool, ask(90, quota="exact"), made(strategy="cluster_balanced", columns=["f1"], clusters=3))
    assert sorted(pool.number("blob")[found.positions].tolist()) == [0] * 30 + [1] * 30 + [2] * 30
    with pytest.raises(CompositionError, match="have 3 different features"):
        draw(pool, ask(90), made(strategy="cluster_balanced", columns=["blob"], clusters=4))


def test_entropy_top_and_matched() -> None:
    rows = rows_of(6000)
    pool = of_frame(rows, 0)
    values = pool.number("spectral_entropy_pooled")
    top = draw(pool, ask(100), NEW["top"])
    assert values[top.positions].tolist() == np.sort(values)[::-1][:100].tolist()
    continent = pool.table["continent"].to_pandas().to_numpy()
    matched = draw(pool, ask(400, quota="exact"), NEW["matched"]).positions
    assert set(continent[matched]) == {"Africa"}
    europe, africa = values[continent == "Europe"], values[continent == "Africa"]
    assert scipy_stats.ks_2samp(africa, europe).pvalue < 1e-9
    assert scipy_stats.ks_2samp(values[matched], europe).pvalue > 0.01


def test_one_own_list_keeps_its_order(tmp_path: Path) -> None:
    rows = rows_of(200)
    pool = of_frame(rows, 0)
    listed = rows["id"].sample(50, random_state=1).tolist()

    def how(names: list[str]) -> config.Composition:
        pd.DataFrame({"id": names}).to_csv(tmp_path / "ids.csv", index=False)
        return made(strategy="ids", uri=str(tmp_path / "ids.csv"))

    assert pool.ids_at(draw(pool, ask(30, 20), how(listed)).positions) == listed
    for names, words in (
        ([*listed, "x9"], "1 of 51 ids.*no candidates: 'x9'"),
        ([*listed, listed[3]], f"holds '{listed[3]}' more than once"),
        (listed[:10], "10 samples can be drawn"),
    ):
        with pytest.raises(CompositionError, match=words):
            draw(pool, ask(30), how(names))
    with pytest.raises(DataError, match="no column 'name'"):
        draw(pool, ask(30), made(strategy="ids", uri=str(tmp_path / "ids.csv"), column="name"))


def test_cities_of_ones_own(tmp_path: Path) -> None:
    table = pd.DataFrame({"lng": [10.0, 20.0, 30.0], "lat": [0.0, 0.0, 0.0], "population": [5, 50, 7]})
    table.to_csv(tmp_path / "c.csv", index=False)
    how = made(strategy="cities", uri=str(tmp_path / "c.csv"), top=2)
    assert strategies.largest(how)["lon"].tolist() == [20.0, 30.0]
    assert len(draw(of_frame(rows_of(500), 0), ask(40), how).positions) == 40


def test_taking_turns_is_exact_over_the_dateline_at_a_pole_and_from_afar() -> None:
    random = np.random.default_rng(3)
    lon, lat = random.uniform(-180, 180, 20_000), np.degrees(np.arcsin(random.uniform(-1, 1, 20_000)))
    away = (lon > 30) & (lat > 0)
    lon[away] -= 180
    to_lon = np.concatenate([random.normal(179.9, 0.5, 600), random.uniform(-180, 180, 50), [100.0] * 20])
    to_lat = np.concatenate([random.normal(5, 0.5, 600), np.full(50, 89.9), [45.0] * 20])
    tie = random.permutation(20_000).astype(np.uint64)
    found, far = unused.nearest_unused(lon, lat, tie, to_lon, to_lat)
    points, free = sphere.unit_vectors(lon, lat), np.ones(20_000, dtype=bool)
    for n, target in enumerate(sphere.unit_vectors(to_lon, to_lat)):
        whole = np.where(free, np.round(sphere.metres(np.linalg.norm(points - target, axis=1))), np.inf)
        best = min(np.flatnonzero(whole == whole.min()), key=lambda row: tie[row])
        assert (found[n], far[n]) == (best, whole[best])
        free[best] = False


@few
@given(st.integers(0, 999), st.lists(st.integers(1, 5), min_size=3, max_size=3))
def test_a_mixture_takes_turns(seed: int, shares: list[int]) -> None:
    from geomix.sample.mixtures import interleave_unused

    random = np.random.default_rng(seed)
    lists = [random.permutation(60)[: random.integers(5, 60)] for _ in range(3)]
    head, origin = interleave_unused(lists, np.asarray(shares, dtype=float), 70, 60)
    # By hand: each turn to the list with the least (2 taken + 1) / share that has an unused sample.
    used: set[int] = set()
    for sample, group in zip(head.tolist(), origin.tolist(), strict=True):
        left = [[x for x in own.tolist() if x not in used] for own in lists]
        taken = [sum(o == g for o in origin[: len(used)].tolist()) for g in range(3)]
        best = min(((2 * taken[g] + 1) / shares[g], g) for g in range(3) if left[g])[1]
        assert (group, sample) == (best, left[best][0])
        used.add(sample)
    assert len(head) == len(set(np.concatenate(lists).tolist()))


def refused(how: config.Composition, pool: Candidates, words: str, **changes: Any) -> None:
    with pytest.raises(CompositionError) as caught:
        draw(pool, ask(50, quota="exact", **changes), how)
    assert words in str(caught.value)
    assert "'it'" in str(caught.value)


def test_wrong_definitions_are_explained() -> None:
    rows = rows_of(400).assign(empty=np.nan, flat=1.0)
    pool = of_frame(rows, 0)
    features = {"strategy": "cluster_balanced", "clusters": 3}
    refused(made(**features, columns=["f3"]), pool, "no stratum 'f3'")
    refused(made(**features, columns=["continent"]), pool, "not numbers")
    refused(made(**features, columns=["empty"]), pool, "no value at any of 400 candidates")
    refused(made(**features, columns=["flat"]), pool, "has one value, 1")
    refused(made(strategy="entropy", mode="top", column="empty"), pool, "no value")
    refused(
        made(strategy="entropy", mode="top", by="continent", value="Atlantis"), pool, "no candidate has continent 'Atlantis'"
    )
    refused(made(strategy="balanced", by="empty"), pool, "no candidate has a value of 'empty'")
    refused(made(strategy="stratified", by="continent", values=["Africa", "Asie"]), pool, "did you mean 'Asia'")
    refused(made(strategy="clustered", clusters=401, radius_km=1), pool, "401 clusters")
    refused(made(strategy="simplex", by="continent", values=["Africa", "Asia"]), pool, "stands for 3 compositions")
    refused(made(strategy="dose", of=["uar", "africa"]), pool, "5 percentages")
    weights = {"Oceania": 99, "Asia": 1}
    refused(made(strategy="stratified", by="continent", allocation="weights", weights=weights), pool, "Oceania has")


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "stratified", "by": "x", "allocation": "weights"},
        {"strategy": "stratified", "by": "x", "weights": {"a": 1}},
        {"strategy": "entropy", "mode": "matched", "by": "x", "value": "a"},
        {"strategy": "entropy", "mode": "top", "like": "a"},
        {"strategy": "dose", "of": ["a", "a"]},
        {"strategy": "simplex", "by": "x", "values": ["a", "a"]},
        {"strategy": "simplex", "by": "x", "values": [str(n) for n in range(30)]},
        {"strategy": "cluster_balanced", "columns": ["f", "f"], "clusters": 2},
        {"strategy": "leave_one_out", "each": "x", "by": "x", "value": "y"},
    ],
)
def test_definitions_that_contradict_themselves(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(wrong)


def test_columns_and_pixels_that_a_strategy_reads() -> None:
    assert strategies.columns(made(strategy="placebo", of="continent"), {"continent": PARTS["continent"]}) == ["continent"]
    assert strategies.columns(made(strategy="where", expr="Landcover = 1 AND lat > 3"), {}) == ["Landcover", "lat"]
    assert strategies.columns(made(strategy="where", expr="COLUMNS(*) = 1"), {}) is None
    assert NEW["top"].needs_pixels
    assert made(strategy="where", expr="spectral_entropy_pooled > 4").needs_pixels
    assert not NEW["clusters"].needs_pixels
    # Studies from before these fields keep their keys.
    assert made(strategy="stratified", by="x").model_dump(mode="json") == {"strategy": "stratified", "by": "x"}
