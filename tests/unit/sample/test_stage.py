"""The sample step: manifests, keys, what makes a new one and what does not, and errors as they reach the user."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from geomix import atlas, manifest, sample, step, store
from geomix.errors import CompositionError
from geomix.step import Place
from tests.unit.sample import pools


@pytest.fixture
def pool(tmp_path: Path) -> dict[str, str]:
    return pools.write(tmp_path / "pool", pools.frame(3000))


def a_draw(plan: str, pool: dict[str, str], label: str = "uar", seed: float = 0, **definition: Any) -> dict[str, Any]:
    return {
        "plan": plan,
        "pool": pool,
        "composition": label,
        "definition": definition or {"strategy": "uniform"},
        "draw_seed": seed,
    }


def test_manifest_and_description(tmp_path: Path, pool: dict[str, str], place: Place) -> None:
    plan = pools.write_plan(tmp_path / "plan", reserves=0.29)
    answer = json.loads(sample.run(a_draw(plan, pool, "continent", strategy="stratified", by="continent"), place))
    assert {k: answer[k] for k in ("composition", "draw_seed", "pool", "plan")} == {
        "composition": "continent",
        "draw_seed": 0,
        "pool": pool,
        "plan": plan,
    }
    found = manifest.read(answer["manifest"])
    assert found.budget == 100
    assert len(found.reserves) == 29
    assert found.rows["rank"].tolist() == list(range(129))
    assert found.drawn["stratum"].value_counts().to_dict() == {"Africa": 25, "Asia": 25, "Europe": 25, "Oceania": 25}
    told = found.description
    assert told["strategy"] == "stratified"
    assert told["parameters"] == {"by": "continent"}
    assert told["draw_seed"] == 0
    assert told["pool"] == pool
    assert told["requested"] == told["drawn"] == {"Africa": 25, "Asia": 25, "Europe": 25, "Oceania": 25}
    assert told["reserves"]["requested"] == told["reserves"]["drawn"] == 29
    assert told["shares"]["continent"] == {"Africa": 0.25, "Asia": 0.25, "Europe": 0.25, "Oceania": 0.25}
    assert told["excluded"] == {"near_tasks_km": 0, "rows": 0, "of": 3000}
    assert answer["manifest"].split("/")[-2] == told["recipe"]  # the recipe is the step's key
    assert "continent" not in json.dumps({k: v for k, v in told.items() if k in ("composition", "label")})


def test_equal_recipes_share_a_folder_and_kfp_numbers_change_nothing(
    tmp_path: Path, pool: dict[str, str], place: Place
) -> None:
    plan = pools.write_plan(tmp_path / "plan")
    one = json.loads(sample.run(a_draw(plan, pool, "uar"), place))
    other = pools.write_plan(tmp_path / "renamed", name="another", seeds={"train": [5]})
    again = json.loads(sample.run(a_draw(other, pool, "same", seed=0.0), Place(place.root, "second")))
    assert again["manifest"] == one["manifest"]
    assert again["composition"] == "same"
    assert isinstance(again["draw_seed"], int)
    cities = {"strategy": "cities", "top": 50, "sigma_km": 50}
    first = json.loads(sample.run(a_draw(plan, pool, "c", **cities), place))
    second = json.loads(sample.run(a_draw(plan, pool, "c", **cities | {"top": 50.0, "sigma_km": 50.0}), place))
    assert first["manifest"] == second["manifest"]


def test_what_matters_makes_a_new_key(tmp_path: Path, place: Place) -> None:
    rows = pools.frame(3000)
    pool = pools.write(tmp_path / "pool", rows)
    plan = pools.write_plan(tmp_path / "plan")

    def folder(plan: str = plan, pool: dict[str, str] = pool, **changes: Any) -> str:
        return str(json.loads(sample.run(a_draw(plan, pool, **changes), place))["manifest"])

    near = pd.DataFrame({"task": ["t"], "row": [0], "lon": [0.0], "lat": [0.0]})
    nearer = near.assign(lon=5.0)
    corrected = pools.write(tmp_path / "corrected", rows.assign(landcover=rows["landcover"].replace(8, 7)))
    assert corrected["hash"] == pool["hash"]  # a stratum's correction is no new pool, but a new recipe
    folders = [
        folder(),
        folder(seed=1),
        folder(pools.write_plan(tmp_path / "b", budget=101)),
        folder(pools.write_plan(tmp_path / "r", reserves=0.5)),
        folder(pools.write_plan(tmp_path / "x", near, exclude={"near_tasks_km": 500})),
        folder(pools.write_plan(tmp_path / "y", nearer, exclude={"near_tasks_km": 500})),
        folder(pool=corrected),
        folder(strategy="uniform", weight="area"),
        folder(strategy="cities", top=100),
        folder(strategy="cities", top=101),
    ]
    assert len(set(folders)) == len(folders)
    # Without an exclusion zone the tasks' places do not matter, and without quotas neither does `quota`.
    assert folder(pools.write_plan(tmp_path / "z", near)) == folders[0]
    assert folder(pools.write_plan(tmp_path / "q", quota="water_fill")) == folders[0]


def test_the_maps_behind_a_strategy_make_its_key(
    tmp_path: Path, pool: dict[str, str], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = pools.write_plan(tmp_path / "plan")

    def folders() -> list[str]:
        definitions = [{"strategy": "cities", "top": 9}, {"strategy": "uniform", "weight": "area"}, {"strategy": "uniform"}]
        return [json.loads(sample.run(a_draw(plan, pool, **one), place))["manifest"] for one in definitions]

    before, largest, land = folders(), atlas.cities(), atlas.source("landcover")
    monkeypatch.setattr(atlas, "cities", lambda: largest.iloc[1:])
    monkeypatch.setattr(atlas, "source", lambda stratum: replace(land, sha256="0" * 64))
    after = folders()
    assert [a == b for a, b in zip(after, before, strict=True)] == [False, False, True]


def test_a_mix_depends_on_its_parts(tmp_path: Path, pool: dict[str, str], place: Place) -> None:
    def folder(name: str, expr: str) -> str:
        compositions = {
            "uar": {"strategy": "uniform"},
            "some": {"strategy": "where", "expr": expr},
            "mix": {"strategy": "mix", "of": {"uar": 0.5, "some": 0.5}},
        }
        plan = pools.write_plan(tmp_path / name, compositions=compositions)
        return str(json.loads(sample.run(a_draw(plan, pool, "mix", **compositions["mix"]), place))["manifest"])

    one = folder("a", "landcover = 1")
    assert folder("b", "landcover = 1") == one
    assert folder("c", "landcover = 2") != one
    assert manifest.read(one).description["drawn"] == {"some": 50, "uar": 50}


def test_places_of_tasks_are_kept_clear(tmp_path: Path, pool: dict[str, str], place: Place) -> None:
    near = pd.DataFrame({"task": ["t", "t"], "row": [0, 1], "lon": [10.0, None], "lat": [20.0, None]})
    plan = pools.write_plan(tmp_path / "plan", near, exclude={"near_tasks_km": 3000}, budget=1000)
    found = manifest.read(json.loads(sample.run(a_draw(plan, pool), place))["manifest"])
    assert found.description["excluded"]["rows"] > 100
    rows = pd.read_parquet(tmp_path / "pool" / "pool.parquet").set_index("id").loc[found.rows["id"]]
    from geomix.sample import exclude

    assert not exclude.near(rows["lon"].to_numpy(), rows["lat"].to_numpy(), near, 3000).any()
    everywhere = pools.write_plan(tmp_path / "all", near, exclude={"near_tasks_km": 20_016})
    with pytest.raises(CompositionError, match="all 3,000 rows"):
        sample.run(a_draw(everywhere, pool), place)


def test_a_composition_that_cannot_be_filled_leaves_its_reason(tmp_path: Path, pool: dict[str, str], place: Place) -> None:
    plan = pools.write_plan(tmp_path / "plan", budget=2500)
    dry = a_draw(plan, pool, "dry", strategy="onehot", by="continent", value="Oceania")
    with pytest.raises(CompositionError) as caught:
        sample.run(dry, place)
    text = str(caught.value)
    assert "'dry'" in text
    assert "2,500" in text
    folders = store.list_names(store.join(place.root, "sample"))
    assert len(folders) == 1
    assert store.list_names(store.join(place.root, "sample", folders[0])) == ["error.json"]
    assert step.records(place.root, place.run)[0]["error"]["exit_code"] == 2


def test_a_draw_twice_gives_the_same_bytes(tmp_path: Path, pool: dict[str, str]) -> None:
    plan = pools.write_plan(tmp_path / "plan")
    written = []
    for root in ("one", "two"):
        answer = json.loads(sample.run(a_draw(plan, pool), Place(str(tmp_path / root), "run")))
        written.append([store.read_bytes(store.join(answer["manifest"], n)) for n in ("manifest.parquet", "manifest.json")])
    assert written[0] == written[1]
