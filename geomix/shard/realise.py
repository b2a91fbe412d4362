"""The realised manifest: what training gets once refused samples are replaced from the reserves."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping

import pandas as pd

from geomix.errors import CompositionError
from geomix.manifest import Manifest


def realise(drawn: Manifest, refused: Mapping[str, str], composition: str) -> Manifest:
    """The manifest of `budget` samples that are not refused, ranks 0.., with `realised` and `refused` in its description.

    `refused`: sample id -> refusal code. Each refused sample is replaced by the first accepted reserve of its stratum,
    then, where that stratum has none left, by the first accepted reserve of any. Nothing but the manifest and the
    refusals decides. Raises CompositionError if the reserves do not suffice.

    A reserve of which nothing is known yet counts as accepted: the caller looks at what was chosen and calls again if it
    was refused. In the end every reserve that was passed over is known to be refused, so that what was known at the
    start, and the order of asking, change nothing.
    """
    draw, reserves = drawn.drawn, drawn.reserves
    usable = reserves[~reserves["id"].isin(refused.keys())]
    gaps = draw[draw["id"].isin(refused.keys())]
    if len(gaps) > len(usable):
        raise _lacking(drawn, refused, len(gaps) - len(usable), composition)
    chosen = _replacements(gaps, usable)
    stratum_of = dict(zip(usable["id"], usable["stratum"], strict=True))
    sample_ids = [chosen.get(i, i) for i in draw["id"]]
    strata = [stratum_of.get(i, s) for i, s in zip(sample_ids, draw["stratum"], strict=True)]
    rows = pd.DataFrame({"id": sample_ids, "rank": range(len(draw)), "stratum": pd.Series(strata, dtype=object)})
    description = {
        **drawn.description,
        "realised": count(rows),
        "refused": [{"id": i, "code": refused[i], "replaced_by": chosen[i]} for i in gaps["id"]],
        "refused_by_code": dict(sorted(Counter(refused[i] for i in gaps["id"]).items())),
    }
    return Manifest(rows, drawn.budget, description)


def count(rows: pd.DataFrame) -> dict[str, int]:
    """Samples by stratum, in order of its name; all of them under `all` where a manifest has no strata."""
    counts = Counter("all" if pd.isna(stratum) else str(stratum) for stratum in rows["stratum"])
    return dict(sorted(counts.items()))


def _replacements(gaps: pd.DataFrame, usable: pd.DataFrame) -> dict[str, str]:
    by_stratum: dict[str | None, deque[str]] = defaultdict(deque)
    for sample, stratum in zip(usable["id"], usable["stratum"], strict=True):
        by_stratum[None if pd.isna(stratum) else stratum].append(sample)
    chosen: dict[str, str] = {}
    left = []
    for sample, stratum in zip(gaps["id"], gaps["stratum"], strict=True):
        queue = by_stratum[None if pd.isna(stratum) else stratum]
        if queue:
            chosen[sample] = queue.popleft()
        else:
            left.append(sample)
    taken = set(chosen.values())
    others = (sample for sample in usable["id"] if sample not in taken)
    return chosen | dict(zip(left, others, strict=False))


def _lacking(drawn: Manifest, refused: Mapping[str, str], lacking: int, composition: str) -> CompositionError:
    mine = Counter(refused[i] for i in drawn.rows["id"] if i in refused)
    codes = ", ".join(f"{code}: {n}" for code, n in sorted(mine.items()))
    return CompositionError(
        f"composition {composition!r}: {lacking} samples are lacking: of {len(drawn.rows)} drawn, "
        f"{len(drawn.reserves)} of them reserves, {mine.total()} were refused ({codes})",
        wanted=f"{drawn.budget} samples",
        remedy="raise `reserves:` (a share of the budget) in the study file, or lower `budget:`",
    )
