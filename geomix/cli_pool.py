"""`geomix pool`: builds a pool of places, finds a satellite image for each place, or does the pool stage of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from geomix import config, study_file
from geomix.cli_common import absolute, console, explained, group, plain
from geomix.errors import StudyError

app = group(
    "pool",
    "Build the pool: everything that could be sampled, with the strata of every place.",
    "geomix pool build --kind grid --spacing-km 10 --out pool",
)

OutOption = Annotated[str, typer.Option("--out", "-o", help="Folder of the pool (a path or a URI).", show_default=False)]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace another pool in that folder.")]


@app.command(
    epilog="Examples: **geomix pool build --kind grid --spacing-km 10 --out s3://bucket/land10** and **geomix pool build "
    "--kind table --uri places.parquet --stratum 'biome={uri: biomes.gpkg, column: BIOME_NAME}' --out places**"
)
def build(
    out: OutOption,
    kind: Annotated[str | None, typer.Option(help="grid, table or stac (or say all of it with --spec).")] = None,
    spacing_km: Annotated[float | None, typer.Option(help="grid: distance between neighbours, km.")] = None,
    uri: Annotated[str | None, typer.Option(help="table, stac: the file, folder, or http(s) or s3 address.")] = None,
    format: Annotated[str | None, typer.Option(help="table: a known catalogue's format, see README.")] = None,
    lon: Annotated[str | None, typer.Option(help="table: column of longitudes (degrees).")] = None,
    lat: Annotated[str | None, typer.Option(help="table: column of latitudes (degrees).")] = None,
    id: Annotated[str | None, typer.Option(help="table: column of unique ids.")] = None,
    where: Annotated[str | None, typer.Option(help="table: a DuckDB boolean; other rows are left out.")] = None,
    spec: Annotated[str | None, typer.Option(help="A YAML file with the pool as a study file describes it.")] = None,
    stratum: Annotated[
        list[str] | None, typer.Option(help="A stratum of your own, NAME=YAML as under `strata:` of a study; repeatable.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Build a pool outside of any study: pool.parquet, strata.parquet and pool.json in one folder."""
    options = {"spacing_km": spacing_km, "uri": uri, "format": format, "lon": lon, "lat": lat, "id": id, "where": where}
    given = {name: value for name, value in {"kind": kind, **options}.items() if value is not None}

    def body() -> None:
        from geomix import pool

        found = pool.build(_pool(given, spec), _strata(stratum or ()), absolute(out), force=force, progress=_say)
        _show(found, absolute(out))

    explained(body)


@app.command(
    epilog="Example: **geomix pool resolve land10 --stac items.json --start 2021-01-01 --end 2021-12-31 --out scenes**"
)
def resolve(
    pool_uri: Annotated[str, typer.Argument(metavar="POOL", help="Folder of a pool of places.", show_default=False)],
    stac: Annotated[str, typer.Option(help="An ItemCollection, a stac-geoparquet file, or a STAC API's address.")],
    out: OutOption,
    start: Annotated[str, typer.Option(help="First day, ISO 8601.")],
    end: Annotated[str, typer.Option(help="Last day, ISO 8601 (included).")],
    every: Annotated[str | None, typer.Option(help="month: one item a place and month, not one a place.")] = None,
    collection: Annotated[str | None, typer.Option(help="STAC API: the collection to search.")] = None,
    asset: Annotated[str | None, typer.Option(help="The asset whose href is kept (default: the item's own address).")] = None,
    max_cloud: Annotated[float, typer.Option(min=0, max=1, help="Items with a greater cloud share are left out.")] = 1.0,
    max_nodata: Annotated[float, typer.Option(min=0, max=1, help="Items with a greater nodata share are left out.")] = 1.0,
    sign: Annotated[str | None, typer.Option(help="module:function that turns an href into a signed one.")] = None,
    requester_pays: Annotated[bool, typer.Option("--requester-pays", help="Record that readers pay for requests.")] = False,
    force: ForceOption = False,
) -> None:
    """Find the best STAC item (least cloud and nodata) for every place and time window; tell what stayed unresolved."""

    def body() -> None:
        from geomix import pool

        found = pool.resolve(
            absolute(pool_uri),
            stac if "://" in stac else absolute(stac),
            absolute(out),
            start=start,
            end=end,
            every=every,
            collection=collection,
            asset=asset,
            max_cloud=max_cloud,
            max_nodata=max_nodata,
            sign=sign,
            requester_pays=requester_pays,
            force=force,
            progress=_say,
        )
        _show(found, absolute(out))

    explained(body)


def _pool(given: Mapping[str, Any], spec: str | None) -> config.Pool:
    import yaml

    if (spec is None) == (not given):
        raise StudyError("say what to build", remedy="give either --kind with its options, or --spec FILE")
    kind: TypeAdapter[config.Pool] = TypeAdapter(config.Pool)
    wanted = "a pool, such as {kind: grid, spacing_km: 10}"
    if spec is not None:
        return study_file.parse_part(kind, study_file.text(spec), spec, wanted)
    if "uri" in given and "://" not in given["uri"]:
        given = {**given, "uri": absolute(given["uri"])}
    return study_file.parse_part(kind, yaml.safe_dump(dict(given), sort_keys=False), "the options", wanted)


def _strata(given: Sequence[str]) -> dict[str, config.OwnStratum]:
    kind: TypeAdapter[dict[config.Name, config.OwnStratum]] = TypeAdapter(dict[config.Name, config.OwnStratum])
    found: dict[str, config.OwnStratum] = {}
    for one in given:
        name, sign, text = one.partition("=")
        if not sign:
            raise StudyError(f"--stratum {one!r}", wanted="NAME=YAML, such as 'biome={uri: biomes.gpkg, column: BIOME_NAME}'")
        found |= study_file.parse_part(kind, f"{name}: {text}", "--stratum", "NAME=YAML")
    return found


def _say(text: str) -> None:
    console.print(text, highlight=False)


def _show(found: Mapping[str, Any], out: str) -> None:
    console.print(f"{found['rows']:,} samples at {found['places']:,} places", highlight=False)
    for line in found.get("messages", ()):
        console.print(plain(line), highlight=False)
    console.print(f"next: geomix sample draw --pool {out} --budget 1000 -c 'uar={{strategy: uniform}}' --out draws")
    print(out)
