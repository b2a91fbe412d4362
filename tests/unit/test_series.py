"""Users' series into physical units: channels, factors, corrections, months; and what cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from geomix import config, series, tables
from geomix.errors import DataError

BAND = {name: n for n, name in enumerate(tables.SERIES_BANDS)}
TABLE = "table.csv"


def frame() -> pd.DataFrame:
    return pd.DataFrame({"start_month": [0, 10, 3], "source": ["a", "b", "b"]})


def arrays(folder: Path, **changes: Any) -> config.SeriesArrays:
    x = np.arange(3 * 4 * 2, dtype=np.float64).reshape(3, 4, 2)
    x[1, 2, 0] = np.nan
    np.savez(folder / "x.npz", X=x)
    content = {"uri": str(folder / "x.npz"), "channels": {"B4": 0, "total_precipitation": 1}, **changes}
    return config.SeriesArrays.model_validate(content)


def read(source: Any, rows: list[int], table: pd.DataFrame | None = None) -> series.Series:
    return series.read(source, frame() if table is None else table, np.array(rows, dtype=np.int64), TABLE)


def test_channels_go_to_their_band_and_the_rest_is_missing(tmp_path: Path) -> None:
    made = read(arrays(tmp_path, factor={"B4": 0.5}), [2, 1])
    assert made.x_NTC.shape == (2, 4, len(BAND))
    assert made.x_NTC.dtype == np.float32
    assert made.x_NTC[0, :, BAND["B4"]].tolist() == [8, 9, 10, 11]
    assert made.x_NTC[0, :, BAND["total_precipitation"]].tolist() == [17, 19, 21, 23]
    assert np.isnan(made.x_NTC[1, 2, BAND["B4"]])
    others = [n for name, n in BAND.items() if name not in ("B4", "total_precipitation")]
    assert np.isnan(made.x_NTC[:, :, others]).all()
    assert made.month_NT.tolist() == [[3, 4, 5, 6], [10, 11, 0, 1]]
    assert (made.landcover_NT == tables.MISSING_LANDCOVER).all()


def test_a_correction_changes_its_rows_and_its_channel_after_the_factor(tmp_path: Path) -> None:
    correction = {"where": "source = 'b'", "channel": "B4", "factor": 10, "offset": 1, "why": "a test"}
    made = read(arrays(tmp_path, factor={"B4": 0.5}, corrections=[correction]), [0, 2])
    assert made.x_NTC[0, :, BAND["B4"]].tolist() == [0, 1, 2, 3]
    assert made.x_NTC[1, :, BAND["B4"]].tolist() == [81, 91, 101, 111]
    assert made.x_NTC[1, :, BAND["total_precipitation"]].tolist() == [17, 19, 21, 23]


def test_a_plain_npy_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 2, 2), dtype=np.int16))
    made = read(arrays(tmp_path, uri=str(tmp_path / "x.npy")), [0])
    assert made.x_NTC[0, :, BAND["B4"]].tolist() == [1, 1]


def test_take_keeps_the_order_asked_for(tmp_path: Path) -> None:
    made = read(arrays(tmp_path), [0, 1, 2])
    taken = made.take(np.array([2, 0]))
    assert len(taken) == 2
    assert taken.month_NT.tolist() == made.month_NT[[2, 0]].tolist()
    assert np.array_equal(taken.x_NTC, made.x_NTC[[2, 0]], equal_nan=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"array": "Y"}, "no array 'Y'"),
        ({"channels": {"B4": 2}}, "channel 2 for B4 of 2 channels"),
        ({"channels": {"B4": -1}}, "channel -1 for B4"),
        ({"channels": {"red": 0}}, "unknown band 'red'"),
        ({"factor": {"red": 1.0}}, "unknown band 'red'"),
        ({"start_month": "month"}, "no column 'month'"),
        ({"uri": "/absent.npz"}, "no such file"),
        ({"corrections": [{"where": "nonsense > 1", "channel": "B4", "why": "x"}]}, "nonsense"),
        ({"corrections": [{"where": "true", "channel": "red", "why": "x"}]}, "unknown band 'red'"),
    ],
)
def test_wrong_arrays_are_explained(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(arrays(tmp_path, **changes), [0])
    assert caught.value.exit_code == 2


def test_arrays_of_another_length_are_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"array of shape \(3, 4, 2\)") as caught:
        read(arrays(tmp_path), [0], frame().iloc[:2])
    assert "2 rows as in table.csv" in caught.value.wanted


@pytest.mark.parametrize("content", [b"", b"no array", b"PK\x03\x04 torn", b"\x93NUMPY\x01\x00"])
def test_torn_files_are_explained(tmp_path: Path, content: bytes) -> None:
    source = arrays(tmp_path)
    Path(source.uri).write_bytes(content)
    with pytest.raises(DataError, match="not a readable"):
        read(source, [0])


def test_a_torn_npz_is_explained(tmp_path: Path) -> None:
    source = arrays(tmp_path)
    path = Path(source.uri)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="not a readable"):
        read(source, [0])


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not a readable"):
        read(arrays(tmp_path, uri=str(tmp_path / "x.npy")), [0])


def columns(**changes: Any) -> config.SeriesColumns:
    steps = [{"month": 3, "bands": {"B4": "red_1"}}, {"month": 9, "bands": {"B4": "red_2", "B8": "nir_2"}}]
    return config.SeriesColumns.model_validate({"steps": steps, **changes})


def test_series_spread_over_columns() -> None:
    table = pd.DataFrame({"red_1": [1, 2], "red_2": [3, 4], "nir_2": [5.0, np.nan]})
    made = read(columns(factor={"B8": 0.1}), [1, 0], table)
    assert made.x_NTC[:, :, BAND["B4"]].tolist() == [[2, 4], [1, 3]]
    assert made.month_NT.tolist() == [[3, 9], [3, 9]]
    assert np.isnan(made.x_NTC[0, :, BAND["B8"]]).all()
    assert made.x_NTC[1, 1, BAND["B8"]] == pytest.approx(0.5)
    assert np.isnan(made.x_NTC[1, 0, BAND["B8"]])


def test_lacking_and_textual_columns_are_explained() -> None:
    with pytest.raises(DataError, match="no column 'red_2', 'nir_2'"):
        read(columns(), [0], pd.DataFrame({"red_1": [1]}))
    with pytest.raises(DataError, match="red_1"):
        read(columns(), [0], pd.DataFrame({"red_1": ["n/a"], "red_2": [1], "nir_2": [1]}))


@pytest.mark.parametrize("value", ["January", np.nan, 12, -1, 2.5])
def test_a_start_month_that_is_none_is_explained(tmp_path: Path, value: Any) -> None:
    table = frame().astype({"start_month": object})
    table.loc[1, "start_month"] = value
    with pytest.raises(DataError, match="start_month"):
        read(arrays(tmp_path), [0, 1], table)
