"""The index of cells: its answers are those of testing every place in every polygon, in any coordinate system."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyproj
import pytest
import shapely

from geomix.atlas import cells, countries, parts
from geomix.atlas.parts import Locator, Parts

F64 = npt.NDArray[np.float64]

# name: (coordinate system, west, south, east, north of the middles of polygons)
DRAWN_IN = {
    "degrees": ("EPSG:4326", -180, -90, 180, 90),
    "degrees, another datum": ("EPSG:4267", -130, 20, -60, 50),
    "degrees from Paris": ("EPSG:4807", -180, -80, 180, 80),
    "Mollweide": ("ESRI:54009", -180, -90, 180, 90),
    "Mollweide about 150 E": ("+proj=moll +lon_0=150 +datum=WGS84", -180, -85, 180, 85),
    "Mercator": ("EPSG:3857", -180, -85, 180, 85),
    "equal area, Europe": ("EPSG:3035", -20, 30, 60, 75),
    "equal area, all but the antipode": ("EPSG:3035", -180, -90, 180, 90),
    "stereographic, the South Pole": ("EPSG:3031", -180, -90, 180, -55),
    "UTM, half of the Earth not expressible": ("EPSG:32633", 0, -10, 30, 80),
    "conic, America": ("EPSG:5070", -140, 10, -50, 70),
    "Robinson": ("ESRI:54030", -180, -90, 180, 90),
    "feet": ("EPSG:2263", -85, 30, -65, 50),
}


def drawn(crs: str, box: tuple[float, float, float, float], rng: np.random.Generator, count: int) -> npt.NDArray[np.object_]:
    """Star-shaped polygons of 20 to 3,000 km, overlapping, drawn in `crs`, also beyond what it can express."""
    project = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    west, south, east, north = box
    x, y = project.transform(rng.uniform(west, east, count), rng.uniform(south, north, count))
    unit = pyproj.CRS(crs).axis_info[0].unit_conversion_factor
    metre = 1 / unit if pyproj.CRS(crs).is_projected else 1 / (unit * 6_371_000)
    polygons = []
    for centre in np.column_stack([x, y])[np.isfinite(x) & np.isfinite(y)]:
        corners = rng.integers(3, 12)
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = np.exp(rng.uniform(np.log(2e4), np.log(3e6))) * rng.uniform(0.3, 1, corners) * metre
        star = shapely.Polygon(centre + np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None])
        polygons += [p for p in shapely.get_parts(shapely.make_valid(star)) if p.geom_type == "Polygon"]
    return np.array(polygons, dtype=object)


def asked(polygon: npt.NDArray[np.object_], crs: str, rng: np.random.Generator, count: int) -> tuple[F64, F64]:
    """Places all over the sphere, places within metres to kilometres of an edge, and the dateline and the poles."""
    lon, lat = rng.uniform(-180, 180, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    edge = shapely.boundary(polygon)[rng.integers(0, len(polygon), count)]
    near = shapely.line_interpolate_point(edge, rng.uniform(0, 1, count), normalized=True)
    back = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    x, y = back.transform(shapely.get_x(near), shapely.get_y(near))
    away = 10 ** rng.uniform(-8, -1, (2, count)) * rng.choice([-1, 1], (2, count))
    x, y = x + away[0], y + away[1]
    on = np.isfinite(x) & np.isfinite(y) & (np.abs(x) <= 180) & (np.abs(y) <= 90)
    line, ends = np.linspace(-90, 90, 181), np.linspace(-180, 180, 181)
    lon = np.concatenate([lon, x[on], np.full(181, 180.0), np.full(181, -180.0), ends, ends, [190.0, -185.0, 360.0]])
    lat = np.concatenate([lat, y[on], line, line, np.full(181, 90.0), np.full(181, -90.0), [10.0, -10.0, 0.0]])
    return lon, lat


def brute_force(polygon: npt.NDArray[np.object_], crs: str, lon: F64, lat: F64) -> npt.NDArray[np.int64]:
    """The first polygon that holds each place, on either side of the dateline: every polygon is asked about every place."""
    project = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    lon = np.where(np.abs(lon) > 180, (lon + 180) % 360 - 180, lon)
    found = np.full(len(lon), len(polygon))
    for side in (lon, np.where(np.abs(lon) == 180, -lon, lon)):
        x, y = (side, lat) if crs == "EPSG:4326" else project.transform(side, lat)
        for index in range(len(polygon) - 1, -1, -1):
            inside = shapely.intersects_xy(polygon[index], x, y) & np.isfinite(x) & np.isfinite(y)
            found[inside] = np.minimum(found[inside], index)
    return np.where(found == len(polygon), -1, found)


@pytest.mark.parametrize("name", DRAWN_IN)
def test_cells_answer_as_every_polygon_would(name: str) -> None:
    crs, *box = DRAWN_IN[name]
    rng = np.random.default_rng(list(DRAWN_IN).index(name))
    polygon = drawn(crs, tuple(box), rng, 40)
    lon, lat = asked(polygon, crs, rng, 20_000)
    locator = Locator(Parts.of(polygon), crs)
    assert locator.can_be_indexed
    expected = brute_force(polygon, crs, lon, lat)
    one_by_one = locator.locate(lon, lat)
    assert "index" not in locator.__dict__
    assert (one_by_one == expected).all()
    answered = locator.index.codes(np.clip(lon, -180, 180), lat) != cells.EXACT
    assert answered.mean() > 0.2
    assert (locator.locate(lon, lat) == expected).all()
    assert len(np.unique(expected)) > 10


def test_few_places_build_no_index_and_many_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "INDEX_FROM", 1_000)
    locator = Locator(Parts.of(np.array([shapely.box(0, 0, 10, 10)], dtype=object)))
    locator.locate(np.zeros(999), np.zeros(999))
    assert "index" not in locator.__dict__
    assert locator.locate(np.full(1_000, 5.0), np.full(1_000, 5.0)).tolist() == [0] * 1_000
    assert "index" in locator.__dict__


def test_an_interrupted_projection_gets_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "INDEX_FROM", 1)
    crs = "+proj=igh +datum=WGS84"  # Goode's homolosine: oceans are torn
    locator = Locator(Parts.of(np.array([shapely.box(-1e6, -1e6, 1e6, 1e6)], dtype=object)), crs)
    assert locator.locate([0.0, 50.0], [0.0, 0.0]).tolist() == [0, -1]
    assert "index" not in locator.__dict__


def test_places_on_borders_and_on_corners_of_cells() -> None:
    # Squares that share their borders, drawn on the very lines of coarse and fine cells.
    squares = [shapely.box(x, y, x + w, y + w) for w in (1.0, 0.25, 1 / 64) for x in (-w, 0.0, w) for y in (-w, 0.0)]
    squares += [shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1), shapely.box(-180, 89, 180, 90)]
    polygon = np.array(squares, dtype=object)
    locator = Locator(Parts.of(polygon))
    line = np.unique(np.concatenate([np.arange(-2, 2, 1 / 64), np.arange(-1, 1, 1 / 128)]))
    lon, lat = (v.ravel() for v in np.meshgrid(line, line))
    lon, lat = np.append(lon, [180, -180, 179, -179, 12, 180]), np.append(lat, [0.5, 0.5, 1, 0, 90, 90])
    assert locator.index
    found = locator.locate(lon, lat)
    assert (found == brute_force(polygon, "EPSG:4326", lon, lat)).all()
    assert found[-6:].tolist() == [18, 18, 18, 19, 20, 20]


def test_places_without_coordinates_are_in_no_part() -> None:
    locator = Locator(Parts.of(np.array([shapely.box(-180, -90, 180, 90)], dtype=object)))
    lon, lat = [np.nan, 0.0, np.inf, 0.0, 0.0], [0.0, np.nan, 0.0, 91.0, 90.0]
    assert locator.locate(lon, lat).tolist() == [-1, -1, -1, -1, 0]
    assert locator.index
    assert locator.locate(lon, lat).tolist() == [-1, -1, -1, -1, 0]
    assert locator.locate([], []).tolist() == []


def test_countries_are_the_same_with_and_without_index() -> None:
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(-180, 180, 100_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 100_000)))
    land = countries.land()
    expected = land.locator.parts.locate(lon, lat)
    indexed = Locator(land.locator.parts)
    assert (indexed.index.codes(lon, lat) == cells.EXACT).mean() < 0.02
    assert (indexed.locate(lon, lat) == expected).all()
