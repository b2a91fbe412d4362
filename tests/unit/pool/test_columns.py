"""Columns of a pool in its folder, and the spectral entropy that is measured where a composition asks for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from geomix import config, manifest, pixels, sample, spectral_entropy, store, tables
from geomix.errors import DataError
from geomix.pool import parts, run
from geomix.pool.build import build
from geomix.pool.columns import PoolColumns
from geomix.step import Place
from tests.unit.pool import makers


def test_classes_are_read_from_whatever_file_and_part_holds_the_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    makers.frame(plot=[1.0, 2.0, np.nan, 2.0, 2.0], depth=[0.5, 1, 2, 3, 4]).to_csv(tmp_path / "t.csv", index=False)
    pool = config.TablePool(kind="table", uri=str(tmp_path / "t.csv"), columns=("kind", "plot", "depth"))
    uri = str(tmp_path / "pool")
    build(pool, {}, uri)
    assert len(store.list_names(f"{uri}/strata.parquet")) == 3
    columns = PoolColumns(uri)
    assert {"continent", "city_km", "kind", "plot"} <= set(columns.names)
    assert columns.classes("continent") == ["Africa", "Europe", "North America", "Oceania"]
    assert columns.classes("kind") == ["a", "b", "c"]
    assert columns.classes("plot") == ["1", "2"]
    assert columns.classes("depth") is None
    assert columns.classes("city_km") is None
    with pytest.raises(DataError, match="no pool here"):
        _ = PoolColumns(str(tmp_path / "absent")).names


def test_a_table_partitioned_by_folders_is_one_table(tmp_path: Path) -> None:
    frame = makers.frame(name=list("abcde"), year=[2020, 2020, 2021, 2021, 2021])
    for year, rows in frame.groupby("year"):
        (tmp_path / "t" / f"year={year}").mkdir(parents=True)
        rows.drop(columns="year").to_parquet(tmp_path / "t" / f"year={year}" / "part-0.parquet")
    pool = config.TablePool(kind="table", uri=str(tmp_path / "t"), id="name", columns=("year",))
    assert build(pool, {}, str(tmp_path / "pool"))["rows"] == 5
    assert PoolColumns(str(tmp_path / "pool")).classes("year") == ["2020", "2021"]


@pytest.mark.parametrize("part_rows", [5_000_000, 150])
def test_entropy_is_measured_for_all_candidates_and_drawn_by(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch, part_rows: int
) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", part_rows)
    study = config.Study.model_validate(
        {
            **makers.study().to_json(),
            "pools": {"series": {"kind": "earth", "size": 400}},
            "budget": 20,
            "compositions": {"uar": {"strategy": "uniform"}, "high": {"strategy": "entropy", "mode": "top"}},
        }
    )
    plan = str(tmp_path / "plan")
    store.write_json(f"{plan}/study.json", study.to_json())
    tables.write_parquet(f"{plan}/places.parquet", tables.PLACES_SCHEMA.empty_table().to_pandas(), tables.PLACES_SCHEMA)
    draws = run(plan, place)
    uri = draws[0]["pool"]["uri"]
    described = store.read_json(f"{uri}/pool.json")
    assert {f"spectral_entropy_{variant}" for variant in spectral_entropy.VARIANTS} <= set(described["column_hashes"])
    measured = tables.read(f"{uri}/measured.parquet").set_index("id")
    rows = tables.read(f"{uri}/pool.parquet", ["id", "lon", "lat", "href"])
    assert measured.index.tolist() == rows["id"].tolist()
    x = pixels.loader(study.pools["series"], study.earth)(rows).x_NTC
    optical = [c for c, band in enumerate(tables.SERIES_BANDS) if tables.SERIES_UNITS[band] == "reflectance"]
    by_hand = spectral_entropy.of_series(x[:, :, optical])["pooled"]
    np.testing.assert_array_equal(measured["spectral_entropy_pooled"], by_hand)
    high = next(d for d in draws if d["composition"] == "high")
    drawn = manifest.read(json.loads(sample.run(high, place))["manifest"]).drawn["id"]
    least = measured.loc[drawn, "spectral_entropy_pooled"].min()
    assert (measured["spectral_entropy_pooled"].drop(drawn).dropna() <= least).all()


def test_without_such_a_composition_no_pixel_is_read(place: Place, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan")
    study = {**makers.study().to_json(), "pools": {"series": {"kind": "earth", "size": 400}}}
    store.write_json(f"{plan}/study.json", study)
    assert not store.exists(run(plan, place)[0]["pool"]["uri"] + "/measured.parquet")


def test_of_a_file_only_the_bytes_of_the_column_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    makers.frame().loc[np.zeros(20_000, dtype=int)].assign(
        name=range(20_000), noise=np.random.default_rng(0).normal(size=20_000)
    ).to_csv(tmp_path / "t.csv", index=False)
    pool = config.TablePool(kind="table", uri=str(tmp_path / "t.csv"), id="name", columns=("kind", "noise"))
    uri = str(tmp_path / "pool")
    build(pool, {}, uri)
    columns = PoolColumns(uri)
    assert "kind" in columns.names
    files, read, failures = store.filesystem(uri)[0], [], [OSError("lost"), OSError("lost")]
    whole = files.cat_file

    def cat_file(path: str, start: int | None = None, end: int | None = None) -> bytes:
        if failures:
            raise failures.pop()
        read.append(whole(path, start=start, end=end))
        return bytes(read[-1])

    monkeypatch.setattr(files, "cat_file", cat_file)
    assert columns.classes("kind") == ["a"]
    assert not failures
    assert 0 < sum(map(len, read)) < store.size(f"{uri}/pool.parquet") / 4
