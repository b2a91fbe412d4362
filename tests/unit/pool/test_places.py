"""Tables without arrays: ids, times, GeoParquet geometry, parts, published layouts, and tables that are refused."""

from __future__ import annotations

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

from geomix import config
from geomix.errors import DataError, PoolError
from geomix.pool import places
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
        assert "no column 'lon', 'lat'" in refused(tmp_path / "g.parquet", id="name").seen
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
