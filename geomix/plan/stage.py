"""The plan step: the study in canonical form, the places of its tasks, and the MLflow run that holds everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from geomix import config, step, store, study_file, tables, track

SCHEMA = 1


def run(study_uri: str, place: step.Place, check: Callable[[config.Study], object] | None = None) -> str:
    """URI of the plan's folder: study.json and places.parquet. Raises StudyError, DataError, and what `check` raises.

    `check(study)`: what else must hold before anything is drawn or trained (`sweep.preflight`).
    """
    study = study_file.load(study_uri)

    def work(folder: str) -> Mapping[str, Any]:
        from geomix.plan import places  # maps and trees take 0.5 s, which a skipped step need not spend

        if check is not None:
            check(study)
        frame = places.of_study(study)
        tables.write_parquet(store.join(folder, "places.parquet"), frame, tables.PLACES_SCHEMA)
        # As the file says it: sorted keys would lose the order of the compositions.
        store.write_bytes(store.join(folder, "study.json"), json.dumps(study.to_json(), indent=2).encode())
        return {"study": study.name, "task_places": len(frame)}

    done = step.run("plan", place, work, schema=SCHEMA, config=study.to_json(), inputs=_inputs(study), label=study.name)
    if not track.is_logged(place.root, study.identity):
        compositions = ", ".join(study.compositions)
        params = {"scale": study.scale, "budget": study.budget, "compositions": compositions, "seeds": study.seeds}
        tags = {"geomix.run": place.run, "geomix.synthetic": str(study.synthetic).lower()}
        track.parent(place.root, study.identity, study.name, params, tags)
    return done.uri


def _inputs(study: config.Study) -> dict[str, str]:
    # The key of a plan must change with the tables that its places come from.
    uris = {task.uri for task in study.tasks.values() if isinstance(task, config.TableTask)}
    return {f"table-{n}": digest for n, digest in enumerate(sorted(tables.digest(uri) for uri in uris))}
