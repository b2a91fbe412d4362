"""Makes natural_earth_countries.parquet from Natural Earth's 1:50 m countries (version 5.1, public domain).

    python -m geomix.atlas.make_natural_earth ne_50m_admin_0_countries.shp [OUT]

Source: naturalearthdata.com, "Admin 0 - Countries", 1:50 m. Geometry is kept to the last vertex. A row is a country or,
where a country has land on several continents, its part on one of them (`continents.OVERSEAS`). Russia and Turkey stay
whole: `continents.straddling` divides them point by point.
"""

from __future__ import annotations

import sys
from pathlib import Path

from geomix.atlas import continents


def make(shapes: Path, out: Path) -> None:
    """Writes `out`: iso_a3, name, continent, un_region, un_subregion, geometry (WKB, EPSG:4326), by name and continent."""
    import geopandas
    import shapely

    named = ["ISO_A3_EH", "ADM0_A3", "ADMIN", "CONTINENT", "REGION_UN", "SUBREGION"]
    frame = geopandas.read_file(shapes)[[*named, "geometry"]]
    frame = frame.explode(ignore_index=True)
    point = shapely.point_on_surface(frame.geometry.to_numpy())
    frame["continent"] = continents.of_part(
        frame["ADMIN"].to_numpy(), frame["CONTINENT"].to_numpy(), shapely.get_x(point), shapely.get_y(point)
    )
    frame["iso_a3"] = frame["ISO_A3_EH"].where(frame["ISO_A3_EH"] != "-99", frame["ADM0_A3"])
    frame["un_region"], frame["un_subregion"] = continents.un_of_part(
        *(frame[c].to_numpy(dtype=object) for c in ("ADMIN", "continent", "REGION_UN", "SUBREGION"))
    )
    frame = frame.rename(columns={"ADMIN": "name"})
    keys = ["iso_a3", "name", "continent", "un_region", "un_subregion"]
    parts = frame[[*keys, "geometry"]].dissolve(keys, method="disjoint_subset")
    countries = parts.reset_index().sort_values(["name", "continent"], ignore_index=True)
    countries.set_crs("EPSG:4326", allow_override=True).to_parquet(out, compression="zstd", index=False)


if __name__ == "__main__":
    default = Path(__file__).with_name("natural_earth_countries.parquet")
    make(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else default)
