"""Strata of a study file: polygons, rasters, distances to cities, latitude bands; codes and tables of any stratum."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import pytest
import rasterio
from affine import Affine
from pydantic import TypeAdapter, ValidationError
from shapely.geometry import box

from geomix import atlas, config
from geomix.atlas import strata as all_strata
from geomix.errors import CompositionError, DataError

OWN: TypeAdapter[config.OwnStratum] = TypeAdapter(config.OwnStratum)


def stratum(**settings: Any) -> atlas.Stratum:
    return atlas.of_strata({"own": OWN.validate_python(settings)})["own"]


def cover(folder: Path, dtype: str = "uint8", **more: Any) -> str:
    """A world of 90 degree cells: 1 2 3 255 in the north, 5 5 7 1 in the south."""
    path = folder / "cover.tif"
    shape = {"count": 1, "height": 2, "width": 4, "dtype": dtype, "crs": "EPSG:4326", **more}
    with rasterio.open(path, "w", driver="GTiff", transform=Affine(90, 0, -180, 0, -90, 90), **shape) as out:
        out.write(np.array([[[1, 2, 3, 255], [5, 5, 7, 1]]], dtype=dtype))
    return str(path)


LON, LAT = [-135.0, -45.0, 45.0, 135.0, 45.0], [45.0, 45.0, 45.0, 45.0, -45.0]


def test_the_old_form_means_polygons() -> None:
    assert OWN.validate_python({"uri": "a.gpkg", "column": "b"}) == config.Polygons(uri="a.gpkg", column="b")
    assert OWN.validate_json('{"kind": "latitude_band", "degrees": 30}') == config.LatitudeBand(
        kind="latitude_band", degrees=30
    )
    for wrong in (
        {"kind": "latitude_band", "degrees": 40},
        {"kind": "city_distance", "min_population": 100},
        {"kind": "raster", "uri": "a", "column": "b"},
        {"kind": "rasters", "uri": "a"},
        {"kind": "raster", "uri": "a", "band": 0},
    ):
        with pytest.raises(ValidationError):
            OWN.validate_python(wrong)


def test_a_raster_with_named_classes(tmp_path: Path) -> None:
    classes = {1: "forest", 2: "grass", 3: "forest", 7: "rock"}
    found = stratum(kind="raster", uri=cover(tmp_path, nodata=255), classes=classes)
    assert found.at(LON, LAT).tolist() == ["forest", "grass", "forest", None, "rock"]
    assert found.codes(LON, LAT).names == ("forest", "grass", "rock")
    assert "cover.tif, band 1" in found.source().name
    assert len(found.source().sha256) == 64


def test_a_class_without_a_name_is_an_error(tmp_path: Path) -> None:
    uri = cover(tmp_path)
    with pytest.raises(DataError, match="value 255 has no name") as caught:
        stratum(kind="raster", uri=uri, classes={1: "a", 2: "b", 3: "c", 7: "d"}).at(LON, LAT)
    assert "missing" in caught.value.remedy
    known = stratum(kind="raster", uri=uri, classes={1: "a", 2: "b", 3: "c"}, missing=[255, 7])
    assert known.at(LON, LAT).tolist() == ["a", "b", "c", None, None]


def test_numbers_of_a_raster(tmp_path: Path) -> None:
    whole = stratum(kind="raster", uri=cover(tmp_path, "int16", nodata=255), missing=[7])
    assert whole.at(LON, LAT).tolist() == [1, 2, 3, None, None]
    assert atlas.table({"x": whole}, LON, LAT)["x"].type == pa.int64()
    floats = stratum(kind="raster", uri=cover(tmp_path, "float32"), missing=[255])
    assert np.array_equal(floats.at(LON, LAT), [1, 2, 3, np.nan, 7], equal_nan=True)
    assert atlas.table({"x": floats}, LON, LAT)["x"].to_pylist() == [1, 2, 3, None, 7]
    with pytest.raises(CompositionError, match="not classes"):
        floats.codes(LON, LAT)


def test_a_raster_that_is_not_there() -> None:
    with pytest.raises(DataError, match="no such file"):
        stratum(kind="raster", uri="/absent/cover.tif").at([0.0], [0.0])


def test_maps_in_object_storage(tmp_path: Path) -> None:
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args: Any) -> None:
            pass

    cover(tmp_path, nodata=255)
    geopandas.GeoDataFrame({"k": ["in"]}, geometry=[box(0, 0, 90, 90)], crs=4326).to_file(tmp_path / "p.gpkg")
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        assert stratum(kind="raster", uri=f"{root}/cover.tif").at(LON, LAT).tolist() == [1, 2, 3, None, 7]
        assert stratum(uri=f"{root}/p.gpkg", column="k").at(LON, LAT).tolist() == [None, None, "in", None, None]
        server.shutdown()


def test_cities_and_bands_of_ones_own() -> None:
    near, far = (stratum(kind="city_distance", min_population=n) for n in (15_000, 10_000_000))
    assert (near.at(LON, LAT) <= far.at(LON, LAT)).all()
    assert near.source().sha256 != far.source().sha256
    with pytest.raises(DataError, match="no city"):
        stratum(kind="city_distance", min_population=10**9).at(LON, LAT)
    bands = stratum(kind="latitude_band", degrees=30)
    expected = ["01 90S-60S", "02 60S-30S", "03 30S-0", "04 0-30N", "06 60N-90N"]
    assert bands.at([0] * 5, [-90, -60, -0.1, 0, 90]).tolist() == expected


def test_codes_are_the_classes_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_strata, "BLOCK", 700)
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 2_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 2_000)))
    made = atlas.table(atlas.STRATA, lon, lat)
    assert made.column_names == list(atlas.STRATA)
    for name, one in atlas.STRATA.items():
        values = atlas.lookup(name, lon, lat).tolist()
        assert made[name].to_pylist() == values
        if name in ("landcover", "city_km"):
            assert str(made[name].type) == {"landcover": "int64", "city_km": "double"}[name]
            continue
        coded = one.codes(lon, lat)
        assert coded.code.dtype == np.int16
        assert list(coded.names) == sorted(coded.names)
        assert coded.values().tolist() == values
        assert pa.types.is_dictionary(made[name].type)
    assert atlas.table(atlas.STRATA, [], []).num_rows == 0
