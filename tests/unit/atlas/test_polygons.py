"""Strata from a user's own polygons: any coordinate system, exact edges, and errors that say what is wrong."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely.geometry import LineString, Polygon, box

from geomix import atlas
from geomix.errors import DataError

WEST, EAST = box(-20, 0, 0, 30), box(0, 0, 40, 30)


def write(path: Path, frame: geopandas.GeoDataFrame) -> str:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return str(path)


@pytest.fixture
def biomes() -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame({"biome": ["savanna", "desert"], "number": [1.0, np.nan]}, geometry=[WEST, EAST], crs=4326)


@pytest.mark.parametrize("name", ["biomes.gpkg", "biomes.geojson", "biomes.shp", "biomes.parquet"])
def test_reads_what_people_have(tmp_path: Path, biomes: geopandas.GeoDataFrame, name: str) -> None:
    found = atlas.read_polygons(write(tmp_path / name, biomes), "biome")
    assert found.at([-10, 10, 100], [10, 10, 10]).tolist() == ["savanna", "desert", None]
    assert name in found.source.name
    assert len(found.source.sha256) == 64


def test_points_go_to_the_polygons_coordinate_system(tmp_path: Path) -> None:
    # A square of 200 km in Lambert azimuthal equal area (Europe), centred on 10 E, 52 N.
    square = geopandas.GeoDataFrame({"k": ["in"]}, geometry=[box(4_221_000, 3_110_000, 4_421_000, 3_310_000)], crs=3035)
    found = atlas.read_polygons(write(tmp_path / "square.gpkg", square), "k")
    assert found.at([10.0, 11.3, 11.7, 10.0], [52.0, 52.0, 52.0, 51.0]).tolist() == ["in", "in", None, None]


def test_numbers_are_classes_and_gaps_belong_to_nobody(tmp_path: Path, biomes: geopandas.GeoDataFrame) -> None:
    found = atlas.read_polygons(write(tmp_path / "n.gpkg", biomes), "number")
    assert found.at([-10, 10], [10, 10]).tolist() == ["1", None]


def test_a_polygon_that_crosses_itself_is_mended(tmp_path: Path) -> None:
    bow = Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    frame = geopandas.GeoDataFrame({"k": ["bow"]}, geometry=[bow], crs=4326)
    found = atlas.read_polygons(write(tmp_path / "bow.gpkg", frame), "k")
    assert found.at([2, 8, 5], [5, 5, 1]).tolist() == ["bow", "bow", None]


def test_the_source_changes_with_content_only(tmp_path: Path, biomes: geopandas.GeoDataFrame) -> None:
    one = atlas.read_polygons(write(tmp_path / "a.gpkg", biomes), "biome").source.sha256
    assert atlas.read_polygons(write(tmp_path / "b.gpkg", biomes), "biome").source.sha256 == one
    biomes.loc[0, "biome"] = "steppe"
    assert atlas.read_polygons(write(tmp_path / "c.gpkg", biomes), "biome").source.sha256 != one


def test_wrong_files_are_explained(tmp_path: Path, biomes: geopandas.GeoDataFrame) -> None:
    with pytest.raises(DataError, match="no such file"):
        atlas.read_polygons(str(tmp_path / "absent.gpkg"), "biome")
    (tmp_path / "text.gpkg").write_text("not a data base")
    with pytest.raises(DataError, match="not readable as polygons"):
        atlas.read_polygons(str(tmp_path / "text.gpkg"), "biome")
    with pytest.raises(DataError, match="no column 'biom'") as caught:
        atlas.read_polygons(write(tmp_path / "a.gpkg", biomes), "biom")
    assert "biome, number" in caught.value.wanted
    nowhere = biomes.set_crs(None, allow_override=True)
    with pytest.raises(DataError, match="coordinate system"):
        atlas.read_polygons(write(tmp_path / "n.parquet", nowhere), "biome")
    lines = geopandas.GeoDataFrame({"k": ["a"]}, geometry=[LineString([(0, 0), (1, 1)])], crs=4326)
    with pytest.raises(DataError, match="LineString"):
        atlas.read_polygons(write(tmp_path / "l.gpkg", lines), "k")


def framed(*polygons: Polygon, crs: int | str = 4326) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame({"k": [f"k{n}" for n in range(len(polygons))]}, geometry=list(polygons), crs=crs)


@pytest.mark.parametrize(
    ("frame", "says", "remedy"),
    [
        (framed(box(4_221_000, 3_110_000, 4_421_000, 3_310_000)), "are no degrees, but the file says WGS 84", "a_srs"),
        (framed(box(20, 100, 40, 170)), "are no degrees", "exchange longitude and latitude"),
        (framed(box(-20, 0, 0, 30), crs=3035), "look like degrees, but the file says ETRS89", "a_srs"),
        (framed(box(4e7, 4e7, 5e7, 5e7), crs="ESRI:54009"), "lie nowhere on the Earth in World_Mollweide", "a_srs"),
        (framed(), "no row has both a polygon and a value", ""),
        (framed(Polygon(), Polygon()), "no row has both a polygon and a value", ""),
    ],
)
def test_wrong_coordinate_systems_and_empty_files_are_explained(
    tmp_path: Path, frame: geopandas.GeoDataFrame, says: str, remedy: str
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        atlas.read_polygons(write(tmp_path / "wrong.parquet", frame), "k")
    assert remedy in caught.value.remedy


def test_a_truncated_file_is_explained(tmp_path: Path, biomes: geopandas.GeoDataFrame) -> None:
    for name in ("cut.parquet", "cut.gpkg"):
        path = Path(write(tmp_path / name, biomes))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
        with pytest.raises(DataError, match="not readable as polygons"):
            atlas.read_polygons(str(path), "biome")


def test_a_polygon_drawn_beyond_the_dateline_is_on_both_sides(tmp_path: Path) -> None:
    frame = framed(box(170, -10, 190, 10), box(-200, 20, -170, 40), box(-180, -10, -170, 10))
    found = atlas.read_polygons(write(tmp_path / "d.gpkg", frame), "k")
    lon = [175, 180, -180, -175, 185, 160, 165, -171, 175]
    lat = [0, 0, 0, 0, 0, 30, 30, 30, 30]
    expected = ["k0", "k0", "k0", "k0", "k0", "k1", "k1", "k1", "k1"]
    assert found.at(lon, lat).tolist() == expected
    assert found.locator.index
    assert found.at(lon, lat).tolist() == expected


def test_a_polygon_over_the_dateline_in_metres(tmp_path: Path) -> None:
    # Mollweide about 180: the dateline is the middle of the map, and Greenwich its edge.
    frame = framed(box(-1e6, -1e6, 1e6, 1e6), crs="+proj=moll +lon_0=180 +datum=WGS84")
    found = atlas.read_polygons(write(tmp_path / "m.parquet", frame), "k")
    lon, lat = [180, -180, 179, -179, 190, 160, -160, 0, 0], [0, 5, 0, 0, 0, 0, 0, 0, 90]
    expected = ["k0"] * 4 + [None] * 5
    assert found.at(lon, lat).tolist() == expected
    assert found.locator.index
    assert found.at(lon, lat).tolist() == expected


@pytest.mark.parametrize(("file", "column"), [("biomes_allen2020.gpkg", "biome_id"), ("aez.geojson", "zoneID")])
def test_real_polygons_are_those_of_geopandas(shared_data: Path, file: str, column: str) -> None:
    path = shared_data / "strata" / file
    own = atlas.read_polygons(str(path), column)
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(-179.99, 179.99, 40_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 40_000)))
    polygons = geopandas.read_file(path).explode(ignore_index=True)
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(lon, lat), crs=4326).to_crs(polygons.crs)
    joined = geopandas.sjoin(points, polygons, predicate="within")
    expected = np.full(40_000, None, dtype=object)
    expected[joined.index] = joined[column].astype(int).astype(str)
    assert own.at(lon, lat).tolist() == expected.tolist()
    assert own.locator.index
    assert own.at(lon, lat).tolist() == expected.tolist()


def test_real_biomes(shared_data: Path) -> None:
    # Mollweide, 10 km: Fischer et al. 2022 / Allen et al. 2020.
    found = atlas.read_polygons(str(shared_data / "strata" / "biomes_allen2020.gpkg"), "biome_id")
    classes = found.at([-61, 13, -40, 100], [-4, 24, 30, 62])
    assert classes[2] is None
    assert len({c for c in classes if c is not None}) == 3
