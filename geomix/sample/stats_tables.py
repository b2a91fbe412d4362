"""Statistics of compositions as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table

_MOST_VALUES = 12
_MOST_COMPOSITIONS = 12
"""Wider matrices are not printed: they are in the JSON."""


def tables(content: Mapping[str, Any]) -> list[Table]:
    """Tables of what `manifest_stats.statistics` returned: overview, strata, shares, tasks, overlap."""
    compositions = content["compositions"]
    found = [_overview(compositions), _strata(content)]
    if len(compositions) <= _MOST_COMPOSITIONS:
        first = [s for p in content["pools"].values() for s, one in p["strata"].items() if len(one["shares"]) <= _MOST_VALUES]
        found += [_shares(name, content) for name in dict.fromkeys(first)]
    if any(c["tasks_m"] for c in compositions):
        found.append(_tasks(compositions))
    if 1 < len(compositions) <= _MOST_COMPOSITIONS:
        found.append(_overlap(content["overlap"]))
    return found


def _overview(compositions: Sequence[Mapping[str, Any]]) -> Table:
    # A composition a column, as in every table here: there are more measures than compositions to compare.
    table = _table("how samples lie on the land", ["measure", *(c["label"] for c in compositions)])
    measures: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        ("samples", lambda c: f"{c['samples']:,}"),
        ("cells of 249,000 km2, of the pool's", lambda c: f"{c['coverage']['cells']:,} of {c['coverage']['of']:,}"),
        ("effective cells", lambda c: f"{c['effective']['cells']:,.0f}"),
        ("effective samples (Kish)", lambda c: f"{c['effective']['samples']:,.0f}"),
        ("median to the nearest, km", lambda c: _km(c["neighbours_m"]["median"])),
        ("Clark-Evans (1: random)", lambda c: _plain(c["neighbours_m"]["clark_evans"])),
        ("total variation from the land", lambda c: _plain(c["to_uniform"]["total_variation"])),
        ("the same by chance alone", lambda c: _plain(c["to_uniform"]["expected_total_variation"])),
    ]
    for name, told in measures:
        table.add_row(name, *(told(c) for c in compositions))
    table.caption = "Kish: samples weighted to the covered land; Clark-Evans: below 1 clustered, above 1 regular"
    return table


def _strata(content: Mapping[str, Any]) -> Table:
    compositions, pools = content["compositions"], content["pools"]
    columns = [*(f"pool {p['name']}" for p in pools.values()), *(c["label"] for c in compositions)]
    table = _table("entropy over strata, nats (share of the most possible)", ["stratum", *columns])
    for name in dict.fromkeys(s for c in compositions for s in c["strata"]):
        whole = [f"{p['strata'][name]['entropy']:.3f}" if name in p["strata"] else "-" for p in pools.values()]
        table.add_row(name, *whole, *(_entropy(c["strata"].get(name)) for c in compositions))
    return table


def _shares(stratum: str, content: Mapping[str, Any]) -> Table:
    compositions, pools = content["compositions"], content["pools"]
    shown = [(f"pool {p['name']}", p["strata"].get(stratum)) for p in pools.values()]
    shown += [(c["label"], c["strata"].get(stratum)) for c in compositions]
    table = _table(f"shares of {stratum}", [stratum, *(label for label, _ in shown)])
    for value in sorted({v for _, one in shown if one for v in one["shares"]}, key=_natural):
        table.add_row(value, *(f"{100 * one['shares'].get(value, 0):.1f} %" if one else "-" for _, one in shown))
    table.add_row("unknown, rows", *(f"{one['unknown']:,}" if one else "-" for _, one in shown))
    return table


def _tasks(compositions: Sequence[Mapping[str, Any]]) -> Table:
    columns = ["task", "composition", "places", "without coordinates", "5 %, km", "median, km", "95 %, km"]
    table = _table("distance from tasks' places to the nearest sample", columns)
    for task in sorted({t for c in compositions for t in c["tasks_m"]}):
        for c in compositions:
            one = c["tasks_m"][task]
            counted = (f"{one['n']:,}", f"{one['without_coordinates']:,}")
            table.add_row(task, c["label"], *counted, *(_km(one[q]) for q in ("q05", "median", "q95")))
    return table


def _overlap(overlap: Mapping[str, Any]) -> Table:
    labels = overlap["labels"]
    table = _table("shared samples, and overlap of cells (1 alike, 0 disjoint)", ["composition", *labels])
    for a, label in enumerate(labels):
        cells = []
        for b in range(len(labels)):
            shared = overlap["shared"][a][b]
            cells.append(f"{'other pool' if shared is None else format(shared, ',')} · {overlap['cells'][a][b]:.2f}")
        table.add_row(label, *cells)
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    for at, name in enumerate(columns):
        words = at == 0 or name == "composition"
        table.add_column(name, justify="left" if words else "right", overflow="fold")
    return table


def _entropy(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "-"
    share = one["entropy_normalised"]
    return f"{one['entropy']:.3f}" + (f" ({share:.2f})" if share is not None else "")


def _natural(value: str) -> tuple[int, str]:
    return (int(value), "") if value.isdecimal() else (1 << 62, value)


def _km(metres: float | None) -> str:
    return "-" if metres is None else f"{metres / 1000:,.1f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
