"""Rows of a pool of the synthetic Earth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from geomix import config, ids
from geomix.pool.rows import Rows


def content(earth: config.Earth) -> dict[str, Any]:
    """What decides the simulated pixels: the simulator's version and the world; the target only where it has one."""
    from geomix import earth as synthetic

    world = earth.model_dump(mode="json")
    if earth.world != "effect":
        del world["target"], world["effect"]
    return {"simulator": synthetic.VERSION, **world}


def build(pool: config.EarthPool, earth: config.Earth) -> Rows:
    """The pool's rows: places on the synthetic Earth's land, hrefs `earth:<id>`. Pixels are made when they are needed."""
    from geomix import earth as synthetic

    found = synthetic.pool_rows(pool, earth).sort_values("id", ignore_index=True)
    frame = pd.DataFrame(
        {
            "id": found["id"].astype(object),
            "place": found["place"].astype(object),
            "lon": found["lon"].astype(np.float64),
            "lat": found["lat"].astype(np.float64),
            "time": pd.Series(pd.NaT, index=found.index, dtype="datetime64[s, UTC]"),
            "href": "earth:" + found["id"].astype(object),
            "cloud": np.float32(np.nan),
            "nodata": np.float32(np.nan),
        }
    )
    empty = [""] * len(frame)
    return Rows(frame, frame["href"].tolist(), empty, ids.canonical_json(content(earth)))
