"""The report step: rows joined, statistics made, page, summary and rows written, and logged to MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from geomix import atlas, config, ids, step, store, tables, track
from geomix.report import cannot, compositions, endpoint, plainly, rows, stats, summary, verdict

if TYPE_CHECKING:
    from geomix.report import page

SCHEMA = 2

FILES = ("report.html", "summary.json", "results.parquet")
"""What the step leaves, here and under `{root}/reports/{study}/`."""

_LOOKED_UP = 20_000
"""Pool rows that are asked for their country: enough for a share of a whole percent."""


def run(plan_uri: str, labels_uri: str, row_folders: Sequence[str], place: step.Place) -> str:
    """URI of the folder with report.html, summary.json and results.parquet; the same files are copied to
    `{root}/reports/{study name}/`.

    `labels_uri`: labels.json of `shard`. `row_folders`: what `sweep` returned, one an item, in any order. Raises DataError.
    """
    study = config.Study.model_validate(store.read_json(store.join(plan_uri, "study.json")))
    labels = rows.read_labels(labels_uri)
    frame = rows.read(sorted(row_folders), labels, study.name)
    final_hash = rows.final_hash(frame)
    plan_key = _key(plan_uri)
    decides = {"labels": [[x.composition, x.draw_seed, x.pool, x.model, x.manifest_hash] for x in labels]}

    def work(folder: str) -> Mapping[str, Any]:
        from geomix.report import page

        content = build(study, plan_uri, labels, frame, _notes(row_folders))
        paths = {"report": FILES[0], "results": FILES[2], "plan": plan_uri, "labels": labels_uri}
        made = {**content.summary, "final_hash": final_hash, "rows": len(frame), "plan": plan_key, "paths": paths}
        shown = page.Content(**{**content.__dict__, "summary": made})
        marks = {"geomix.synthetic": str(study.synthetic).lower()}
        tables.write_parquet(store.join(folder, "results.parquet"), frame, tables.RESULT_SCHEMA, marks)
        store.write_json(store.join(folder, "summary.json"), made)
        store.write_bytes(store.join(folder, "report.html"), page.render(shown).encode())
        return {"final_hash": final_hash, "winner": made["winner"]}

    done = step.run(
        "report", place, work, schema=SCHEMA, config=decides, inputs={"plan": plan_key, "rows": final_hash}, label=study.name
    )
    for name in FILES:
        store.write_bytes(store.join(place.root, "reports", study.name, name), store.read_bytes(store.join(done.uri, name)))
    if not track.is_logged(place.root, f"report-{done.key}"):
        _track(place, study, done.uri)
        track.set_logged(place.root, f"report-{done.key}")
    return done.uri


def build(
    study: config.Study,
    plan_uri: str,
    labels: Sequence[rows.Label],
    frame: pd.DataFrame,
    notes: Sequence[Mapping[str, Any]] = (),
) -> page.Content:
    """Everything the page and the summary are made from; `summary` lacks final_hash, rows, plan and paths."""
    from geomix.report import page  # matplotlib takes 0.5 s, which a skipped step need not spend

    found = endpoint.scores(frame, endpoint.primary(study))
    analysis = stats.analyse(found.units, study.report.primary.alpha)
    who = plainly.roles(study, [x.composition for x in labels])
    judged = verdict.verdict(analysis, who.candidates, found.endpoint.higher_is_better)
    drawn = compositions.read(labels)
    evidence = cannot.Evidence(study, found, analysis, drawn, _places(plan_uri), _pool_shares(labels), notes)
    made = summary.build(study, found, analysis, judged, who, labels, drawn, cannot.conclude(evidence))
    return page.Content(study, made, found, analysis, frame, drawn, who)


def _key(uri: str) -> str:
    # {root}/{stage}/{key}/attempt-N
    return uri.rstrip("/").split("/")[-2]


def _notes(row_folders: Sequence[str]) -> list[dict[str, Any]]:
    uris = [store.join(folder, "notes.json") for folder in row_folders]
    return [store.read_json(uri) for uri in uris if store.exists(uri)]


def _places(plan_uri: str) -> pd.DataFrame:
    return tables.read(store.join(plan_uri, "places.parquet"), tables.PLACES_SCHEMA.names)


def _pool_shares(labels: Sequence[rows.Label]) -> dict[str, tuple[str, float]]:
    """Pool -> the country that holds most of its rows, and its share; of a large pool, of the rows first by id hash."""
    shares = {}
    for name, uri in compositions.pool_uris(labels).items():
        frame = tables.read(store.join(uri, "pool.parquet"), ["id", "lon", "lat"])
        if len(frame) > _LOOKED_UP:
            frame = frame.iloc[ids.id64(frame["id"]).argsort(kind="stable")[:_LOOKED_UP]]
        countries = pd.Series(atlas.lookup("country", frame["lon"].to_numpy(), frame["lat"].to_numpy())).value_counts()
        if len(countries):
            shares[name] = (str(countries.index[0]), float(countries.iloc[0]) / len(frame))
    return shares


def _track(place: step.Place, study: config.Study, folder: str) -> None:
    made = store.read_json(store.join(folder, "summary.json"))
    run = track.find_parent(place.root, study.identity)
    for name in FILES:
        run.file(store.join(folder, name), "report")
    metric = made["primary"]["metric"]
    run.metrics({f"primary.{metric}.{name}": x["mean"] for name, x in made["compositions"].items() if x["mean"] is not None})
    run.tags({"geomix.final_hash": made["final_hash"], "geomix.winner": str(made["winner"])})
    track.end(run)
