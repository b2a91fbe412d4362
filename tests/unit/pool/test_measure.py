"""Measured columns: only reflectance counts, blocks do not, and a loader that gives other rows is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from geomix import config, earth, series, spectral_entropy, tables
from geomix.errors import DataError
from geomix.pool import measure

ROWS = pd.DataFrame({"id": [f"r{n}" for n in range(9)], "lon": 10.0, "lat": np.arange(9.0)})
OPTICAL = [c for c, band in enumerate(tables.SERIES_BANDS) if tables.SERIES_UNITS[band] == "reflectance"]


def load(rows: pd.DataFrame) -> series.Series:
    x = np.full((len(rows), 12, 16), 250.0, dtype=np.float32)
    for n, sample in enumerate(rows["id"]):
        x[n][:, OPTICAL] = np.random.default_rng(int(sample[1:])).uniform(0, 0.6, (12, 10))
        if sample == "r4":
            x[n][:, OPTICAL] = np.nan
    month = np.zeros(x.shape[:2], dtype=np.int64)
    return series.Series(x, month, month)


def test_only_reflectance_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure.measured(ROWS, load)
    assert list(found.columns) == ["id", "spectral_entropy_pooled", "spectral_entropy_per_band", "spectral_entropy_spectrum"]
    assert found["id"].tolist() == ROWS["id"].tolist()
    expected = spectral_entropy.of_series(load(ROWS).x_NTC[:, :, OPTICAL])
    for column, variant in zip(measure.COLUMNS, spectral_entropy.VARIANTS, strict=True):
        assert np.array_equal(found[column], expected[variant], equal_nan=True)
        assert found[column].isna().tolist() == [n == 4 for n in range(9)]
    monkeypatch.setattr(measure, "BLOCK", 2)
    pd.testing.assert_frame_equal(found, measure.measured(ROWS, load))


def test_of_the_synthetic_earth() -> None:
    world = config.Earth()
    rows = earth.pool_rows(config.EarthPool(kind="earth", size=200), world)

    def simulated(block: pd.DataFrame) -> series.Series:
        return earth.simulate(block["lon"].to_numpy(), block["lat"].to_numpy(), block["id"].tolist(), world)[0]

    found = measure.measured(rows, simulated).set_index("id")
    turned = measure.measured(rows.iloc[::-1].reset_index(drop=True), simulated).set_index("id").loc[found.index]
    pd.testing.assert_frame_equal(found, turned)
    known = found.dropna()
    assert len(known) > 180
    assert known["spectral_entropy_pooled"].between(0, np.log(64)).all()
    assert known["spectral_entropy_spectrum"].between(0, np.log(10)).all()


def test_a_loader_of_other_rows_is_refused() -> None:
    with pytest.raises(DataError, match="for 9 rows"):
        measure.measured(ROWS, lambda block: load(block.head(3)))
    with pytest.raises(DataError, match="no band of reflectance among VV, VH"):
        measure.measured(ROWS, load, ["VV", "VH"])


@pytest.mark.shared
def test_real_series(shared_data: object) -> None:
    meta = tables.read(f"{shared_data}/series/series_open_meta.csv")
    bands = [b for b in tables.SERIES_BANDS if tables.SERIES_UNITS[b] == "reflectance"]
    source = config.SeriesArrays(
        uri=f"{shared_data}/series/series_open.npz",
        channels={band: tables.SERIES_BANDS.index(band) for band in bands},
        factor=dict.fromkeys(bands, 1e-4),
    )
    rows = meta.assign(id=meta.index.astype(str))
    found = measure.measured(rows, lambda block: series.read(source, meta, block.index.to_numpy(), "meta"))
    assert found[list(measure.COLUMNS)].isna().all(axis=1).sum() == 3  # rows without any reflectance
    filled = (meta["source"] == "presto_fuel_moisture").to_numpy()  # three months, repeated to twelve
    assert found["spectral_entropy_per_band"][filled].mean() < 0.6 * found["spectral_entropy_per_band"][~filled].mean()
