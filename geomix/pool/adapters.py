"""Published catalogues as tables of a pool: which of their columns say id, place, coordinates, time, raster and quality.

Each layout was read in the documentation named at it; tests write small files in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from geomix import config
from geomix.sql import quoted


@dataclass(frozen=True)
class Columns:
    """Where a table's rows say what a pool wants to know: DuckDB expressions over its columns, None where it does not say.

    `needs`: columns that the table must have. `geometry`: WKB or WKT, whose centroid is the place where lon and lat are None.
    """

    needs: tuple[str, ...]
    id: str | None = None
    place: str | None = None
    lon: str | None = None
    lat: str | None = None
    geometry: str | None = None
    time: str | None = None
    href: str | None = None
    cloud: str | None = None
    nodata: str | None = None


# The time of the sensing: 20170613T101031, without a leading zero in names of v1 (20170905T95032), where two scenes have 60
# and 61 as their seconds (20180204T94160): hours and minutes first, then seconds. A name without a time gives none.
_CLOCK = "lpad(regexp_extract({name}, '_\\d{{8}}T(\\d{{5,6}})_', 1), 6, '0')"
_FROM_NAME = (
    f"try_strptime(regexp_extract({{name}}, '_(\\d{{{{8}}}})T', 1) || left({_CLOCK}, 4), '%Y%m%d%H%M') "
    f"+ to_seconds(CAST(right({_CLOCK}, 2) AS BIGINT))"
)

ADAPTERS: Mapping[str, Columns] = {
    # SatCLIP's README and figures/ssl4eo/example/index.csv (microsoft/satclip): lat, lon, url, fn; images beside it.
    "s2_100k": Columns(
        needs=("fn", "lon", "lat"),
        id="regexp_replace(fn, '\\.tif$', '')",
        lon="lon",
        lat="lat",
        href="'images/' || fn",
    ),
    # README of DLR-MF-DAS/SSL4EO-S12-v1.1: sample_id, time_id, time, tile_id, geometry (footprint), tile_crs, file.
    "ssl4eo_s12": Columns(
        needs=("sample_id", "time_id", "time", "geometry", "file"),
        id="sample_id || '_' || time_id",
        place="sample_id",
        geometry="geometry",
        time="time",
        href="file || '#' || sample_id || '/' || time_id",
    ),
    # Columns of Core-S2L2A's metadata.parquet and `filter_metadata` (ESA-PhiLab/Major-TOM): cloud_cover in percent, nodata a
    # share; a cell may hold several products.
    "major_tom": Columns(
        needs=(
            *("grid_cell", "product_id", "timestamp", "centre_lon", "centre_lat"),
            *("cloud_cover", "nodata", "parquet_url", "parquet_row"),
        ),
        id="grid_cell || '_' || product_id",
        place="grid_cell",
        lon="centre_lon",
        lat="centre_lat",
        time="timestamp",
        href="parquet_url || '#' || parquet_row",
        cloud="cloud_cover / 100",
        nodata="nodata",
    ),
    # SatMAE's "fMoW-Sentinel metadata": category, location_id, image_id, timestamp, polygon (WKT), and its image path.
    "fmow_sentinel": Columns(
        needs=("category", "location_id", "image_id", "timestamp", "polygon"),
        id="category || '_' || location_id || '_' || image_id",
        place="category || '_' || location_id",
        geometry="polygon",
        time="timestamp",
        href="category || '/' || category || '_' || location_id || '/' "
        "|| category || '_' || location_id || '_' || image_id || '.tif'",
    ),
}


def columns(pool: config.TablePool, there: Mapping[str, str], geometry: str | None) -> Columns:
    """The columns of a pool's table. `there`: column -> DuckDB type; `geometry`: the primary column of a GeoParquet file."""
    if pool.format == "bigearthnet":
        return _bigearthnet(there)
    if pool.format != "plain":
        return ADAPTERS[pool.format]
    by_geometry = geometry if pool.lon not in there and pool.lat not in there else None
    named = [pool.id, pool.place, pool.time, pool.href, pool.cloud, pool.nodata]
    named += [None, None] if by_geometry else [pool.lon, pool.lat]
    known = {n: quoted(c) for n in ("id", "place", "time", "href", "cloud", "nodata") if (c := getattr(pool, n)) is not None}
    if by_geometry:
        known["geometry"] = quoted(by_geometry)
    else:
        known |= {"lon": quoted(pool.lon), "lat": quoted(pool.lat)}
    return Columns(needs=tuple(name for name in named if name is not None), **known)


def _bigearthnet(there: Mapping[str, str]) -> Columns:
    # v2 (bigearth.net, metadata.parquet): patch_id. v1 lists: s2_name, or name. Neither file of the archive has coordinates:
    # lists of places add lon and lat.
    name = next((c for c in ("patch_id", "s2_name", "name") if c in there), "patch_id")
    return Columns(
        needs=(name, "lon", "lat"),
        id=name,
        lon="lon",
        lat="lat",
        time=_FROM_NAME.format(name=name),
        href=f"{name}",
    )
