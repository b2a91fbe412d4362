"""What people see while a study runs and when it has ended: progress bars, or lines where there is no terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from geomix import config, step, store, track, workdir
from geomix.plan import grid


class Progress:
    """Progress of a run, fed with its records: bars on a terminal, one JSON line an event elsewhere."""

    def __init__(self, console: Console, study: config.Study) -> None:
        self.console = console
        self.seen: set[str] = set()
        lines = grid(study).lines
        draws = sum(line.draws for line in lines)
        self.totals = {
            "plan": 1,
            "pool": len({line.pool for line in lines}),
            "sample": draws,
            "shard": 1,
            "pretrain": sum(line.encoders for line in lines),
            # One sweep a manifest, one for zero pretraining, one for each published checkpoint, one for raw features.
            "sweep": 1 + sum(line.draws + (line.encoders > line.pretrainings) for line in lines),
            "report": 1,
        }
        self.bars = Bars(
            TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self.tasks = {stage: self.bars.add_task(stage, total=total, start=False) for stage, total in self.totals.items()}
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.bars.stop()

    def update(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Shows what is new in `records`."""
        for record in records:
            name = f"{record['stage']}-{record['key']}"
            if name in self.seen:
                continue
            self.seen.add(name)
            if not self.console.is_terminal:
                event = {k: record[k] for k in ("stage", "state", "label", "seconds")}
                print(json.dumps(event), flush=True)
        if self.console.is_terminal:
            counts = Counter(record["stage"] for record in records if record["state"] != "failed")
            for stage, count in counts.items():
                self.bars.start_task(self.tasks[stage])
                total = max(self.totals[stage], count)
                self.bars.update(self.tasks[stage], completed=count, total=total)


def finished(console: Console, root: str, run: str, path: str, study: config.Study) -> None:
    """Prints what a run made, where it is, and the likely next commands."""
    counts = Counter((record["stage"], record["state"]) for record in step.records(root, run))
    table = Table("stage", "done", "skipped", title=f"{study.name}: finished")
    for stage in workdir.STAGES:
        table.add_row(stage, str(counts[stage, "done"]), str(counts[stage, "skipped"]))
    console.print(table)
    folder = store.join(root, "reports", study.name)
    summary = store.read_json(store.join(folder, "summary.json"))
    winner = summary["winner"]
    console.print(f"winner: {winner}" if winner else f"no winner: {summary['reason']}", highlight=False)
    console.print(f"final hash: {summary['final_hash']}", highlight=False)
    lines = [f"report:  {folder}/report.html", f"summary: {folder}/summary.json", f"scores:  {folder}/results.parquet"]
    lines += ["next:", f"  geomix status --workdir {root}"]
    uri = track.tracking_uri(root)
    if uri:
        lines.append(f"  mlflow ui --backend-store-uri {uri}")
    lines.append(f"  geomix clean --workdir {root}")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def status_table(root: str) -> Table:
    """Counts of steps by stage under `root`."""
    table = Table("stage", "done", "failed", "unfinished", title=root)
    for state in workdir.states(root):
        table.add_row(state.stage, str(state.done), str(state.failed), str(state.unfinished))
    return table
