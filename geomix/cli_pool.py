"""`geomix pool`: builds a pool of places, finds a satellite image for each place, or does the pool stage of a study."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from geomix import config, study_file
from geomix.cli_common import absolute, console, explained, group
from geomix.errors import InputError, StudyError

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
        from geomix.pool import build

        with _progress() as told:
            found = build.build(_pool(given, spec), _strata(stratum or ()), absolute(out), progress=told, force=force)
        _show(found, absolute(out))

    explained(body)


@app.command(
    epilog="Example: **geomix pool resolve land10 --stac items.json --start 2021-01-01 --end 2021-12-31 --out scenes**"
)
def resolve(
    pool_uri: Annotated[str, typer.Argument(metavar="POOL", help="Folder of a pool of places.", show_default=False)],
    stac: Annotated[str, typer.Option(help="An ItemCollection, a stac-geoparquet file, or a STAC API's address.")],
    out: OutOption,
    start: Annotated[str, typer.Option(help="First day, ISO 8601; UTC unless it has an offset.")],
    end: Annotated[str, typer.Option(help="Day after the last, ISO 8601.")],
    every: Annotated[str | None, typer.Option(help="month: one item a place and month, not one a place.")] = None,
    collection: Annotated[list[str] | None, typer.Option(help="STAC API: a collection to search; repeatable.")] = None,
    asset: Annotated[str | None, typer.Option(help="The asset whose href is kept (default: the item's own address).")] = None,
    max_cloud: Annotated[float, typer.Option(min=0, max=1, help="Items with a greater cloud share are left out.")] = 1.0,
    max_nodata: Annotated[float, typer.Option(min=0, max=1, help="Items with a greater nodata share are left out.")] = 1.0,
    sign: Annotated[
        str,
        typer.Option(
            help="module:function that signs an href: tried once, and its name recorded in pool.json for whoever reads "
            "the pixels (geomix does not read scenes yet)."
        ),
    ] = "none",
    requester_pays: Annotated[
        bool,
        typer.Option(
            "--requester-pays", help="Record in pool.json that readers pay for requests (geomix does not read scenes yet)."
        ),
    ] = False,
    force: ForceOption = False,
) -> None:
    """Find the best STAC item (least cloud and nodata) for every place and time window; tell what stayed unresolved."""

    def body() -> None:
        from geomix.pool import resolve

        wish = resolve.Wish(
            start=_day(start, "--start"),
            end=_day(end, "--end"),
            every=every,
            max_cloud=max_cloud,
            max_nodata=max_nodata,
            collections=tuple(collection or ()),
            asset=asset,
            sign=sign,
            requester_pays=requester_pays,
        )
        items = stac if "://" in stac else absolute(stac)
        with _progress() as told:
            found = resolve.resolve(absolute(pool_uri), items, absolute(out), wish, progress=told, force=force)
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
    kind: TypeAdapter[dict[str, config.OwnStratum]] = TypeAdapter(dict[config.Name, config.OwnStratum])
    found: dict[str, config.OwnStratum] = {}
    for one in given:
        name, sign, text = one.partition("=")
        if not sign:
            raise StudyError(f"--stratum {one!r}", wanted="NAME=YAML, such as 'biome={uri: biomes.gpkg, column: BIOME_NAME}'")
        more: dict[str, config.OwnStratum] = study_file.parse_part(kind, f"{name}: {text}", "--stratum", "NAME=YAML")
        found = {**found, **more}
    return found


def _day(text: str, option: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InputError(f"{option} {text}", wanted="a day such as 2021-01-01 (ISO 8601)") from None


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Tells how many rows are written: one line that changes on a terminal, a line a few seconds elsewhere."""
    started = last = time.monotonic()

    def told(rows: int) -> None:
        nonlocal last
        now = time.monotonic()
        text = f"{rows:,} rows, {rows / max(now - started, 1e-9):,.0f} a second"
        if status is not None:
            status.update(text)
        elif now - last > 5:
            last = now
            console.print(text, highlight=False)

    if console.is_terminal:
        with console.status("0 rows") as status:
            yield told
    else:
        status = None
        yield told


def _show(found: Mapping[str, Any], out: str) -> None:
    console.print(f"{found['rows']:,} samples at {found['places']:,} places", highlight=False)
    at_sea = found["counts"].get("country", {}).get("none", 0)
    if at_sea:
        console.print(f"{at_sea:,} of them lie at sea: they have no continent, and no country", highlight=False)
    for reason, count in found.get("unresolved", {}).items():
        console.print(f"{count:,} not resolved: {reason}", highlight=False)
    console.print("next: geomix sample draw --pool POOL --budget 1000 -c 'uar={strategy: uniform}' --out draws")
    print(out)
