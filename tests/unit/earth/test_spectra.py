"""Spectra: the stated percentiles, and the order of things that every eye expects."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from geomix.earth import spectra

WORLDCOVER = {
    10: "tree",
    20: "shrub",
    30: "grass",
    40: "crop",
    50: "built",
    60: "bare",
    80: "water",
    90: "wetland",
    95: "mangrove",
}


def test_percentiles_are_those_of_the_source(shared_data: Path) -> None:
    with (shared_data / "series" / "s2_l2a_spectra_by_worldcover.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    assert len(rows) == 27
    for row in rows:
        figures = spectra.PERCENTILES[WORLDCOVER[int(row[0])]][(0.1, 0.5, 0.9).index(float(row[1]))]
        assert figures == pytest.approx([float(v) for v in row[2:12]])


def test_percentiles_rise_in_every_band() -> None:
    for cover, figures in spectra.PERCENTILES.items():
        assert (np.diff(np.array(figures), axis=0) > 0).all(), cover


def test_a_deviate_gives_back_the_percentiles() -> None:
    cover = np.array([spectra.TREE, spectra.CROP, spectra.WATER])
    for k, z in ((0, -1.2815515655446004), (1, 0.0), (2, 1.2815515655446004)):
        want = np.array([spectra.PERCENTILES[n][k] for n in ("tree", "crop", "water")]) / 1e4
        assert spectra.at_deviate(cover, np.full(3, z)) == pytest.approx(want)


def test_leaves_are_green_soil_is_bright_water_is_dark() -> None:
    cover = np.arange(len(spectra.COVERS))
    zero = np.zeros(len(cover))
    leaves, ground = spectra.green(cover, zero, zero), spectra.ground(cover, zero)
    red, nir, swir = (spectra.BANDS.index(b) for b in ("B4", "B8", "B12"))

    def ndvi(x: np.ndarray) -> np.ndarray:
        return np.asarray((x[:, nir] - x[:, red]) / (x[:, nir] + x[:, red]))

    assert (ndvi(leaves) > 0.6).all()
    assert (ndvi(ground) < 0.3).all()
    assert ground[spectra.BARE, swir] > 2 * leaves[spectra.CROP, swir]
    assert ground[spectra.WATER].max() < 0.06
    assert spectra.SNOW[0] > 0.7
    assert spectra.SNOW[-1] < 0.3
