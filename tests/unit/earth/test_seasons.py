"""Climate, green cover and fields: hemispheres, wet seasons, harvest."""

from __future__ import annotations

import numpy as np
import pytest

from geomix.earth import crops, keyed, seasons, sites, spectra

# Name -> longitude, latitude.
PLACES = {
    "iowa": (-93.5, 42.0),
    "pampas": (-61.0, -34.5),
    "manaus": (-60.0, -3.0),
    "sahara": (10.0, 24.0),
    "niger": (2.1, 13.5),
    "zambia": (28.3, -15.0),
    "siberia": (110.0, 63.0),
}
NAMES = list(PLACES)
LON, LAT = np.array(list(PLACES.values())).T


def many(name: str, count: int = 300) -> sites.Sites:
    """The same place many times over, each with traits of its own."""
    key = np.arange(count, dtype=np.uint64)
    return sites.look(np.full(count, PLACES[name][0]), np.full(count, PLACES[name][1]), key, 0)


def mean_climate(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    c = seasons.of_sites(many(name), 0)
    return c.celsius_NM.mean(axis=0), c.rain_NM.mean(axis=0), c.growth_NM.mean(axis=0)


def test_summers_lie_in_their_hemisphere() -> None:
    assert mean_climate("iowa")[0].argmax() in (6, 7)
    assert mean_climate("pampas")[0].argmax() in (0, 1)
    assert mean_climate("iowa")[2].argmax() in (6, 7, 8)
    assert mean_climate("pampas")[2].argmax() in (0, 1, 2, 3)


def test_climates_are_apart() -> None:
    assert mean_climate("sahara")[1].mean() < 0.6 < mean_climate("niger")[1].mean() < mean_climate("manaus")[1].mean()
    assert mean_climate("siberia")[0].min() < -20
    assert np.ptp(mean_climate("manaus")[0]) < 4
    assert mean_climate("sahara")[2].max() < 0.35
    assert mean_climate("manaus")[2].min() > 0.6


def test_savannas_are_wet_in_the_high_sun() -> None:
    assert mean_climate("niger")[1].argmax() in (5, 6, 7, 8)
    assert mean_climate("zambia")[1].argmax() in (11, 0, 1, 2)


def test_shifted_moves_a_curve_later() -> None:
    curve = np.eye(12)[[3, 3, 3, 3]]
    moved = seasons.shifted(curve, np.array([0.0, 1.0, -4.0, 0.25]))
    assert moved[0].argmax() == 3
    assert moved[1].argmax() == 4
    assert moved[2].argmax() == 11
    assert moved[3, 3:5] == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize("name", ["iowa", "pampas", "zambia"])
def test_fields_green_faster_and_fall_to_soil(name: str) -> None:
    where = many(name)
    where = sites.Sites(**{**where.__dict__, "cover": np.full(len(where), spectra.GRASS)})
    climate = seasons.of_sites(where, 0)
    grass = seasons.natural_green(where, climate, 0)
    field = crops.field_green(where, climate, grass, 0)
    for green in (grass, field):
        assert green.min() >= 0
        assert green.max() <= 1
    fastest_fall = (np.diff(np.c_[field, field[:, :1]], axis=1)).min(axis=1).mean()
    assert fastest_fall < 1.2 * np.diff(np.c_[grass, grass[:, :1]], axis=1).min(axis=1).mean()
    assert (field < 0.2).sum(axis=1).mean() > (grass < 0.2).sum(axis=1).mean()


def test_cover_follows_the_map_and_belongs_to_the_place() -> None:
    key = keyed.place_keys(LON, LAT)
    found = sites.look(LON, LAT, key, 0)
    again = sites.look(LON[::-1], LAT[::-1], key[::-1], 0)
    assert np.array_equal(found.cover, again.cover[::-1])
    assert np.array_equal(found.elevation_m, again.elevation_m[::-1])
    assert many("iowa").crop.mean() > 0.6
    assert (many("sahara").cover == spectra.BARE).mean() > 0.7
    assert many("manaus").crop.mean() < 0.15


def test_shares_of_cover_are_whole() -> None:
    assert set(sites.MIXTURE) == set(range(17))
    for igbp, shares in sites.MIXTURE.items():
        assert sum(shares) == 100, igbp


def test_a_place_without_climate_gets_one_by_latitude() -> None:
    # The middle of the Pacific, at two latitudes.
    assert sites.climate_of(np.array([-150.0, -150.0]), np.array([0.5, -50.0])).tolist() == ["Af", "Cfb"]
