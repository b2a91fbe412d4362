"""`geomix pool build`, `geomix sample draw` and `geomix sample stats`: what they leave, and what wrong input says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from geomix import tables
from geomix.cli import app

runner = CliRunner()


def invoke(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, and all that was shown in one line."""
    shown = runner.invoke(app, list(arguments))
    assert shown.exception is None or isinstance(shown.exception, SystemExit), shown.exception
    return shown.exit_code, shown.stdout, " ".join(shown.output.split())


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("land") / "pool")
    code, printed, shown = invoke("pool", "build", "--kind", "grid", "--spacing-km", "300", "--out", out)
    assert code == 0, shown
    assert printed.strip() == out
    return out


def test_draws_are_described_compared_and_drawn_on_a_map(land: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("one: {strategy: onehot, each: continent}\n")
    ask = [
        "sample",
        "draw",
        "--pool",
        land,
        "-n",
        "40",
        "--compositions",
        str(tmp_path / "c.yaml"),
        "-c",
        "uar={strategy: uniform}",
    ]
    code, printed, shown = invoke(*ask, "--seed", "0", "--seed", "1", "--out", str(tmp_path / "draws"))
    assert code == 0, shown
    folders = printed.split()
    assert len(folders) == 2 * (7 + 1)
    assert folders[-1] == str(tmp_path / "draws" / "uar" / "1")
    assert "there already" in invoke(*ask, "--out", str(tmp_path / "draws"))[2]
    picture = tmp_path / "map.svg"
    code, printed, shown = invoke("sample", "stats", folders[0], folders[-1], "--json", "--map", str(picture))
    assert code == 0, shown
    one, uar = json.loads(printed)["compositions"]
    assert (one["label"], one["samples"], uar["label"]) == ("one_africa/0", 40, "uar/1")
    assert one["strata"]["continent"]["shares"] == {"Africa": 1.0}
    assert picture.read_text().startswith("<?xml")
    assert "total variation" in invoke("sample", "stats", *folders[:2])[2]
    code, _, shown = invoke(*ask[:5], "41", *ask[6:], "--out", str(tmp_path / "draws"))
    assert code == 2
    assert "holds the files of another sample" in shown


def test_a_stratum_and_an_exclusion_zone_of_ones_own(tmp_path: Path) -> None:
    out = str(tmp_path / "pool")
    code, _, shown = invoke(
        "pool",
        "build",
        "--kind",
        "grid",
        "--spacing-km",
        "500",
        "--out",
        out,
        "--stratum",
        "band={kind: latitude_band, degrees: 30}",
    )
    assert code == 0, shown
    (tmp_path / "places.csv").write_text("task,row,lon,lat\nt,0,20,10\n")
    ask = ["sample", "draw", "--pool", out, "-n", "20", "-c", "b={strategy: stratified, by: band}", "--near-tasks-km", "2000"]
    code, printed, shown = invoke(
        *ask, "--places", str(tmp_path / "places.csv"), "--out", str(tmp_path / "d"), "--quota", "water_fill"
    )
    assert code == 0, shown
    content = json.loads((Path(printed.strip()) / "manifest.json").read_text())
    assert content["excluded"]["rows"] > 10
    code, _, shown = invoke(*ask, "--out", str(tmp_path / "e"))
    assert (code, "without places" in shown) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--spacing-km", "10"], "the options, line 1"),
        (["--kind", "hexagons"], "'hexagons' is not one of"),
        (["--kind", "grid"], "spacing_km: a required key is missing"),
        (["--kind", "grid", "--spacing-km", "-5"], "spacing_km"),
        ([], "say what to build"),
        (["--kind", "grid", "--spacing-km", "900", "--stratum", "biome"], "NAME=YAML"),
        (["--kind", "grid", "--spacing-km", "900", "--stratum", "biome={uri: no.gpkg, column: A}"], "no such file"),
        (
            ["--kind", "grid", "--spacing-km", "900", "--stratum", "continent={kind: latitude_band, degrees: 30}"],
            "the name is taken",
        ),
        (["--kind", "table", "--uri", "absent.parquet"], "no such file"),
        (["--spec", "absent.yaml"], "absent.yaml: no such study file"),
    ],
)
def test_a_pool_that_cannot_be_built_is_one_message(tmp_path: Path, arguments: list[str], told: str) -> None:
    code, printed, shown = invoke("pool", "build", *arguments, "--out", str(tmp_path / "out"))
    assert code == 2, shown
    assert told in shown
    assert printed == ""
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no composition is asked for"),
        (["-c", "uar"], "NAME=YAML"),
        (["-c", "uar={strategy: unifrom}"], "'unifrom' is not one of"),
        (["-c", "a={strategy: uniform}", "-c", "a={strategy: uniform}"], "two of that name"),
        (["-c", "a={strategy: stratified, by: biome}"], "unknown stratum 'biome'"),
        (["-c", "a={strategy: stratified, by: city_km}"], "has numbers, not classes"),
        (["-c", "a={strategy: onehot, by: continent, value: Afrika}"], "Africa"),
        (["-c", "a={strategy: mix, of: {b: 1, c: 1}}"], "'b' is not one of"),
        (["-c", "a={strategy: entropy, mode: top}"], "spectral_entropy_pooled"),
        (["-c", "a={strategy: where, expr: 'landcover = '}"], "landcover ="),
        (["-c", "a={strategy: onehot, by: continent, value: Oceania}", "-n", "5000"], "5,000 samples"),
        (["-c", "a={strategy: stratified, by: continent}", "-n", "2000000000"], "candidates in all"),
        (["-c", "a={strategy: uniform}", "--reserves", "inf"], "finite numbers"),
        (["-c", "a={strategy: none}"], "none of these compositions draws ids"),
        (["-c", "a={strategy: clustered, clusters: 100, radius_km: 50}"], "100 discs, more than the 10 samples"),
        (["-c", f"a={{strategy: simplex, by: continent, values: {list('abcdefghijklmnop')}, degree: 10}}"], "more than 200"),
        (["-c", "a={strategy: placebo, of: b}", "-c", "b={strategy: where, expr: lat > 0}"], "which a placebo does not move"),
    ],
)
def test_a_draw_that_cannot_be_made_is_one_message(land: str, tmp_path: Path, arguments: list[str], told: str) -> None:
    budget = [] if "-n" in arguments else ["-n", "10"]
    code, printed, shown = invoke("sample", "draw", "--pool", land, *budget, *arguments, "--out", str(tmp_path / "out"))
    assert code == 2, shown
    assert told in shown
    assert printed == ""


