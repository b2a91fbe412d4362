"""The report step on simulated rows: files, copies, schema, badges, missing cells, and the page in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from geomix import report, store, tables
from geomix.report import rows, summary
from geomix.step import Place
from tests.unit.report import make_rows
from tests.unit.report.make_rows import Made

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_ARRAYS = "{uri: a.npz, channels: {B2: 0}}"
_POOL = f"{{kind: table, uri: a.csv, arrays: {_ARRAYS}}}"
_TASK = f"kind: table, models: [presto], uri: t.csv, target: regression, label: y, heads: [ridge, knn], series: {_ARRAYS}"

REAL = (
    make_rows.STUDY.replace("earth: {seed: 0, world: realistic}\n", "")
    .replace("{kind: earth, modality: series, size: 4000, bias: 3.0}", _POOL)
    .replace("kind: earth, models: [presto], size: 6000", _TASK)
    .replace("head: logistic, metric: f1", "head: ridge, metric: rmse")
)


@pytest.fixture(autouse=True)
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOMIX_TRACKING", "off")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEOMIX_TRACKING", "off")
        files = make_rows.make(tmp_path_factory.mktemp("made"))
        return files, report.run(files.plan, files.labels, files.rows, Place(files.root, "run"))


def page(folder: str) -> str:
    return store.read_bytes(store.join(folder, "report.html")).decode()


def test_files_and_their_copies(made: tuple[Made, str]) -> None:
    files, folder = made
    for name in ("report.html", "summary.json", "results.parquet"):
        assert store.read_bytes(store.join(folder, name)) == store.read_bytes(store.join(files.root, "reports", "made", name))
    frame = tables.read(store.join(folder, "results.parquet"), tables.RESULT_SCHEMA.names)
    assert set(frame["composition"]) == {"uar", "continent", "climate", "forest", "cities", "zero", "raw"}
    assert set(frame["study"]) == {"made"}
    assert not frame.duplicated(tables.ROW_IDENTITY).any()
    assert rows.final_hash(frame) == store.read_json(store.join(folder, "summary.json"))["final_hash"]


def test_again_is_skipped_but_copies_come_back(made: tuple[Made, str]) -> None:
    files, folder = made
    store.delete(store.join(files.root, "reports"))
    assert report.run(files.plan, files.labels, list(reversed(files.rows)), Place(files.root, "again")) == folder
    assert store.exists(store.join(files.root, "reports", "made", "report.html"))


def test_summary_has_the_documented_keys(made: tuple[Made, str]) -> None:
    found = store.read_json(store.join(made[1], "summary.json"))
    documented = re.findall(r"^\| ([a-z_*., ]+) \|", str(summary.__doc__), re.MULTILINE)[1:]
    top = {key for line in documented if "compositions." not in line for key in line.split(", ")}
    assert top == set(found)
    inner = {
        k for line in documented if line.startswith("compositions.") for k in line.removeprefix("compositions.*.").split(", ")
    }
    for entry in found["compositions"].values():
        assert inner == set(entry)
    assert found["schema"] == summary.SCHEMA
    assert found["winner"] is None
    assert found["reason"]
    assert found["compositions"]["uar"]["kind"] == "uniform"
    assert found["compositions"]["raw"]["low"] is None
    assert len(found["contrasts"]) == 21


def test_every_table_and_figure_of_a_synthetic_study_says_so(made: tuple[Made, str]) -> None:
    text = page(made[1])
    for caption in re.findall(r"<caption>(.*?)</caption>", text, re.DOTALL):
        assert "SYNTHETIC" in caption or caption == "Hashes."
    for figure in re.findall(r"<svg role=\"img\".*?</svg>", text, re.DOTALL):
        assert "SYNTHETIC" in figure or "Colours of the maps" in figure
    assert text.count("<svg role") == 5 + 1 + 2


def test_numbers_come_from_the_rows(made: tuple[Made, str]) -> None:
    files, folder = made
    found = store.read_json(store.join(folder, "summary.json"))
    frame = tables.read(store.join(folder, "results.parquet"))
    mine = frame[(frame["composition"] == "uar") & (frame["split"] == "block") & (frame["head"] == "logistic")]
    mine = mine[mine["metric"] == "f1"]
    expected = mine.groupby(["draw_seed", "train_seed", "test_region"])["value"].mean().groupby("test_region").mean().mean()
    assert found["compositions"]["uar"]["mean"] == pytest.approx(expected)
    assert f"{expected:.3f}" in page(folder)
    assert files.study.report.primary.metric == found["primary"]["metric"]


def test_nothing_is_loaded_from_elsewhere(made: tuple[Made, str]) -> None:
    text = page(made[1])
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*\"", text)
    assert "@import" not in text
    assert not re.findall(r"url\((?!#|\"#|data:)", text)


def test_ids_are_unique(made: tuple[Made, str]) -> None:
    found = pd.Series(re.findall(r"\bid=\"([^\"]+)\"", page(made[1])))
    assert found.is_unique


def test_missing_cells_are_shown_as_missing(tmp_path: Path) -> None:
    files = make_rows.make(tmp_path)
    labels = rows.read_labels(files.labels)
    hashes = {x.composition: x.manifest_hash for x in labels}
    kept = []
    for uri in files.rows:
        frame = tables.read(f"{uri}/results.parquet")
        if (frame["manifest_hash"] == hashes["zero"]).all():
            continue  # a whole arm is absent
        if (frame["manifest_hash"] == hashes["forest"]).all():
            frame = frame[frame["test_region"] != "Asia"]
            tables.write_parquet(f"{uri}/results.parquet", frame, tables.RESULT_SCHEMA)
        kept.append(uri)
    folder = report.run(files.plan, files.labels, kept, Place(files.root, "run"))
    found = store.read_json(f"{folder}/summary.json")
    assert found["compositions"]["zero"]["mean"] is None
    assert found["compositions"]["forest"]["missing"] == 2
    assert found["winner"] is None
    assert 'missing">missing</td>' in page(folder)
    assert not re.findall(r"<td[^>]*>(0\.000|nan)</td>", page(folder))
    assert any("no scores for zero" in s for s in found["cannot_conclude"])


def test_a_real_study_with_an_error_metric(tmp_path: Path) -> None:
    effects = make_rows.Effects(composition={"uar": 0.2}, draw=0.002, seed=0.002, by_region=0.0)
    files = make_rows.make(tmp_path, REAL, effects)
    folder = report.run(files.plan, files.labels, files.rows, Place(files.root, "run"))
    found = store.read_json(f"{folder}/summary.json")
    assert found["synthetic"] is False
    assert "SYNTHETIC" not in page(folder)
    assert found["winner"] == "uar"
    assert found["compositions"]["uar"]["mean"] < found["compositions"]["zero"]["mean"]
    assert found["compositions"]["uar"]["worst_region"]["region"] == "Oceania"


def test_a_study_of_one_unreplicated_composition(tmp_path: Path) -> None:
    text = make_rows.STUDY.replace("draw: [0, 1], train: [0, 1]", "draw: [0], train: [0]")
    text = re.sub(r"  (continent|climate|forest|cities|zero): .*\n", "", text)
    files = make_rows.make(tmp_path, text)
    folder = report.run(files.plan, files.labels, files.rows, Place(files.root, "run"))
    found = store.read_json(f"{folder}/summary.json")
    assert found["winner"] is None
    assert "fewer than two" in found["reason"]
    assert found["compositions"]["uar"]["reason"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_in_a_browser_without_a_complaint(made: tuple[Made, str], tmp_path: Path, scheme: str) -> None:
    # The page's own content security policy turns any request into a console error.
    path = tmp_path / "report.html"
    path.write_text(page(made[1]))
    errors, size = _open(path, tmp_path, scheme)
    assert errors == []
    assert size > 50_000
    path.write_text(page(made[1]).replace("<footer>", '<footer><img src="http://example.invalid/x.png">'))
    errors, _ = _open(path, tmp_path, scheme)
    assert len(errors) == 1  # the check can fail


def _open(path: Path, folder: Path, scheme: str) -> tuple[list[str], int]:
    picture = folder / "page.png"
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    options += " --disable-component-update --disable-sync --enable-logging=stderr --window-size=1000,4000"
    command = [str(CHROMIUM), *options.split(), f"--blink-settings=preferredColorScheme={int(scheme == 'light')}"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--screenshot={picture}", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line], picture.stat().st_size
