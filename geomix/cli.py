"""The command line: `geomix`. Only arguments, progress and messages; the work is in the stages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

import geomix
from geomix import store, study_file, workdir
from geomix.errors import GeomixError
from geomix.step import Place

T = TypeVar("T")

app = typer.Typer(
    help="From which places on Earth should the pretraining data of a geospatial foundation model come?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Start with: **geomix run pipelines/studies/debug.yaml --workdir work**",
)
console = Console(stderr=True)

StudyArgument = Annotated[str, typer.Argument(help="The study file (YAML), a path or a URI.", show_default=False)]
WorkdirOption = Annotated[str, typer.Option("--workdir", "-w", help="Folder for steps, results and reports (a path or a URI).")]
CpusOption = Annotated[int, typer.Option("--cpus", min=1, help="CPUs that Ray may use.")]
CPUS = os.cpu_count() or 1


def _fail(error: GeomixError) -> NoReturn:
    console.print(f"[bold red]error:[/] {_plain(error.message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(error.exit_code)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _explained(work: Callable[[], T]) -> T:
    try:
        return work()
    except GeomixError as error:
        _fail(error)
    except KeyboardInterrupt:
        console.print("interrupted: finished steps are kept; the same command goes on from them")
        raise typer.Exit(130) from None


def _absolute(uri: str) -> str:
    return str(store.local_path(uri).absolute()) if store.is_local(uri) else uri


def _print_version(wanted: bool) -> None:
    if wanted:
        print(geomix.__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    del version  # its callback has done the work


@app.command(epilog="Example: **geomix plan pipelines/studies/debug.yaml**")
def plan(study: StudyArgument) -> None:
    """Print the grid of a study - runs, steps, bytes, what it can detect - without starting anything."""
    _explained(lambda: _print_grid(study))


def _print_grid(study: str) -> None:
    from geomix.plan import grid

    read = study_file.load(study)
    found = grid(read)
    table = Table(title=f"study {read.name}, scale {read.scale}" + (" (synthetic Earth)" if read.synthetic else ""))
    for column in ("model", "pool", "draws", "pretrainings", "encoders", "steps each", "samples seen each"):
        table.add_column(column, justify="left" if column in ("model", "pool") else "right")
    for line in found.lines:
        numbers = (line.draws, line.pretrainings, line.encoders, line.steps, line.samples_seen)
        table.add_row(line.model, line.pool, *(f"{n:,}" for n in numbers))
    console.print(table)
    console.print(f"compositions: {', '.join(found.compositions)}")
    console.print(f"at most {found.scores:,} score cells; at most {found.store_bytes / 2**20:,.1f} MiB of pixels")
    minutes = [line.core_minutes for line in found.lines]
    known = [m for m in minutes if m is not None]
    time = f"about {sum(known):.1f} minutes of one CPU core" if len(known) == len(minutes) else "not measured at this scale"
    console.print(f"time of pretraining: {time}", highlight=False)
    console.print(f"replication: {found.detectable}", highlight=False)


@app.command(epilog="Example: **geomix run pipelines/studies/debug.yaml --workdir work**")
def run(study: StudyArgument, work: WorkdirOption = "work", cpus: CpusOption = CPUS) -> None:
    """Run a study end to end on this machine: Kubeflow pipeline, local Ray, MLflow on SQLite, files."""
    _explained(lambda: _run(_absolute(study), _absolute(work), cpus))


def _run(study: str, root: str, cpus: int) -> None:
    from geomix import supervise, track
    from geomix.show import Progress, finished

    read = study_file.load(study)
    workdir.writable(root)
    run_name = workdir.new_run()
    _print_grid(study)
    try:
        with Progress(console, read) as progress:
            supervise.run(study, root, run_name, cpus, progress.update)
    except BaseException as error:
        track.abandon(root, read.identity, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    finished(console, root, run_name, study, read)


@app.command(epilog="Example: **geomix status --workdir work**")
def status(work: WorkdirOption = "work") -> None:
    """Tell what is done, what failed and why, and what was left unfinished."""
    _explained(lambda: _status(_absolute(work)))


def _status(root: str) -> None:
    from geomix.show import status_table

    console.print(status_table(root))
    known = workdir.runs(root)
    if not known:
        console.print(f"no run under {root} yet; start one with: geomix run STUDY --workdir {root}")
        return
    error = workdir.first_error(root, known[-1])
    console.print(f"last run: {known[-1]}" + ("" if error is None else f"\n[red]it failed:[/] {_plain(error.message)}"))


@app.command(epilog="Example: **geomix report pipelines/studies/debug.yaml --workdir work**")
def report(study: StudyArgument, work: WorkdirOption = "work", cpus: CpusOption = CPUS) -> None:
    """Write the report of a study (finished steps are used, missing ones are run) and print its path."""
    _stage("report", study, work, cpus)


@app.command(epilog="Example: **geomix clean --workdir work**")
def clean(
    work: WorkdirOption = "work",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
) -> None:
    """Remove unfinished attempts, checkpoints of finished steps and half-written files; results stay."""

    def body() -> None:
        found = workdir.leftovers(_absolute(work))
        for uri in found:
            console.print(("would remove " if dry_run else "removed ") + _plain(uri), soft_wrap=True)
            if not dry_run:
                store.delete(uri)
        console.print(f"{len(found)} removed" if not dry_run else f"{len(found)} to remove")

    _explained(body)


@app.command("compile", epilog="Example: **geomix compile --output geomix.yaml**")
def compile_(
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write the compiled pipeline (KFP v2 YAML).")],
) -> None:
    """Compile the pipeline, the same for every study, to the YAML that Kubeflow Pipelines takes."""

    def body() -> None:
        from geomix.launch import kfp

        kfp.compile_pipeline(_absolute(output))
        console.print(f"wrote {output}\nnext: upload it in the Kubeflow UI; its parameters are `study` and `root`")

    _explained(body)


def _stage(stage: str, study: str, work: str, cpus: int) -> None:
    def body() -> Any:
        from geomix.chain import Chain
        from geomix.launch import ray_local

        study_file.load(study)
        root = _absolute(work)
        workdir.writable(root)
        place = Place(root, workdir.new_run())
        workdir.mark_running(root, place.run)
        with ray_local.started(cpus) if stage in ("pretrain", "sweep", "report") else nullcontext():
            return Chain(_absolute(study), place, lambda name: console.print(f"{name} ...")).until(stage)

    _print_result(_explained(body))


def _print_result(result: Any) -> None:
    # Standard output carries the result alone, so that it can be piped.
    for value in result if isinstance(result, Sequence) and not isinstance(result, str) else [result]:
        if isinstance(value, str):
            print(value)
        else:
            print(store.json_bytes(value).decode(), end="")


_STAGE_HELP: Mapping[str, str] = {
    "pool": "Build the pools of a study and print its draws.",
    "sample": "Draw the compositions of a study and print their manifests.",
    "shard": "Materialise what was drawn and print the items to pretrain.",
    "pretrain": "Pretrain every item of a study and print the encoders.",
    "sweep": "Judge every encoder of a study and print where the scores are.",
}


def _add_stage(stage: str, text: str) -> None:
    @app.command(stage, help=text, epilog=f"Example: **geomix {stage} pipelines/studies/debug.yaml --workdir work**")
    def command(study: StudyArgument, work: WorkdirOption = "work", cpus: CpusOption = CPUS) -> None:
        _stage(stage, study, work, cpus)


for _name, _text in _STAGE_HELP.items():
    _add_stage(_name, _text)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except BrokenPipeError:
        sys.exit(141)
