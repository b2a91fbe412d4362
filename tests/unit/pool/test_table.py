"""Pools in the user's own table: what is read, ids that do not depend on row order, and refusals that name the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from geomix.errors import DataError, PoolError
from geomix.pool.rows import Rows
from tests.unit.pool import makers
from tests.unit.pool.makers import pool_hash

STRATA = ("continent", "country", "landcover")


def build(folder: Path, frame: pd.DataFrame, x: np.ndarray | None = None, **settings: Any) -> Rows:
    return makers.rows(makers.pool(folder, frame, x, **settings), STRATA)


def refused(folder: Path, frame: pd.DataFrame, x: np.ndarray | None = None, **settings: Any) -> PoolError:
    with pytest.raises(PoolError) as caught:
        build(folder, frame, x, **settings)
    return caught.value


def test_rows_are_sorted_and_complete(tmp_path: Path) -> None:
    found = build(tmp_path, makers.frame(name=["e", "d", "c", "b", "a"]), id="name", columns=["kind"]).frame
    assert found["id"].tolist() == ["a", "b", "c", "d", "e"]
    assert found["lon"].tolist() == makers.LON[::-1]
    assert found["kind"].tolist() == ["c", "b", "a", "b", "a"]
    assert found["href"].tolist() == [f"{tmp_path}/pool.csv#{row}" for row in (4, 3, 2, 1, 0)]
    assert found["place"].tolist()[-1] == "2.35000,48.85000"
    assert found["time"].isna().all()


def test_where_keeps_positions_in_the_whole_table(tmp_path: Path) -> None:
    found = build(tmp_path, makers.frame(), where="kind = 'b'")
    assert sorted(h.rsplit("#")[1] for h in found.frame["href"]) == ["1", "3"]
    assert found.notes == {"rows_in_table": 5, "rows_selected": 2, "exact_duplicates": 0}


def test_rows_that_where_leaves_out_may_be_bad(tmp_path: Path) -> None:
    bad = makers.frame(lat=[48.85, np.nan, -26.0, 100.0, 30.0], start_month=[0, 77, 6, np.nan, 11])
    assert len(build(tmp_path, bad, where="kind <> 'b'").frame) == 3


def test_ids_do_not_depend_on_row_order_nor_on_other_columns(tmp_path: Path) -> None:
    frame, x, order = makers.frame(), makers.pixels(5), np.array([3, 0, 4, 2, 1])
    found = build(tmp_path / "a", frame, x, columns=["kind"]).frame
    again = build(tmp_path / "b", frame.iloc[order].assign(label=1.0), x[order], columns=["kind"]).frame
    same = ["id", "place", "lon", "lat", "kind"]
    pd.testing.assert_frame_equal(found[same], again[same])
    assert found["id"].is_unique


def test_made_ids_tell_pixels_months_and_kept_columns_apart(tmp_path: Path) -> None:
    one_place = makers.frame(lon=[2.0] * 5, lat=[48.0] * 5, start_month=[0, 0, 1, 0, 0], kind=["a", "a", "a", "b", "a"])
    x = np.zeros((5, 12, 2), np.float32)
    x[1] = 1
    found = build(tmp_path, one_place, x, columns=["kind"])
    assert len(found.frame) == 4  # rows 0 and 4 agree in everything
    assert found.notes["exact_duplicates"] == 1
    assert found.frame["place"].nunique() == 1
    assert "#4" not in found.reference  # the first one stays


def test_missing_values_have_one_bit_pattern(tmp_path: Path) -> None:
    odd = np.array([0x7FC00000, 0x7FC00001], dtype=np.uint32).view(np.float32)  # two NaNs
    zeros = np.zeros((5, 12, 2), np.float32)
    plus, minus = zeros.copy(), -zeros
    plus[:, 0, 0], minus[:, 0, 0] = odd
    assert np.signbit(minus[0, 1, 1])
    a, b = build(tmp_path / "a", makers.frame(), plus).frame, build(tmp_path / "b", makers.frame(), minus).frame
    assert a["id"].tolist() == b["id"].tolist()


def test_a_moved_file_keeps_its_hash(tmp_path: Path) -> None:
    one, other = build(tmp_path / "a", makers.frame()), build(tmp_path / "b" / "c", makers.frame())
    assert pool_hash(one) == pool_hash(other)


@pytest.mark.parametrize(
    "change",
    [
        {"frame": makers.frame(lat=[48.8501, *makers.LAT[1:]])},
        {"frame": makers.frame(start_month=[1, 3, 6, 9, 11])},
        {"x": makers.pixels(5) + 1},
        {"arrays": {"factor": {"B2": 1e-4}}},
        {"arrays": {"channels": {"B3": 0, "B8": 1}}},
        {"arrays": {"corrections": [{"where": "kind = 'a'", "channel": "B2", "factor": 2, "why": "-"}]}},
        {"where": "kind <> 'c'"},
    ],
)
def test_whatever_changes_pixels_or_places_changes_the_hash(tmp_path: Path, change: dict[str, Any]) -> None:
    # Equal hashes are trained once: anything that changes what a model sees must be in it, whatever the ids are.
    one = build(tmp_path / "a", makers.frame(name=range(5)), id="name")
    frame = change.get("frame", makers.frame()).assign(name=range(5))
    settings = {k: v for k, v in change.items() if k not in ("frame", "x")}
    assert pool_hash(build(tmp_path / "b", frame, change.get("x"), id="name", **settings)) != pool_hash(one)


def test_a_correction_that_applies_to_other_rows_changes_the_hash(tmp_path: Path) -> None:
    arrays = {"corrections": [{"where": "unit = 'mm'", "channel": "B2", "factor": 2, "why": "-"}]}
    hashes = {
        pool_hash(
            build(tmp_path / unit, makers.frame(name=range(5), unit=["m", "m", "m", "m", unit]), id="name", arrays=arrays)
        )
        for unit in ("m", "mm")
    }
    assert len(hashes) == 2


def test_reasons_and_labels_do_not_change_the_hash(tmp_path: Path) -> None:
    def one(folder: str, why: str, **columns: Any) -> str:
        arrays = {"corrections": [{"where": "kind = 'a'", "channel": "B2", "factor": 2, "why": why}]}
        return pool_hash(build(tmp_path / folder, makers.frame(**columns), arrays=arrays))

    assert one("a", "metres") == one("b", "the unit is the metre", label=[1, 2, 3, 4, 5])


def test_ids_and_places_of_ones_own(tmp_path: Path) -> None:
    # A column with gaps elsewhere is read as float: 7 must not become "7.0".
    found = build(tmp_path, makers.frame(number=[7.0, 8.0, 9.0, 10.0, 11.0], site=["x", "x", None, "y", "z"]), id="number")
    assert found.frame["id"].tolist() == ["10", "11", "7", "8", "9"]
    named = build(tmp_path, makers.frame(site=["x", "x", None, "y", "z"]), place="site").frame
    assert sorted(named["place"]) == ["28.00000,-26.00000", "x", "x", "y", "z"]


def test_repeated_and_missing_ids_are_named(tmp_path: Path) -> None:
    error = refused(tmp_path, makers.frame(name=["a", "b", "b", "c", "c"]), id="name")
    assert "2 values" in error.seen
    assert "'b' in rows 1, 2" in error.seen
    assert "unique" in error.remedy
    assert "row 3 has nothing" in refused(tmp_path, makers.frame(name=["a", "b", "c", None, "d"]), id="name").seen


def test_missing_columns_are_named_with_those_there_are(tmp_path: Path) -> None:
    error = refused(tmp_path, makers.frame().rename(columns={"lon": "longitude", "lat": "latitude"}))
    assert "no column 'lon', 'lat'" in error.seen
    assert "longitude" in error.wanted
    for setting in ({"id": "name"}, {"time": "t"}, {"columns": ["kindd"]}, {"arrays": {"start_month": "month"}}):
        assert "no column" in refused(tmp_path, makers.frame(), **setting).seen


def test_columns_with_a_taken_name_are_refused(tmp_path: Path) -> None:
    assert "stratum" in refused(tmp_path, makers.frame(country="France"), columns=["country"]).seen
    assert "every pool" in refused(tmp_path, makers.frame(cloud=0.0), columns=["cloud"]).seen
    kept = build(tmp_path, makers.frame(), columns=["lon", "kind", "kind"]).frame  # the pool's own lon: the same thing
    assert list(kept.columns[-1:]) == ["kind"]
    assert (kept.columns == "lon").sum() == 1


@pytest.mark.parametrize(
    ("columns", "says", "remedy"),
    [
        ({"lon": [np.nan, *makers.LON[1:]]}, "1 of 5 rows have no coordinates: row 0", "IS NOT NULL"),
        ({"lat": ["north", *map(str, makers.LAT[1:])]}, "row 0: longitude 2.35, latitude north", "IS NOT NULL"),
        ({"lon": [2.0, -80.0, 28.0, 70.0, 3.0], "lat": [48.0, 142.0, -26.0, 133.0, 30.0]}, "2 of 5 rows", "exchanged"),
        ({"lon": [2.0, 266.5, 28.0, 133.0, 320.0]}, "row 1: longitude 266.5", "subtract 360"),
        ({"lon": [5e5, 6e5, 28.0, 133.0, 40.0], "lat": [5e6, 6e6, 1.0, 1.0, 1.0]}, "off the Earth", "metres"),
    ],
)
def test_bad_coordinates_are_named(tmp_path: Path, columns: dict[str, Any], says: str, remedy: str) -> None:
    error = refused(tmp_path, makers.frame(**columns))
    assert says in error.seen
    assert remedy in error.remedy


def test_times_are_utc_seconds(tmp_path: Path) -> None:
    given = ["2019-06-01", "2019-06-01T10:30:00Z", "2019-06-01T10:30:00.75+02:00", None, "2020-01-31 00:00"]
    found = build(tmp_path, makers.frame(name=list("abcde"), t=given), id="name", time="t").frame["time"]
    expected = ["2019-06-01T00:00", "2019-06-01T10:30", "2019-06-01T08:30", None, "2020-01-31"]
    assert found.tolist() == [pd.Timestamp(t, tz="UTC") if t else pd.NaT for t in expected]


def test_times_that_are_none_are_named(tmp_path: Path) -> None:
    error = refused(tmp_path, makers.frame(t=["2019-06-01", "June", "2019-13-01", None, "2019-06-01"]), time="t")
    assert "2 of 5 values" in error.seen
    assert "row 1 has 'June'" in error.seen
    assert "numbers" in refused(tmp_path, makers.frame(t=2019), time="t").seen


@pytest.mark.parametrize("month", [12, -1, 0.5, None, "May"])
def test_a_month_that_is_none_is_named(tmp_path: Path, month: object) -> None:
    error = refused(tmp_path, makers.frame(start_month=[0, 1, month, 3, 4]))
    assert "'start_month': 1 of 5" in error.seen
    assert "row 2" in error.seen
    assert "0 (January) to 11" in error.wanted


def test_an_empty_selection_and_a_wrong_expression(tmp_path: Path) -> None:
    assert "no row satisfies `kind = 'z'`" in refused(tmp_path, makers.frame(), where="kind = 'z'").seen
    with pytest.raises(DataError, match="kidn"):
        build(tmp_path, makers.frame(), where="kidn = 'a'")


def test_arrays_that_do_not_fit_are_found_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(4, 12, 2\)"):
        build(tmp_path, makers.frame(), makers.pixels(4))
    with pytest.raises(DataError, match="channel 7"):
        build(tmp_path, makers.frame(), arrays={"channels": {"B2": 7}})
    with pytest.raises(DataError, match="no array 'Y'"):
        build(tmp_path, makers.frame(), arrays={"array": "Y"})
    pool = makers.pool(tmp_path, makers.frame())
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:200])
    with pytest.raises(DataError, match="not a readable"):
        makers.rows(pool, STRATA)
    (tmp_path / "x.npz").unlink()
    with pytest.raises(DataError, match="no such file"):
        makers.rows(pool, STRATA)


def test_kept_columns_of_any_kind_can_be_written(tmp_path: Path) -> None:
    frame = makers.frame(mixed=["a", 1, 2.5, None, True], number=[1, None, 3, 4, 5])
    found = build(tmp_path, frame, columns=["mixed", "number"]).frame
    assert {type(v) for v in found["mixed"] if v is not None} == {str}
    assert found["number"].dtype == np.float64
