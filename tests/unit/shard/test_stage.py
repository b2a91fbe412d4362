"""The shard step on a table pool: stores, realised manifests, labels, items."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from geomix import config, ids, manifest, shard, store, tables
from geomix.errors import CompositionError, DataError
from geomix.shard.reader import SeriesReader
from geomix.step import Place
from tests.unit.shard.helpers import drawn, save

ROWS, STEPS = 60, 6
CHANNELS = {"temperature_2m": 0, "B4": 1, "B8": 2}
REFUSED = {"p03": "no_values", "p07": "few_steps", "p20": "few_steps"}
STUDY: dict[str, Any] = {
    "name": "one",
    "scale": "tiny",
    "budget": 6,
    "compositions": {
        "uar": {"strategy": "uniform"},
        "hot": {"strategy": "onehot", "each": "country"},
        "zero": {"strategy": "none"},
    },
    "models": {"presto": {"pool": "series"}},
    "seeds": {"draw": [0, 1], "train": [0, 1], "label": 2},
    "tasks": {"crops": {"kind": "earth", "models": ["presto"]}},
    "sweep": {"heads": ["logistic"], "shots": [20], "splits": ["random"]},
    "report": {"primary": {"task": "crops", "split": "random", "head": "logistic", "metric": "f1", "shots": 20}},
}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class World:
    """A table with series beside it, a pool made of it, a study, and drawn manifests."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.place = folder, Place(str(folder / "work"), "run")
        x = np.arange(ROWS * STEPS * 3, dtype=np.float32).reshape(ROWS, STEPS, 3)
        x[3], x[7, :, 1:], x[20, 2:] = np.nan, np.nan, np.nan  # channel 0 is temperature: weather alone is not enough
        folder.mkdir(exist_ok=True)
        np.savez(folder / "x.npz", X=x)
        table = pd.DataFrame({"lon": np.linspace(-170, 170, ROWS), "lat": 0.5, "start_month": np.arange(ROWS) % 12})
        table.to_csv(folder / "table.csv", index=False)
        pool = pd.DataFrame(
            {
                "id": [f"p{k:02d}" for k in range(ROWS)],
                "place": [f"p{k}" for k in range(ROWS)],
                "lon": table["lon"],
                "lat": table["lat"],
                "time": pd.Series(pd.NaT, index=range(ROWS), dtype="datetime64[s, UTC]"),
                "href": [f"{folder}/table.csv#{k}" for k in range(ROWS)],
                "cloud": np.nan,
                "nodata": np.nan,
                "id64": ids.id64(f"p{k:02d}" for k in range(ROWS)),
            }
        )
        tables.write_parquet(str(folder / "pool" / "pool.parquet"), pool, tables.POOL_SCHEMA)
        self.study: dict[str, Any] = copy.deepcopy(STUDY)
        self.study["pools"] = {
            "series": {
                "kind": "table",
                "uri": f"{folder}/table.csv",
                "arrays": {
                    "uri": f"{folder}/x.npz",
                    "channels": {"temperature_2m": 0, "B4": 1, "B8": 2},
                    "factor": {"B4": 0.5},
                },
            }
        }

    @property
    def plan(self) -> str:
        study = config.Study.model_validate(self.study)
        store.write_json(str(self.folder / "plan" / "study.json"), study.to_json())
        return str(self.folder / "plan")

    def draw(self, label: str, seed: int, draw: list[int], reserves: list[int], strata: bool = False) -> str:
        """What `sample.run` returns for the draw of those rows."""
        names = [[f"p{k:02d}" for k in rows] for rows in (draw, reserves)]
        by_id = {i: "low" if i < "p30" else "high" for i in (*names[0], *names[1])} if strata else None
        drew = drawn(*names, by_id, strategy="given", seed=seed, recipe=f"{label}-{seed}")
        uri = save(self.folder / "drawn" / f"{label}-{seed}", drew)
        pool = {"name": "series", "uri": str(self.folder / "pool"), "hash": "pool-hash"}
        return json.dumps({"manifest": uri, "composition": label, "draw_seed": float(seed), "pool": pool, "plan": self.plan})

    def run(self, *draws: str) -> list[dict[str, Any]]:
        items = shard.run(self.plan, draws, self.place)
        assert json.loads(json.dumps(items)) == items
        return items

    def labels(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return list(store.read_json(items[0]["labels"]))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


def test_one_item_a_manifest_and_model_with_all_that_training_needs(world: World) -> None:
    items = world.run(world.draw("uar", 0, [0, 1, 2, 4], [5]), world.draw("uar", 1, [10, 11, 12, 13], []))
    assert [(i["model"], i["compositions"], i["train_seeds"]) for i in items] == [
        ("presto", ["uar"], [0, 1]),
        ("presto", ["uar"], [0, 1]),
        ("presto", ["zero"], [0, 1]),
        ("raw", ["raw"], [0]),
    ]
    first, _, zero, raw = items
    assert first["plan"] == world.plan
    assert first["pool"] == "series"
    assert first["pool_hash"] == "pool-hash"
    assert first["weights"] is None
    realised = manifest.read(first["manifest"])
    assert realised.rows["id"].tolist() == ["p00", "p01", "p02", "p04"]
    assert first["manifest_hash"] == manifest.manifest_hash(["p04", "p02", "p01", "p00"], "pool-hash")
    assert realised.description["manifest_hash"] == first["manifest_hash"]
    assert (zero["manifest_hash"], zero["store"], zero["manifest"]) == ("none", None, None)
    assert (raw["manifest_hash"], raw["store"], raw["manifest"], raw["pool"]) == ("raw", None, None, None)
    reader = SeriesReader.open(first["store"], realised.rows["id"].tolist(), world.folder / "cache")
    batch = reader.batch(np.array([3]))  # row 4 of the table
    assert batch.x_BTC[0, 1, tables.SERIES_BANDS.index("B4")] == (4 * STEPS * 3 + 3 + 1) * 0.5
    assert batch.month_BT[0].tolist() == [4, 5, 6, 7, 8, 9]
    assert batch.valid_BTC[0].sum() == 3 * STEPS


def test_labels_join_every_draw_to_its_manifest(world: World) -> None:
    items = world.run(world.draw("uar", 0, [0, 1], []), world.draw("hot_france", 0, [1, 0], [2]))
    labels = world.labels(items)
    assert [(x["composition"], x["draw_seed"], x["pool"], x["model"]) for x in labels] == [
        ("hot_france", 0, "series", "presto"),
        ("uar", 0, "series", "presto"),
        ("zero", None, "series", "presto"),
        ("raw", None, None, "raw"),
    ]
    assert isinstance(labels[0]["draw_seed"], int)
    # The same ids in another order: one item, two labels, each with the description of how it was drawn.
    assert labels[0]["manifest_hash"] == labels[1]["manifest_hash"] == items[0]["manifest_hash"]
    assert items[0]["compositions"] == ["hot_france", "uar"]
    assert len(items) == 3
    home = items[0]["labels"].rsplit("/", 1)[0]
    assert [manifest.read(store.join(home, x["manifest"])).description["recipe"] for x in labels[:2]] == [
        "hot_france-0",
        "uar-0",
    ]


def test_refused_samples_are_replaced_and_the_realised_hash_counts(world: World) -> None:
    # p20 is a reserve of the stratum that is itself refused: found out only when it is used.
    items = world.run(world.draw("uar", 0, [2, 3, 7, 40], [20, 50, 21, 22], strata=True))
    realised = manifest.read(items[0]["manifest"])
    assert realised.rows["id"].tolist() == ["p02", "p21", "p22", "p40"]
    assert realised.description["refused_by_code"] == {"few_steps": 1, "no_values": 1}
    assert realised.description["realised"] == {"high": 1, "low": 3}
    assert items[0]["manifest_hash"] == manifest.manifest_hash(["p02", "p21", "p22", "p40"], "pool-hash")
    # p50 was never needed: it was not materialised.
    with pytest.raises(DataError, match="p50"):
        SeriesReader.open(items[0]["store"], ["p50"], world.folder)


def test_what_other_draws_found_out_changes_nothing(world: World, tmp_path: Path) -> None:
    one = ("uar", 0, [2, 3, 7, 40], [20, 50, 21, 22], True)
    alone = world.run(world.draw(*one))
    other = World(tmp_path / "other")
    both = other.run(other.draw("uar", 1, [20, 9, 8, 7, 6], [3, 1, 0]), other.draw(*one))
    assert alone[0]["manifest_hash"] == both[0]["manifest_hash"]
    assert manifest.read(alone[0]["manifest"]).description == manifest.read(both[0]["manifest"]).description


def test_too_few_reserves_is_wrong_input_and_leaves_no_step(world: World) -> None:
    with pytest.raises(CompositionError, match="'uar': 1 samples are lacking") as caught:
        world.run(world.draw("uar", 0, [2, 3, 7], [20, 9]))
    assert caught.value.exit_code == 2
    assert "reserves:" in caught.value.remedy
    (key,) = store.list_names(store.join(world.place.root, "shard"))
    assert store.list_names(store.join(world.place.root, "shard", key)) == ["error.json"]
    world.run(world.draw("uar", 0, [2, 3, 7], [20, 9, 10]))  # another study, the same store: nothing was spoilt


def test_a_second_run_is_skipped_and_order_does_not_matter(world: World) -> None:
    draws = [world.draw("uar", 1, [0, 1], []), world.draw("uar", 0, [4, 5], []), world.draw("hot_a", 0, [6], [])]
    first = world.run(*draws)
    before = sorted(p for p in world.folder.rglob("*") if "runs" not in p.parts)
    again = world.run(*reversed(draws), draws[0])
    assert again == first
    assert sorted(p for p in world.folder.rglob("*") if "runs" not in p.parts) == before
    (record,) = (world.folder / "work" / "runs" / "run").glob("shard-*.json")
    assert json.loads(record.read_text())["state"] == "done"  # skipped within the run that did it


def test_the_study_s_name_does_not_matter_and_its_training_seeds_do(world: World) -> None:
    draw = world.draw("uar", 0, [0, 1], [])
    first = world.run(draw)
    world.study["name"] = "renamed"
    assert world.run(draw)[0]["labels"] == first[0]["labels"]
    world.study["seeds"]["train"] = [5]
    other = world.run(draw)
    assert other[0]["labels"] != first[0]["labels"]
    assert other[0]["train_seeds"] == [5]
    assert other[0]["store"] == first[0]["store"]


def test_a_factor_makes_another_store(world: World) -> None:
    draw = world.draw("uar", 0, [0, 1], [])
    first = world.run(draw)
    world.study["pools"]["series"]["arrays"]["factor"] = {"B4": 0.25}
    assert world.run(draw)[0]["store"] != first[0]["store"]


def test_a_store_that_was_removed_is_filled_again(world: World) -> None:
    draw = world.draw("uar", 0, [0, 1, 3], [9])
    items = world.run(draw)
    store.delete(items[0]["store"])
    assert world.run(draw) == items
    wanted = manifest.read(items[0]["manifest"]).rows["id"].tolist()
    assert len(SeriesReader.open(items[0]["store"], wanted, world.folder)) == 3


def test_a_work_folder_may_move(world: World) -> None:
    draw = world.draw("uar", 0, [0, 1], [])
    first = world.run(draw)
    shutil.move(world.folder / "work", world.folder / "elsewhere")
    world.place = Place(str(world.folder / "elsewhere"), "run")
    (moved, *_) = world.run(draw)
    for name in ("store", "manifest", "labels"):
        assert moved[name] == first[0][name].replace("/work/", "/elsewhere/")
        assert store.exists(moved[name])
    assert len(store.list_names(store.join(world.place.root, "shard"))) == 1


def test_published_weights_are_items_keyed_by_their_bytes(world: World) -> None:
    checkpoint = world.folder / "published.safetensors"
    checkpoint.write_bytes(b"weights")
    published = {"strategy": "weights", "uri": str(checkpoint), "model": "presto"}
    world.study["compositions"] |= {"published": published, "twin": published}
    draw = world.draw("uar", 0, [0, 1], [])
    (item,) = [i for i in world.run(draw) if i["weights"]]
    assert item["manifest_hash"] == manifest.weights_hash(sha(b"weights"))
    assert item["compositions"] == ["published", "twin"]
    assert item["train_seeds"] == [0]
    assert item["weights"] == str(checkpoint)
    # A moved file is the same item; its place is told anew.
    moved = checkpoint.rename(world.folder / "moved.safetensors")
    for name in ("published", "twin"):
        world.study["compositions"][name] = {**published, "uri": str(moved)}
    (again,) = [i for i in world.run(draw) if i["weights"]]
    assert again == {**item, "weights": str(moved)}
    moved.write_bytes(b"other")
    (changed,) = [i for i in world.run(draw) if i["weights"]]
    assert changed["manifest_hash"] == manifest.weights_hash(sha(b"other"))


def test_missing_weights_are_found_before_any_work(world: World) -> None:
    world.study["compositions"]["published"] = {"strategy": "weights", "uri": "/absent.safetensors", "model": "presto"}
    with pytest.raises(DataError, match=r"'published': no checkpoint at /absent\.safetensors") as caught:
        world.run(world.draw("uar", 0, [0, 1], []))
    assert caught.value.exit_code == 2
    assert not store.exists(world.place.root)


def test_a_study_without_draws_still_has_its_baselines(world: World) -> None:
    assert [i["manifest_hash"] for i in world.run()] == ["none", "raw"]


def test_ids_that_are_not_in_the_pool_are_named(world: World) -> None:
    draw = world.draw("uar", 0, [0, 1, 77], [])
    with pytest.raises(DataError, match="1 ids are not in pool 'series': p77"):
        world.run(draw)


def test_a_table_that_shrank_is_explained(world: World) -> None:
    draw = world.draw("uar", 0, [0, 1, 59], [])
    table = world.folder / "table.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:30]) + "\n")
    with pytest.raises(DataError, match="29 rows, but the pool names rows beyond it"):
        world.run(draw)


def test_the_order_of_draws_and_of_the_study_file_decides_nothing(world: World) -> None:
    draws = [world.draw(label, 0, [k], []) for k, label in enumerate(["hot_b", "uar", "hot_a"])]
    items = world.run(*draws)
    assert [i["compositions"] for i in items] == [["hot_a"], ["hot_b"], ["uar"], ["zero"], ["raw"]]
    world.study["compositions"] = dict(reversed(world.study["compositions"].items()))
    assert world.run(*reversed(draws)) == items
