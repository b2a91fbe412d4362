"""What the commands share: options, messages of errors without a traceback, a stage's own command, results on stdout."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from geomix import store, study_file, workdir
from geomix.errors import GeomixError
from geomix.step import Place

T = TypeVar("T")

console = Console(stderr=True)

StudyArgument = Annotated[str, typer.Argument(help="The study file (YAML), a path or a URI.", show_default=False)]
WorkdirOption = Annotated[str, typer.Option("--workdir", "-w", help="Folder for steps, results and reports (a path or a URI).")]
CpusOption = Annotated[int, typer.Option("--cpus", min=1, help="CPUs that Ray may use.")]
CPUS = os.cpu_count() or 1


class StudyGroup(TyperGroup):
    """Commands of one stage; without the name of one of them, `study` is meant: `geomix pool STUDY`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts `study` before arguments that begin with no command's name."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["study", *args]
        return list(super().parse_args(ctx, args))


def group(stage: str, text: str, example: str) -> typer.Typer:
    """The commands of a stage that can be used alone: `geomix STAGE STUDY` beside those that are added."""
    made = typer.Typer(
        name=stage,
        help=text,
        cls=StudyGroup,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        epilog=f"Example: **{example}**",
    )

    @made.command("study", epilog=f"Example: **geomix {stage} pipelines/studies/debug.yaml --workdir work**")
    def study_command(study: StudyArgument, work: WorkdirOption = "work", cpus: CpusOption = CPUS) -> None:
        """Do this stage of a study, and those before it (the word `study` may be left out)."""
        run_stage(stage, study, work, cpus)

    return made


def fail(error: GeomixError) -> NoReturn:
    """Prints the error's one message and ends with its exit code."""
    console.print(f"[bold red]error:[/] {plain(error.message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(error.exit_code)


def plain(text: str) -> str:
    """`text` without meaning to rich: a bracket is a bracket, whatever stands before it."""
    return escape(text)


def explained(work: Callable[[], T]) -> T:
    """The result of `work()`; an explained error ends the command with its message, Ctrl-C with 130."""
    try:
        return work()
    except GeomixError as error:
        fail(error)
    except KeyboardInterrupt:
        console.print("interrupted: finished steps are kept; the same command goes on from them")
        raise typer.Exit(130) from None


def absolute(uri: str) -> str:
    """A local path made absolute; any other URI as it is."""
    return str(store.local_path(uri).absolute()) if store.is_local(uri) else uri


def run_stage(stage: str, study: str, work: str, cpus: int) -> None:
    """Runs the stages of a study up to `stage` in this process and prints what it gave."""

    def body() -> Any:
        from geomix.chain import Chain
        from geomix.launch import ray_local

        study_file.load(study)
        root = absolute(work)
        workdir.writable(root)
        place = Place(root, workdir.new_run())
        workdir.mark_running(root, place.run)
        with ray_local.started(cpus) if stage in ("pretrain", "sweep", "report") else nullcontext():
            return Chain(absolute(study), place, lambda name: console.print(f"{name} ...")).until(stage)

    print_result(explained(body))


def print_result(result: Any) -> None:
    """Prints a stage's result on standard output, which carries nothing else, so that it can be piped."""
    for value in result if isinstance(result, Sequence) and not isinstance(result, str) else [result]:
        if isinstance(value, str):
            print(value)
        else:
            print(store.json_bytes(value).decode(), end="")
