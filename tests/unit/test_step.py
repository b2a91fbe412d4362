"""A step runs once, is skipped afterwards, leaves `complete` or `error.json`, and never half of either."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from geomix import errors, ids, step, store
from geomix.step import Place


class Work:
    """Counts its calls; writes a file; fails with `error` if there is one."""

    def __init__(self, error: BaseException | None = None, outputs: Mapping[str, Any] | None = None) -> None:
        self.error, self.outputs, self.folders = error, dict(outputs or {"n": 1}), list[str]()

    def __call__(self, folder: str) -> Mapping[str, Any]:
        self.folders.append(folder)
        store.write_bytes(store.join(folder, "data"), b"x")
        if self.error is not None:
            raise self.error
        return self.outputs


def run(place: Place, work: Any, **changes: Any) -> step.Step:
    arguments: dict[str, Any] = {"schema": 1, "config": {"a": 1}, "inputs": {"pool": "hash"}, **changes}
    return step.run("pool", place, work, **arguments)


def folder_of(place: Place) -> str:
    return store.join(place.root, "pool", ids.step_key("pool", 1, {"a": 1}, {"pool": "hash"}))


def test_it_is_done_once(place: Place) -> None:
    work = Work(outputs={"rows": 3, "uri": "x"})
    first = run(place, work, label="for people")
    assert not first.skipped
    assert first.uri == store.join(folder_of(place), "attempt-0") == work.folders[0]
    again = run(Place(place.root, "another run"), work, label="another label")
    assert again.skipped
    assert (again.uri, again.outputs, again.key) == (first.uri, {"rows": 3, "uri": "x"}, first.key)
    assert len(work.folders) == 1
    assert store.list_names(folder_of(place)) == ["attempt-0", "complete"]


@pytest.mark.parametrize("changes", [{"schema": 2}, {"config": {"a": 2}}, {"inputs": {"pool": "other"}}, {"inputs": {}}])
def test_one_changed_letter_that_matters_is_another_step(place: Place, changes: dict[str, Any]) -> None:
    first = run(place, Work())
    work = Work()
    assert run(place, work, **changes).key != first.key
    assert len(work.folders) == 1


def test_records_say_what_a_run_did(place: Place) -> None:
    run(place, Work(), label="one")
    run(place, Work(), label="one")  # skipped in the run that did it: the record stays
    later = Place(place.root, "later")
    run(later, Work(), label="one")
    with pytest.raises(errors.PoolError):
        run(later, Work(errors.PoolError("no rows")), config={"a": 2}, label="two")
    assert [(r["label"], r["state"]) for r in step.records(place.root, place.run)] == [("one", "done")]
    found = {r["label"]: r for r in step.records(place.root, "later")}
    assert found["one"]["state"] == "skipped"
    assert found["two"]["state"] == "failed"
    assert found["two"]["error"]["class"] == "PoolError"
    assert step.records(place.root, "never") == []


def test_a_failure_leaves_its_reason_and_nothing_else(place: Place) -> None:
    error = errors.CompositionError("Oceania has 3", wanted="10", remedy="lower it")
    with pytest.raises(errors.CompositionError):
        run(place, Work(error))
    assert store.list_names(folder_of(place)) == ["error.json"]
    content = store.read_json(store.join(folder_of(place), "error.json"))
    assert {k: content[k] for k in ("class", "seen", "wanted", "remedy", "exit_code", "run", "stage")} == {
        "class": "CompositionError",
        "seen": "Oceania has 3",
        "wanted": "10",
        "remedy": "lower it",
        "exit_code": 2,
        "run": place.run,
        "stage": "pool",
    }


def test_wrong_input_fails_at_once_when_the_same_run_asks_again(place: Place) -> None:
    with pytest.raises(errors.PoolError):
        run(place, Work(errors.PoolError("no rows", remedy="mend it")))
    work = Work()
    with pytest.raises(errors.PoolError, match="no rows"):
        run(place, work)  # KFP's retry of a pod
    assert work.folders == []
    done = run(Place(place.root, "after mending"), work)
    assert done.outputs == {"n": 1}
    assert store.list_names(folder_of(place)) == ["attempt-0", "complete"]


@pytest.mark.parametrize("error", [errors.BusyError("held"), errors.UnavailableError("503"), ZeroDivisionError("bug")])
def test_anything_else_is_tried_again_in_the_same_run(place: Place, error: Exception) -> None:
    with pytest.raises(type(error)):
        run(place, Work(error))
    assert not run(place, Work()).skipped


def test_a_bug_keeps_its_traceback(place: Place) -> None:
    with pytest.raises(ZeroDivisionError):
        run(place, Work(ZeroDivisionError("division")))
    content = store.read_json(store.join(folder_of(place), "error.json"))
    assert content["exit_code"] == 1
    assert "ZeroDivisionError: division" in content["traceback"]
    assert "bug" in content["remedy"]


def test_ctrl_c_is_not_a_failure_and_the_next_attempt_has_its_own_folder(place: Place) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(place, Work(KeyboardInterrupt()))
    assert store.list_names(folder_of(place)) == ["attempt-0"]
    work = Work()
    assert run(place, work).uri == store.join(folder_of(place), "attempt-1")


def test_an_attempt_that_comes_too_late_does_not_publish(place: Place) -> None:
    def overtaken(folder: str) -> Mapping[str, Any]:
        # A pod that was believed dead: while it works, its successor starts and finishes.
        run(place, Work(outputs={"winner": "second"}))
        return {"winner": "first"}

    late = run(place, overtaken)
    assert late.outputs == {"winner": "second"}
    assert late.uri.endswith("attempt-1")
    assert run(place, Work()).outputs == {"winner": "second"}


def test_numbers_in_outputs_come_back_as_they_were(place: Place) -> None:
    outputs = {"items": [{"seed": 0, "share": 0.25, "uri": None}]}
    assert run(place, Work(outputs=outputs)).outputs == run(place, Work()).outputs == outputs


def test_main_prints_one_message_and_exits_with_the_error_s_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(step, "die_with_parent", lambda: None)
    monkeypatch.setattr(step, "end_on_sigterm", lambda: None)
    assert step.main(lambda: 7) == 7

    def fail() -> None:
        raise errors.UnavailableError("no answer", remedy="run it again")

    with pytest.raises(SystemExit) as caught:
        step.main(fail)
    assert caught.value.code == 75
    assert capsys.readouterr().err == "error: no answer\n  to mend it: run it again\n"
    with pytest.raises(ZeroDivisionError):
        step.main(lambda: 1 // 0)


def test_an_error_from_outside_a_step_is_recorded_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "die_with_parent", lambda: None)
    monkeypatch.setattr(step, "end_on_sigterm", lambda: None)

    def fail() -> None:
        raise errors.DataError("no checkpoint at x", remedy="mend `uri:`")

    for _ in range(2):
        with pytest.raises(SystemExit):
            step.main(fail, "shard", place)
    (record,) = step.records(place.root, place.run)
    assert (record["stage"], record["state"], record["error"]["exit_code"]) == ("shard", "failed", 2)

    def inside() -> None:
        run(place, Work(error=errors.PoolError("no coordinates")))

    with pytest.raises(SystemExit):
        step.main(inside, "pool", place)
    assert len(step.records(place.root, place.run)) == 2


def test_sigterm_ends_a_step_in_order() -> None:
    code = "import os, signal, time\nfrom geomix import step\nstep.end_on_sigterm()\n"
    code += "try:\n    os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)\nfinally:\n    print('ended in order')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (143, "ended in order\n")


def test_the_launcher_may_name_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEOMIX_RUN", raising=False)
    assert step.place("root", "kfp-7") == Place("root", "kfp-7")
    monkeypatch.setenv("GEOMIX_RUN", "mine")
    assert step.place("root", "kfp-7") == Place("root", "mine")


def test_complete_says_what_made_it(place: Place) -> None:
    run(place, Work())
    content = json.loads(Path(folder_of(place), "complete").read_text())
    assert (content["stage"], content["schema"], content["config"], content["inputs"]) == (
        "pool",
        1,
        {"a": 1},
        {"pool": "hash"},
    )


def named(folder: str, work: Any, **changes: Any) -> step.Step:
    return step.named("pool", folder, work, **{"schema": 1, "config": {"a": 1}, "inputs": {}, **changes})


def test_a_folder_that_the_user_named_is_done_once_and_never_taken_for_another(tmp_path: Path) -> None:
    folder, work = str(tmp_path / "pool"), Work(outputs={"rows": 3})
    first = named(folder, work)
    assert (first.uri, first.skipped, store.list_names(folder)) == (folder, False, ["complete", "data"])
    again = named(folder, work)
    assert (again.skipped, again.outputs, len(work.folders)) == (True, {"rows": 3}, 1)
    with pytest.raises(errors.InputError, match="holds the files of another pool"):
        named(folder, work, config={"a": 2})
    assert len(work.folders) == 1
    assert not named(folder, work, config={"a": 2}, force=True).skipped


def test_an_interrupted_command_leaves_no_complete_and_is_done_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "pool")
    with pytest.raises(KeyboardInterrupt):
        named(folder, Work(KeyboardInterrupt()))
    assert store.list_names(folder) == ["data", "unfinished.json"]
    with pytest.raises(errors.InputError, match="holds what an interrupted command left of another pool"):
        named(folder, Work(), config={"a": 2})
    assert not named(folder, Work()).skipped
    assert store.list_names(folder) == ["complete", "data"]


def test_a_replacement_leaves_nothing_of_the_old_and_a_failed_one_leaves_it_whole(tmp_path: Path) -> None:
    folder = str(tmp_path / "pool")

    def old(uri: str) -> dict[str, int]:
        store.write_bytes(store.join(uri, "old", "part-0"), b"1")
        return {"n": 1}

    def wrong(uri: str) -> dict[str, int]:
        raise errors.DataError("no such file")

    named(folder, old)
    with pytest.raises(errors.DataError, match="no such file"):
        named(folder, wrong, config={"a": 2}, force=True)
    assert named(folder, old).skipped
    named(folder, Work(), config={"a": 2}, force=True)
    assert sorted(store.listing(folder)) == ["complete", "data"]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("mine")
    with pytest.raises(errors.InputError, match="holds letters"):
        named(str(tmp_path), Work(), force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["letters"]
