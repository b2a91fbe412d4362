"""Benchmark of the synthetic Earth's images: chips made together against the same chips made one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geomix import config, earth
from geomix.earth import images
from tests.bench.measure import Measured, compare

CHIPS, SIZE = 128, 64


def chips(_: Path) -> Measured:
    """Chips of 64 x 64 x 10 a batch; the pixels must be the same."""
    world = config.Earth()
    rows = earth.pool_rows(config.EarthPool(kind="earth", size=CHIPS), world)
    lon, lat = rows["lon"].to_numpy(), rows["lat"].to_numpy()
    day = 18262 + 37 * np.arange(CHIPS) % 365

    def alone() -> np.ndarray:
        one = (images.chips(lon[i : i + 1], lat[i : i + 1], day[i : i + 1], world, SIZE) for i in range(CHIPS))
        return np.concatenate([c.number_NCHW for c in one])

    def together() -> np.ndarray:
        return images.chips(lon, lat, day, world, SIZE).number_NCHW

    assert (alone() == together()).all(), "the pixels differ"
    # 20,000 chips in some minutes on two cores need about 80 chips a second and core.
    return compare(f"{CHIPS} simulated chips of {SIZE} x {SIZE} x {len(images.BANDS)}", together, "one by one", alone, goal=2.0)