def test_no_pool_and_no_manifest_are_one_message(tmp_path: Path) -> None:
    code, _, shown = invoke(
        "sample", "draw", "--pool", str(tmp_path), "-n", "1", "-c", "u={strategy: uniform}", "--out", str(tmp_path / "o")
    )
    assert (code, "no pool here" in shown) == (2, True)
    assert "a file .png or .svg" in invoke("sample", "stats", str(tmp_path), "--map", "map.jpg")[2]
    code, _, shown = invoke("sample", "stats", str(tmp_path))
    assert (code, "no manifest here" in shown) == (2, True)


def test_resolve_takes_times_with_an_offset_and_replaces_with_force(land: str, tmp_path: Path) -> None:
    ring = [[-20, -35], [50, -35], [50, 35], [-20, 35], [-20, -35]]
    africa = {
        "type": "Feature",
        "id": "africa",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": "2020-12-31T15:00:00Z"},
    }
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [africa]}))
    ask = ["pool", "resolve", land, "--stac", str(tmp_path / "items.json"), "--out", str(tmp_path / "scenes")]
    window = ["--start", "2021-01-01T00:00:00+10:00", "--end", "2021-01-02T00:00:00+10:00", "--every", "month"]
    code, _, shown = invoke(*ask, *window)
    assert code == 0, shown
    # In UTC the window begins on the last day of December.
    assert {name.rpartition("_")[2] for name in tables.read(str(tmp_path / "scenes" / "pool.parquet"))["id"]} == {"202012"}
    code, _, shown = invoke(*ask, "--start", "2020-12-31", "--end", "2021-01-01")
    assert (code, "--force" in shown) == (2, True)
    code, _, shown = invoke(*ask, "--start", "2020-12-31", "--end", "2021-01-01", "--force")
    assert code == 0, shown
    code, _, shown = invoke(*ask, "--start", "0001-01-01T00:00:00+10:00", "--end", "2021-01-01")
    assert (code, "--start 0001-01-01" in shown) == (2, True)
