"""Tables without arrays: ids, times, GeoParquet geometry, parts, published layouts, and tables that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pydantic import ValidationError

from geomix import config, tables
from geomix.errors import DataError, PoolError
from geomix.pool import build, places
from tests.unit.pool import makers


def blocks(uri: Path, **settings: Any) -> pa.Table:
    pool = config.TablePool.model_validate({"kind": "table", "uri": str(uri), **settings})
    return pa.concat_tables(places.source(pool, ("country",), uri.parent).blocks())


def csv(folder: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(folder / "pool.csv", index=False)
    return folder / "pool.csv"


def refused(uri: Path, **settings: Any) -> PoolError:
    with pytest.raises(PoolError) as caught:
        blocks(uri, **settings)
    return caught.value


FRAME = makers.frame(name=["001", "002", "003", "004", "005"], t=["2019-06-01", "2019-06-01T10:30:00.7Z", None, None, None])


def test_columns_of_ones_own(tmp_path: Path) -> None:
    uri = csv(tmp_path, FRAME.assign(c=[0, 0.5, 1, None, 0], h="x.tif"))
    found = blocks(uri, id="name", time="t", cloud="c", href="h", columns=["kind"], where="kind <> 'c'").to_pylist()
    assert [r["id"] for r in found] == ["001", "002", "003", "004"]  # an id is text: its zeros stay
    assert found[0]["place"] == "2.35000,48.85000"
    assert [r["kind"] for r in found] == ["a", "b", "a", "b"]
    assert [r["cloud"] for r in found] == [0, 0.5, 1, None]
    assert [r["time"] and r["time"].isoformat() for r in found[:3]] == [
        "2019-06-01T00:00:00+00:00",
        "2019-06-01T10:30:00+00:00",
        None,
    ]


def test_made_ids_do_not_depend_on_order_format_or_parts(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    folder = tmp_path / "parts"
    folder.mkdir()
    pq.write_table(table.slice(2), folder / "a.parquet")
    pq.write_table(table.slice(0, 2), folder / "b.parquet")
    one = blocks(csv(tmp_path, FRAME), columns=["kind"]).sort_by("id")
    other = blocks(folder, columns=["kind"]).sort_by("id")
    assert one.equals(other.cast(one.schema))
    assert len(set(one["id"].to_pylist())) == 5
    assert set(blocks(folder)["id"].to_pylist()).isdisjoint(one["id"].to_pylist())  # what is kept counts


@pytest.mark.parametrize("crs", [4326, 3857])
def test_geometry_gives_coordinates_where_no_columns_do(tmp_path: Path, crs: int) -> None:
    across = shapely.MultiPolygon([shapely.box(178, 0, 180, 2), shapely.box(-180, 0, -179, 2)])
    frame = geopandas.GeoDataFrame({"name": ["a", "b"]}, geometry=[shapely.Point(2.5, 48.5), across], crs=crs)
    frame.to_parquet(tmp_path / "g.parquet")
    if crs != 4326:  # metres are no degrees
        error = refused(tmp_path / "g.parquet", id="name")
        assert "is EPSG:3857" in error.seen
        assert "to_crs(4326)" in error.remedy
        return
    found = blocks(tmp_path / "g.parquet", id="name")
    assert found["lon"].to_pylist() == [2.5, 179.5]
    assert found["lat"].to_pylist() == [48.5, 1.0]


def test_tables_that_are_refused(tmp_path: Path) -> None:
    uri = csv(tmp_path, FRAME)
    assert "no column 'longitude'" in refused(uri, lon="longitude").seen
    assert "1 of 5 rows have no coordinates: row 1" in refused(csv(tmp_path, FRAME.assign(lon=[0, None, 1, 2, 3]))).seen
    assert "exchanged" in refused(csv(tmp_path, FRAME.assign(lon=FRAME.lat, lat=[100, 120, 0, 0, 0]))).remedy
    uri = csv(tmp_path, FRAME.assign(c=50, n=["x", None, "y", "z", " "], day="June", country="France"))
    assert "share, 0 to 1" in refused(uri, cloud="c").wanted
    assert "2 rows have no id, the first is row 1" in refused(uri, id="n").seen
    assert "no times, such as 'June'" in refused(uri, time="day").seen
    assert "a stratum" in refused(uri, columns=["country"]).seen
    assert "no row satisfies" in refused(uri, where="kind = 'z'").seen
    with pytest.raises(DataError, match="kidn"):
        blocks(uri, where="kidn = 'a'")
    with pytest.raises(DataError):  # an expression must not read other files
        blocks(uri, where=f"kind IN (SELECT column0 FROM read_csv('{__file__}'))")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        blocks(tmp_path / "absent.parquet")
    with pytest.raises(DataError, match="no table here"):
        blocks(tmp_path)
    pq.write_table(pa.table({"lon": np.arange(1000.0) / 10, "lat": np.arange(1000.0) / 20}), tmp_path / "torn.parquet")
    whole = (tmp_path / "torn.parquet").read_bytes()
    for torn in (whole[:-20], whole[:4] + bytes(2000) + whole[2004:]):
        (tmp_path / "torn.parquet").write_bytes(torn)
        with pytest.raises(DataError, match="not a readable table"):
            blocks(tmp_path / "torn.parquet")


def test_settings_that_do_not_belong_together() -> None:
    base = {"kind": "table", "uri": "x.csv"}
    arrays = {"uri": "x.npz", "channels": {"B2": 0}}
    for settings in (
        {"format": "s2_100k", "id": "fn"},
        {"arrays": arrays, "href": "h"},
        {"arrays": arrays, "format": "s2_100k"},
    ):
        with pytest.raises(ValidationError):
            config.TablePool.model_validate({**base, **settings})
    with pytest.raises(ValidationError, match="has places, not pixels"):
        makers.study({"kind": "table", "uri": "x.csv"})
    with pytest.raises(ValidationError, match="has places, not pixels"):
        makers.study({"kind": "grid", "spacing_km": 10})


def test_s2_100k(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("lat,lon,url,fn\n-54.18,-68.2,https://x/patch_75123.tif,patch_75123.tif\n")
    (row,) = blocks(tmp_path / "index.csv", format="s2_100k").to_pylist()
    assert (row["id"], row["lon"], row["lat"], row["href"]) == ("patch_75123", -68.2, -54.18, "images/patch_75123.tif")


def test_ssl4eo_s12(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame(
        {
            "sample_id": ["0000173", "0000173"],
            "time_id": [0, 1],
            "time": pd.to_datetime(["2020-04-19 09:40:31", "2020-07-18 09:40:31"]),
            "tile_id": "T33SWC",
            "tile_crs": 32633,
            "file": "ssl4eos12_val_seasonal_data_000022.zarr.zip",
        },
        geometry=[shapely.box(15.62, 38.06, 15.66, 38.08)] * 2,
        crs=4326,
    )
    frame.to_parquet(tmp_path / "val_metadata.parquet")
    one, two = blocks(tmp_path / "val_metadata.parquet", format="ssl4eo_s12").to_pylist()
    assert (one["id"], two["id"], one["place"], two["place"]) == ("0000173_0", "0000173_1", "0000173", "0000173")
    assert (one["lon"], one["lat"]) == (pytest.approx(15.64), pytest.approx(38.07))
    assert one["time"].isoformat() == "2020-04-19T09:40:31+00:00"
    assert one["href"] == "ssl4eos12_val_seasonal_data_000022.zarr.zip#0000173/0"


def test_major_tom(tmp_path: Path) -> None:
    table = {
        "grid_cell": ["301U_1184R"],
        "grid_row_u": [301],
        "grid_col_r": [1184],
        "product_id": ["S2A_MSIL2A_20160125T024002_N0201_R089_T50RQQ_20160125T024527"],
        "timestamp": ["2016-01-25 02:40:02"],
        "cloud_cover": [12.5],
        "nodata": [0.280899],
        "centre_lat": [27.080163],
        "centre_lon": [119.446303],
        "crs": ["EPSG:32650"],
        "parquet_url": ["https://x/images/part_02600.parquet"],
        "parquet_row": [495],
    }
    pq.write_table(pa.table(table), tmp_path / "metadata.parquet")
    (row,) = blocks(tmp_path / "metadata.parquet", format="major_tom").to_pylist()
    assert (row["place"], row["cloud"], row["nodata"]) == ("301U_1184R", 0.125, pytest.approx(0.280899))
    assert row["id"] == "301U_1184R_S2A_MSIL2A_20160125T024002_N0201_R089_T50RQQ_20160125T024527"
    assert row["href"] == "https://x/images/part_02600.parquet#495"
    assert row["time"].isoformat() == "2016-01-25T02:40:02+00:00"


@pytest.mark.parametrize(
    ("column", "name", "time"),
    [
        ("s2_name", "S2A_MSIL2A_20170613T101031_0_45", "2017-06-13T10:10:31+00:00"),
        ("s2_name", "S2A_MSIL2A_20170905T95032_0_0", "2017-09-05T09:50:32+00:00"),
        ("s2_name", "S2B_MSIL2A_20180204T94161_0_0", "2018-02-04T09:42:01+00:00"),
        ("patch_id", "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57", "2017-06-13T10:10:31+00:00"),
    ],
)
def test_bigearthnet(tmp_path: Path, column: str, name: str, time: str) -> None:
    pq.write_table(pa.table({column: [name], "lon": [21.0], "lat": [63.5]}), tmp_path / "list.parquet")
    (row,) = blocks(tmp_path / "list.parquet", format="bigearthnet").to_pylist()
    assert (row["id"], row["lon"], row["time"].isoformat()) == (name, 21.0, time)
    pq.write_table(pa.table({column: [name]}), tmp_path / "list.parquet")
    assert "no column 'lon', 'lat'" in refused(tmp_path / "list.parquet", format="bigearthnet").seen


def test_fmow_sentinel(tmp_path: Path) -> None:
    polygon = "POLYGON ((32.6 0.04, 32.7 0.04, 32.7 0.06, 32.6 0.06, 32.6 0.04))"
    (tmp_path / "train.csv").write_text(
        f',category,location_id,image_id,timestamp,polygon\n0,airport,0,6,2016-09-27T08:04:46Z,"{polygon}"\n'
    )
    (row,) = blocks(tmp_path / "train.csv", format="fmow_sentinel").to_pylist()
    assert (row["id"], row["place"]) == ("airport_0_6", "airport_0")
    assert (row["lon"], row["lat"]) == (pytest.approx(32.65), pytest.approx(0.05))
    assert row["href"] == "airport/airport_0/airport_0_6.tif"
    assert row["time"].isoformat() == "2016-09-27T08:04:46+00:00"


@pytest.mark.parametrize("kind", [pa.uint64(), pa.decimal128(20, 0), pa.decimal128(12, 0)])
def test_whole_numbers_of_any_size_stay_exact(tmp_path: Path, kind: pa.DataType) -> None:
    """Cells of H3 and S2 are 64-bit numbers, next to each other."""
    first = 2**63 if kind != pa.decimal128(12, 0) else 10**11
    cells = [first + n for n in range(60)]
    columns = {"cell": pa.array(cells, kind), "lon": [2.0] * 60, "lat": [48.0] * 60}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    found = blocks(tmp_path / "t.parquet", id="cell", place="cell", columns=["cell"])
    assert found["id"].to_pylist() == found["place"].to_pylist() == [str(cell) for cell in cells]
    made = blocks(tmp_path / "t.parquet", columns=["cell"])
    assert len(set(made["id"].to_pylist())) == 60
    assert [int(cell) for cell in made["cell"].to_pylist()] == cells
    pd.DataFrame(columns | {"cell": cells}).to_csv(tmp_path / "t.csv", index=False)
    as_csv = blocks(tmp_path / "t.csv", columns=["cell"])
    assert as_csv["id"].to_pylist() == made["id"].to_pylist()
    assert as_csv["cell"].type in (pa.uint64(), pa.int64())


def test_decimals_are_numbers_where_numbers_are_needed(tmp_path: Path) -> None:
    columns = {"lon": pa.array([2], pa.uint64()), "lat": pa.array([48], pa.decimal128(20, 0)), "c": pa.array([1], pa.uint64())}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    (row,) = blocks(tmp_path / "t.parquet", cloud="c").to_pylist()
    assert (row["lon"], row["lat"], row["cloud"]) == (2.0, 48.0, 1.0)


def test_times_with_nanoseconds_may_be_kept(tmp_path: Path) -> None:
    seen = pa.array([1_500_000_000_123_456_789, None, 3, 4, 5], pa.timestamp("ns"))
    table = pa.Table.from_pandas(FRAME, preserve_index=False).append_column("seen", seen)
    pq.write_table(table, tmp_path / "t.parquet")
    pool = config.TablePool(kind="table", uri=str(tmp_path / "t.parquet"), id="name", columns=("seen",))
    assert build.build(pool, {}, str(tmp_path / "pool"))["columns"] == ["seen"]


def test_paths_are_no_patterns_and_no_sql(tmp_path: Path) -> None:
    folder = tmp_path / "it's [a] *"
    (folder / "parts").mkdir(parents=True)
    (tmp_path / "it's a b").mkdir()
    for n, name in enumerate(("a*.parquet", "a[b]?.parquet", "ab.parquet")):
        pq.write_table(pa.table({"n": [f"{n}"], "lon": [2.0], "lat": [48.0]}), folder / "parts" / name)
    pq.write_table(pa.table({"n": ["decoy"], "lon": [2.0], "lat": [48.0]}), tmp_path / "it's a b" / "ab.parquet")
    assert blocks(folder / "parts", id="n")["id"].to_pylist() == ["0", "1", "2"]
    assert blocks(folder / "parts" / "a*.parquet", id="n")["id"].to_pylist() == ["0"]
    FRAME.to_csv(folder / "it's.csv", index=False)
    assert len(blocks(folder / "it's.csv", id="name", columns=["kind"], where="kind = 'a'")) == 2
    pool = config.TablePool(kind="table", uri=str(folder / "it's.csv"), id="name")
    assert build.build(pool, {}, str(folder / "pool"))["rows"] == 5


def test_the_geometry_of_every_part_must_be_in_degrees(tmp_path: Path) -> None:
    def part(name: str, crs: Any, **changes: Any) -> None:
        frame = geopandas.GeoDataFrame({"name": [name]}, geometry=[shapely.Point(2.5, 48.5)], crs=crs)
        frame.to_parquet(tmp_path / f"{name}.parquet")
        table = pq.read_table(tmp_path / f"{name}.parquet")
        geo = {**json.loads(table.schema.metadata[b"geo"]), **changes}
        geo = {key: value for key, value in geo.items() if value is not None}
        pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), tmp_path / f"{name}.parquet")

    part("a", 4326)
    part("b", 32632)
    assert "geometry 'geometry' is EPSG:32632" in refused(tmp_path, id="name").seen
    part("b", None)
    error = refused(tmp_path, id="name")
    assert "is unknown" in error.seen
    assert "set_crs" in error.remedy
    part("b", 4326)
    assert blocks(tmp_path, id="name")["lon"].to_pylist() == [2.5, 2.5]
    part("a", 4326, primary_column=None)
    assert "no primary geometry column" in refused(tmp_path, id="name").seen
    for geo in (json.dumps({"version": "1.1.0", "primary_column": "geometry"}), "{", "[]"):
        torn = pq.read_table(tmp_path / "a.parquet").replace_schema_metadata({"geo": geo})
        pq.write_table(torn, tmp_path / "a.parquet")
        with pytest.raises((PoolError, DataError), match=r"cannot be read|not a readable table"):
            blocks(tmp_path, id="name")


def test_a_projected_geometry_beside_coordinates_is_nobodys_business(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame({"name": ["a"], "lon": [2.0], "lat": [48.0]}, geometry=[shapely.Point(5e5, 5e6)], crs=32632)
    frame.to_parquet(tmp_path / "g.parquet")
    assert blocks(tmp_path / "g.parquet", id="name")["lon"].to_pylist() == [2.0]


def test_errors_name_what_is_at_fault(tmp_path: Path) -> None:
    uri = csv(tmp_path, FRAME)
    for where in ("CAST(kind AS INTEGER) > 1", "error('no') IS NULL"):
        with pytest.raises(DataError, match="`where: ") as caught:
            blocks(uri, where=where)
        assert "complete" not in caught.value.remedy
    pq.write_table(pa.table({"fn": [1], "lon": [2.0], "lat": [48.0]}), tmp_path / "i.parquet")
    with pytest.raises(DataError, match=r"i\.parquet") as caught:
        blocks(tmp_path / "i.parquet", format="s2_100k")
    assert "format s2_100k" in caught.value.wanted
    assert "None" not in caught.value.seen
    names = places.columns(config.TablePool(kind="table", uri="x", format="major_tom"), {}, None).needs
    table = pa.table({name: ["1"] for name in names if name != "parquet_row"})
    pq.write_table(table, tmp_path / "m.parquet")
    assert "no column 'parquet_row'" in refused(tmp_path / "m.parquet", format="major_tom").seen


def test_na_is_a_missing_number_and_a_name(tmp_path: Path) -> None:
    """As in the tables that `tables.read` reads."""
    frame = FRAME.assign(
        depth=["1.5", "NA", "2", "n/a", "4"], count=["1", "NA", "2", "3", ""], region=["NA", "EU", "NA", "x", "EU"], c="NA"
    )
    uri = csv(tmp_path, frame.assign(c=["0.5", "NA", "1", "0", "NA"]))
    kept = ["depth", "count", "region"]
    found = blocks(uri, id="name", columns=kept, where="depth IS NULL OR depth > 1.7", cloud="c")
    assert found["depth"].to_pylist() == [None, 2.0, None, 4.0]
    assert found["count"].to_pylist() == [None, 2, 3, None]
    assert found["region"].to_pylist() == ["EU", "NA", "x", "EU"]
    assert found["cloud"].to_pylist() == [None, 1.0, 0.0, None]
    read = tables.read(str(uri))
    assert [pd.api.types.is_numeric_dtype(read[name]) for name in kept] == [True, True, False]
    assert found["count"].type == pa.int64()


def test_shares_and_empty_files_are_told(tmp_path: Path) -> None:
    uri = csv(tmp_path, FRAME.assign(low=[-0.5, 0.2, 0, 1, 0], high=[0, 0.5, 50, 20, 1]))
    error = refused(uri, cloud="low")
    assert "`cloud` has -0.5" in error.seen
    assert "percent" not in error.remedy
    error = refused(uri, nodata="high")
    assert "`nodata` has 50" in error.seen
    assert "percent" in error.remedy
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="the file is empty"):
        blocks(tmp_path / "empty.csv")
