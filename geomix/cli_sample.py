"""`geomix sample`: draws compositions from a pool, describes and compares them, or does the sample stage of a study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import typer
from pydantic import TypeAdapter
from rich.table import Table

from geomix import config, store, study_file
from geomix.cli_common import absolute, console, explained, group, plain
from geomix.errors import StudyError

app = group(
    "sample",
    "Draw compositions - which samples a model is pretrained on - and describe them.",
    "geomix sample draw --pool pool --budget 1000 -c 'uar={strategy: uniform}' --out draws",
)


@app.command(
    epilog="Example: **geomix sample draw --pool s3://bucket/land10 --budget 700000 -c 'uar={strategy: uniform}' "
    "-c 'continent={strategy: stratified, by: continent}' --out s3://bucket/draws**"
)
def draw(
    pool: Annotated[str, typer.Option("--pool", "-p", help="Folder of the pool (a path or a URI).", show_default=False)],
    budget: Annotated[int, typer.Option("--budget", "-n", min=1, help="Samples a composition.", show_default=False)],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the manifests (a path or a URI).", show_default=False)],
    composition: Annotated[
        list[str] | None, typer.Option("--composition", "-c", help="NAME=YAML as under `compositions:` of a study; repeatable.")
    ] = None,
    compositions: Annotated[str | None, typer.Option(help="A YAML file of compositions, NAME: {strategy: ...}.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Draw seed; repeatable.")] = None,
    reserves: Annotated[float, typer.Option(min=0, help="Reserves beyond the budget, as a share of it.")] = 0.25,
    quota: Annotated[Literal["exact", "water_fill"], typer.Option(help="What a stratum that runs dry means.")] = "exact",
    near_tasks_km: Annotated[float, typer.Option(min=0, help="Leave out candidates nearer to a place of --places.")] = 0.0,
    places: Annotated[str | None, typer.Option(help="Table of tasks' places: columns task, lon, lat.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace other draws in that folder.")] = False,
) -> None:
    """Draw compositions from a pool outside of any study: one manifest a composition and draw seed."""

    def body() -> None:
        from geomix.pool.columns import PoolColumns
        from geomix.pool.draws import expand
        from geomix.sample import alone

        if not (math.isfinite(reserves) and math.isfinite(near_tasks_km)):
            raise StudyError("--reserves and --near-tasks-km", wanted="finite numbers")
        source, asked = absolute(pool), _compositions(composition or (), compositions)
        wanted = expand(asked, PoolColumns(source))
        if not wanted:
            raise StudyError("none of these compositions draws ids", remedy="name one that does, such as {strategy: uniform}")
        table = Table("composition", "seed", "drawn", "reserves", "excluded", "seconds", title=plain(f"pool {pool}"))
        for done in alone.draw(
            source,
            wanted,
            absolute(out),
            budget=budget,
            seeds=tuple(seed or (0,)),
            reserves=reserves,
            quota=quota,
            near_tasks_km=near_tasks_km,
            places_uri=None if places is None else absolute(places),
            parts=asked,
            force=force,
        ):
            console.print(f"{done.label}, seed {done.seed}: {'there already' if done.skipped else f'{done.seconds:.1f} s'}")
            numbers = (done.seed, done.drawn, done.reserves, done.excluded)
            table.add_row(done.label, *(f"{n:,}" for n in numbers), f"{done.seconds:.1f}")
            print(done.uri)
        console.print(table)
        console.print("next: geomix sample stats MANIFEST ... describes and compares them")

    explained(body)


@app.command(epilog="Example: **geomix sample stats draws/uar/0 draws/continent/0 --map compositions.png**")
def stats(
    manifests: Annotated[list[str], typer.Argument(help="Folders of manifests.", show_default=False)],
    places: Annotated[str | None, typer.Option(help="Table of tasks' places: columns task, lon, lat.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output instead of tables.")] = False,
    map: Annotated[str | None, typer.Option("--map", help="Write a map of every composition (.png or .svg).")] = None,
) -> None:
    """Describe compositions: shares and entropy over strata, coverage, distances, and what they have in common."""

    def body() -> None:
        from geomix.sample import drawn, manifest_stats, stats_tables

        if map is not None and not map.lower().endswith((".png", ".svg")):
            raise StudyError(f"--map {map}", wanted="a file .png or .svg")
        read = drawn.read([absolute(m) for m in manifests])
        found = manifest_stats.statistics(read, None if places is None else absolute(places))
        if json:
            print(store.json_bytes(found).decode(), end="")
        else:
            for table in stats_tables.tables(found):
                console.print(table)
        if map is not None:
            from geomix.sample import picture

            picture.write(absolute(map), read)
            console.print(f"wrote {map}", highlight=False, markup=False)

    explained(body)


def _compositions(given: Sequence[str], file: str | None) -> Mapping[str, config.Composition]:
    kind: TypeAdapter[dict[str, config.Composition]] = TypeAdapter(dict[config.Name, config.Composition])
    wanted = "NAME: {strategy: ...} for every composition"
    found: dict[str, config.Composition] = {}
    if file is not None:
        found = study_file.parse_part(kind, study_file.text(file), file, wanted)
    for one in given:
        name, sign, text = one.partition("=")
        if not sign:
            raise StudyError(f"--composition {one!r}", wanted="NAME=YAML, such as 'uar={strategy: uniform}'")
        if name in found:
            raise StudyError(f"--composition {name}: there are two of that name", remedy="rename one of them")
        more: dict[str, config.Composition] = study_file.parse_part(kind, f"{name}: {text}", "--composition", "NAME=YAML")
        found = {**found, **more}
    if not found:
        raise StudyError("no composition is asked for", remedy="add -c 'uar={strategy: uniform}', or --compositions FILE")
    try:
        config.check_names(found)
    except ValueError as error:
        raise StudyError(str(error), remedy="name compositions that are given by the same command") from None
    return found
