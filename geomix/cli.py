"""The command line: `geomix`. Only arguments, progress and messages; the work is in the stages."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.table import Table

import geomix
from geomix import cli_pool, cli_sample, store, study_file, workdir
from geomix.cli_common import CPUS, CpusOption, StudyArgument, WorkdirOption, absolute, console, explained, plain, run_stage

app = typer.Typer(
    help="From which places on Earth should the pretraining data of a geospatial foundation model come?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Start with: **geomix run pipelines/studies/debug.yaml --workdir work**",
)
app.add_typer(cli_pool.app)
app.add_typer(cli_sample.app)


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
    explained(lambda: _print_grid(study))


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
    explained(lambda: _run(absolute(study), absolute(work), cpus))


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
    explained(lambda: _status(absolute(work)))


def _status(root: str) -> None:
    from geomix.show import status_table

    console.print(status_table(root))
    known = workdir.runs(root)
    if not known:
        console.print(f"no run under {root} yet; start one with: geomix run STUDY --workdir {root}")
        return
    error = workdir.first_error(root, known[-1])
    console.print(f"last run: {known[-1]}" + ("" if error is None else f"\n[red]it failed:[/] {plain(error.message)}"))


@app.command(epilog="Example: **geomix report pipelines/studies/debug.yaml --workdir work**")
def report(study: StudyArgument, work: WorkdirOption = "work", cpus: CpusOption = CPUS) -> None:
    """Write the report of a study (finished steps are used, missing ones are run) and print its path."""
    run_stage("report", study, work, cpus)


@app.command(epilog="Example: **geomix clean --workdir work**")
def clean(
    work: WorkdirOption = "work",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
) -> None:
    """Remove unfinished attempts, checkpoints of finished steps and half-written files; results stay."""

    def body() -> None:
        found = workdir.leftovers(absolute(work))
        for uri in found:
            console.print(("would remove " if dry_run else "removed ") + plain(uri), soft_wrap=True)
            if not dry_run:
                store.delete(uri)
        console.print(f"{len(found)} removed" if not dry_run else f"{len(found)} to remove")

    explained(body)


@app.command("compile", epilog="Example: **geomix compile --output geomix.yaml**")
def compile_(
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write the compiled pipeline (KFP v2 YAML).")],
) -> None:
    """Compile the pipeline, the same for every study, to the YAML that Kubeflow Pipelines takes."""

    def body() -> None:
        from geomix.launch import kfp

        kfp.compile_pipeline(absolute(output))
        console.print(f"wrote {output}\nnext: upload it in the Kubeflow UI; its parameters are `study` and `root`")

    explained(body)


_STAGE_HELP: Mapping[str, str] = {
    "shard": "Materialise what was drawn and print the items to pretrain.",
    "pretrain": "Pretrain every item of a study and print the encoders.",
    "sweep": "Judge every encoder of a study and print where the scores are.",
}


def _add_stage(stage: str, text: str) -> None:
    @app.command(stage, help=text, epilog=f"Example: **geomix {stage} pipelines/studies/debug.yaml --workdir work**")
    def command(study: StudyArgument, work: WorkdirOption = "work", cpus: CpusOption = CPUS) -> None:
        run_stage(stage, study, work, cpus)


for _name, _text in _STAGE_HELP.items():
    _add_stage(_name, _text)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except BrokenPipeError:
        sys.exit(141)
