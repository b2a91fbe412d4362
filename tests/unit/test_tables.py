"""Tables that cross walls: read, selected, written with fixed types; users' tables that are not what was promised."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geomix import tables
from geomix.errors import DataError


def frame() -> pd.DataFrame:
    return pd.DataFrame({"id": ["a", "b", "c"], "lon": [1.5, -2.0, np.nan], "crop": [True, False, True]})


@pytest.mark.parametrize("name", ["t.parquet", "t.geoparquet", "t.csv", "t.csv.gz"])
def test_every_format_reads_the_same(tmp_path: Path, name: str) -> None:
    uri = str(tmp_path / name)
    if "csv" in name:
        frame().to_csv(uri, index=False)
    else:
        tables.write_parquet(uri, frame())
    found = tables.read(uri)
    assert found["id"].tolist() == ["a", "b", "c"]
    assert found["crop"].tolist() == [True, False, True]
    assert np.array_equal(found["lon"], frame()["lon"], equal_nan=True)
    assert list(tables.read(uri, ["lon", "id"]).columns) == ["lon", "id"]


def test_a_folder_of_parts_in_order_of_their_names(tmp_path: Path) -> None:
    for name, rows in (("b.parquet", slice(1, 3)), ("a.parquet", slice(0, 1))):
        tables.write_parquet(str(tmp_path / name), frame().iloc[rows])
    (tmp_path / "readme.txt").write_text("not a part")
    assert tables.read(str(tmp_path))["id"].tolist() == ["a", "b", "c"]


def test_what_is_not_a_table_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv: no such file"):
        tables.read(str(tmp_path / "absent.csv"))
    with pytest.raises(DataError, match="no table here"):
        tables.read(str(tmp_path))
    torn = tmp_path / "torn.parquet"
    tables.write_parquet(str(torn), frame())
    torn.write_bytes(torn.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a readable table"):
        tables.read(str(torn))
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(DataError, match="not a readable table"):
        tables.read(str(empty))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01\n\x80,\x81")
    with pytest.raises(DataError, match="not a readable table"):
        tables.read(str(binary))
    zipped = tmp_path / "plain.csv.gz"
    zipped.write_text("id\na\n")
    with pytest.raises(DataError, match="not a readable table"):
        tables.read(str(zipped))


def test_a_lacking_column_is_named_beside_those_there(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="no column 'lat', 'time'") as caught:
        tables.read(str(tmp_path / "t.csv"), ["id", "lat", "time"])
    assert "id, lon, crop" in caught.value.wanted


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        (None, [0, 1, 2]),
        ("true", [0, 1, 2]),
        ("false", []),
        ("id IN ('a', 'c')", [0, 2]),
        ("lon > 0", [0]),  # null is not greater, and NaN is missing here
        ("lon IS NULL OR isnan(lon)", [2]),
        ("crop AND id <> 'a' OR lon < 0", [1, 2]),
        ("id LIKE 'b%' -- a comment", [1]),
    ],
)
def test_select(expression: str | None, rows: list[int]) -> None:
    table = frame().convert_dtypes()
    assert np.flatnonzero(tables.select(table, expression, "t")).tolist() == rows


def test_select_does_not_care_about_the_index_and_changes_nothing() -> None:
    table = frame().set_index(pd.Index([7, 7, 3]))
    before = table.copy()
    assert tables.select(table, "id = 'b'", "t").tolist() == [False, True, False]
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    "expression",
    ["lonn > 1", "lon >", "id", "lon > 'x'", "", "1; DROP TABLE rows", "count(*) > 1"],
)
def test_what_is_no_boolean_over_the_columns_is_refused(expression: str) -> None:
    with pytest.raises(DataError) as caught:
        tables.select(frame(), expression, "pools.series.where")
    assert caught.value.seen.startswith("pools.series.where")
    assert "id, lon, crop" in caught.value.wanted


def test_an_expression_must_not_read_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("id\na\n")
    with pytest.raises(DataError):
        tables.select(frame(), f"id IN (SELECT id FROM read_csv('{secret}'))", "t")
    with pytest.raises(DataError):
        tables.select(frame(), f"id IN (SELECT id FROM '{secret}')", "t")


def test_a_schema_fixes_names_types_and_order_and_keeps_further_columns(tmp_path: Path) -> None:
    uri = str(tmp_path / "pool.parquet")
    rows = pd.DataFrame(
        {
            "extra": [1, 2],
            "lat": [1, 2],
            "lon": [3.5, 4],
            "place": ["p", "q"],
            "id": ["a", "b"],
            "href": [None, None],
            "time": pd.to_datetime(["2020-01-01T00:00:00Z", None]),
            "nodata": [None, None],
            "id64": [1, 2],
            "cloud": [0.5, np.nan],
        }
    )
    tables.write_parquet(uri, rows, tables.POOL_SCHEMA, {"geo": tables.geo_metadata()})
    schema = pq.read_schema(uri)
    assert schema.names == [*tables.POOL_SCHEMA.names, "extra"]
    assert schema.field("lat").type == pa.float64()
    assert schema.field("time").type == pa.timestamp("ms", tz="UTC")  # Parquet has no seconds
    assert not schema.field("id").nullable
    found = tables.read(uri)
    assert found["time"].iloc[0] == pd.Timestamp("2020-01-01", tz="UTC")
    assert found["time"].isna().tolist() == [False, True]
    assert found["cloud"].isna().tolist() == [False, True]
    assert json.loads(tables.file_metadata(uri)["geo"])["primary_column"] == "geometry"


def test_na_in_a_csv_is_a_name_among_names_and_no_number_among_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("region,x,empty,gone\nNA,1.5,,nan\nEU,NA,a,null\n")
    found = tables.read(str(path))
    assert found["region"].tolist() == ["NA", "EU"]
    assert found["x"].iloc[0] == 1.5
    assert found["x"].isna().tolist() == [False, True]
    assert found["empty"].isna().tolist() == [True, False]
    assert found["gone"].isna().all()


def test_a_folder_whose_name_holds_csv_is_no_csv(tmp_path: Path) -> None:
    uri = str(tmp_path / "x.csv-export" / "t.parquet")
    tables.write_parquet(uri, pd.DataFrame({"n": [1]}))
    assert tables.read(uri)["n"].tolist() == [1]


def test_coordinates_are_numbers_in_range_or_nothing() -> None:
    frame = pd.DataFrame({"lon": [10.0, "n/d", 20.0], "lat": [1.0, 2.0, None]})
    found = tables.lonlat(frame, "lon", "lat", "t")
    assert found[0].tolist() == [10.0, 1.0]
    assert np.isnan(found[1:]).all()
    with pytest.raises(DataError, match="row 1 has longitude 200"):
        tables.lonlat(pd.DataFrame({"lon": [1.0, 200.0], "lat": [1.0, 1.0]}), "lon", "lat", "t")
    with pytest.raises(DataError, match="no column 'lat'"):
        tables.lonlat(frame[["lon"]], "lon", "lat", "t")


def test_other_time_zones_are_turned_into_utc(tmp_path: Path) -> None:
    uri = str(tmp_path / "t.parquet")
    noon = pd.DataFrame({"time": pd.to_datetime(["2020-06-01T12:00:00"]).tz_localize("America/Lima")})
    tables.write_parquet(uri, noon)
    assert tables.read(uri)["time"].iloc[0] == pd.Timestamp("2020-06-01T17:00:00Z")


def test_a_value_that_does_not_fit_the_schema_is_an_error(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("n", pa.int64(), nullable=False)])
    with pytest.raises((ValueError, pa.ArrowException)):
        tables.write_parquet(str(tmp_path / "t.parquet"), pd.DataFrame({"n": ["x"]}), schema)
    with pytest.raises((KeyError, ValueError, pa.ArrowException)):
        tables.write_parquet(str(tmp_path / "t.parquet"), pd.DataFrame({"m": [1]}), schema)
    assert list(tmp_path.iterdir()) == []


def test_bands_and_units_belong_together() -> None:
    assert set(tables.SERIES_UNITS) == set(tables.SERIES_BANDS)
    assert len(set(tables.SERIES_BANDS)) == len(tables.SERIES_BANDS) == 16


def test_the_identity_of_a_row_leaves_out_what_was_measured_and_by_whom() -> None:
    assert set(tables.RESULT_SCHEMA.names) - set(tables.ROW_IDENTITY) == {"study", "value", "n", "run_id"}
