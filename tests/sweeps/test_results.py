"""The results of a sweep: rows from run folders, in CSV, in JSON and from Python."""

from __future__ import annotations

import csv
import inspect
import json
import math
import os
import re
import threading
from io import StringIO
from pathlib import Path

import pytest
from cli.command import ROOT, rnnspec
from sweeps.samples import write_sweep
from training.samples import TARGET

import rnnspec as package
from rnnspec.analysis.criterion import trimmed_mean
from rnnspec.runs.manifest import Manifest
from rnnspec.runs.metrics import MetricsRow
from rnnspec.sweeps.board import Board
from rnnspec.sweeps.layout import note_failure
from rnnspec.sweeps.plan import Sweep, load_sweep
from rnnspec.sweeps.rows import COLUMNS, read_rows
from rnnspec.sweeps.work import work_between
from rnnspec.training.unit import train_unit

SWEEP = """\
rnnspec: 1
sweep: small
specs: [tiny.yaml]
methods: {plain: [], fast: [fast]}
settings: {training.seed: [0, 1], skips.beta.from: {for: fast, values: [0.2, 0.5]}}
set: {training.stop: {performance: 0.6, trim: 0.4}}
table: {rows: method, columns: training.seed, value: [performance, above], criterion: 0.3}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sweep]:
    """A sweep of which one unit is done, the next is begun, then one is broken and one has failed."""
    folder = tmp_path_factory.mktemp("results")
    path = write_sweep(folder, SWEEP)
    sweep = load_sweep(path)
    out = folder / "runs" / "small"
    first, second, third, fourth, *_ = sweep.units
    for unit in (first, second, third):
        train_unit(unit.specification, out / unit.name, target=TARGET)
    manifest = out / second.name / "manifest.json"
    found = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**found, "status": "terminated", "result": None}))
    metrics = out / second.name / "metrics.jsonl"
    metrics.write_text("".join(metrics.read_text().splitlines(keepends=True)[:2]))
    for checkpoint in (out / second.name / "checkpoints").iterdir():
        checkpoint.unlink()
    (out / third.name / "manifest.json").write_text("{")
    note_failure(out, fourth.name, "There is no room.\nMake some.")
    return path, sweep


def board(place: tuple[Path, Sweep]) -> Board:
    return Board(place[1], place[0].parent / "runs" / "small")


def test_a_unit_that_is_done(place: tuple[Path, Sweep]) -> None:
    row = read_rows(board(place))[0]
    folder = place[0].parent / "runs" / "small" / row.unit.name
    manifest = Manifest.parse((folder / "manifest.json").read_bytes(), folder)
    assert manifest.result is not None
    values = manifest.result.performance
    assert (row.state, row.ending) == ("done", manifest.status)
    assert row.iterations == manifest.result.iterations
    assert row.performance == pytest.approx(trimmed_mean(values, 0.4), abs=1e-6)
    assert row.performances == values
    assert row.above == sum(value >= 0.3 for value in values)
    assert row.share == pytest.approx(row.above / 3)
    assert row.reached is (manifest.status == "reached")
    assert row.work == work_between(row.unit.specification.program, 0, row.iterations)
    assert (row.target, row.threads, row.hardware) == (TARGET, manifest.threads, manifest.hardware)
    assert set(row.phases) == {"hold", "respond"}


def test_a_unit_that_was_begun_has_its_last_evaluation(place: tuple[Path, Sweep]) -> None:
    row = read_rows(board(place))[1]
    folder = place[0].parent / "runs" / "small" / row.unit.name
    last = MetricsRow.parse((folder / "metrics.jsonl").read_bytes().splitlines()[-1], folder)
    assert (row.state, row.iterations, row.evaluated) == ("waiting", 4, 4)
    assert (row.performances, row.performance) == (last.performance, last.trimmed_mean)
    assert row.reached is None
    assert row.ending is None
    assert row.work == work_between(row.unit.specification.program, 0, 4)


def test_broken_and_failed_units_have_their_problem_and_the_others_their_numbers(
    place: tuple[Path, Sweep],
) -> None:
    rows = read_rows(board(place))
    assert "manifest.json is damaged: it is not JSON" in rows[2].problem
    assert rows[3].problem.startswith("There is no room.")
    assert [row.begun for row in rows] == [True, True, False, False, False, False]


def test_csv_has_a_line_for_each_unit_and_empty_cells(place: tuple[Path, Sweep]) -> None:
    text = package.sweep_results(place[0], out=place[0].parent / "runs").to_csv()
    lines = list(csv.DictReader(StringIO(text)))
    assert len(lines) == 6
    expected = [*COLUMNS]
    expected[3:3] = ["training.seed", "skips.beta.from"]
    at = expected.index("performance") + 1
    expected[at:at] = ["phase/hold", "phase/respond"]
    assert list(lines[0]) == expected
    assert [line["skips.beta.from"] for line in lines] == ["", "", "0.2", "0.5", "0.2", "0.5"]
    assert {lines[5][name] for name in expected[6:]} == {""}
    assert lines[0]["reached"] in ("true", "false")
    share = float(lines[0]["share"])
    assert float(lines[0]["share_error"]) == pytest.approx(math.sqrt(share * (1 - share) / 3))


def test_a_setting_that_is_null_is_not_an_empty_cell(tmp_path: Path) -> None:
    path = write_sweep(
        tmp_path,
        SWEEP.replace("training.seed", "training.clip")
        .replace("[0, 1]", "[null, 1.5]")
        .replace("[0.2, 0.5]", "[0.2]"),
    )
    lines = list(csv.DictReader(StringIO(package.sweep_results(path, out=tmp_path).to_csv())))
    assert [line["training.clip"] for line in lines] == ["null", "1.5", "null", "1.5"]


def test_the_table_on_the_command_line(place: tuple[Path, Sweep], tmp_path: Path) -> None:
    words = ["sweep", place[0], "--out", place[0].parent / "runs"]
    answer = rnnspec(*words, "--table")
    assert answer.code == 0
    assert "small: performance, by method and training.seed" in answer.out
    assert "small: share of the networks at or above 0.3" in answer.out
    assert re.search(r"plain +\d\.\d{3} +\d\.\d{3} so far", answer.out)
    assert "not run" in answer.out
    assert "There is no room." in answer.err
    assert "is not JSON" in answer.err
    answer = rnnspec(*words, "--only", "method=plain", "-o", tmp_path / "t.md", "--units", tmp_path / "u.csv")
    assert answer.code == 0, answer.err
    assert (tmp_path / "t.md").read_text().splitlines()[2:4] == [
        "| method | 0 | 1 |",
        "| --- | ---: | ---: |",
    ]
    assert len((tmp_path / "u.csv").read_text().splitlines()) == 3
    found = json.loads(rnnspec(*words, "--table", "--json").out)
    assert len(found["units"]) == 6


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--format", "html"], 2, "'html' is not one of: text, markdown, csv."),
        (["-o", "table.html"], 2, "table.html does not end in .txt."),
        (["--format", "csv", "-o", "table.md"], 2, "table.md does not end in .csv."),
        (["--units", "units.txt"], 2, "units.txt does not end in .csv."),
        (["-o", "nowhere/table.md"], 2, "nowhere for table.md"),
    ],
)
def test_wrong_files_and_forms(
    place: tuple[Path, Sweep], words: list[str], code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place[0].parent)
    answer = rnnspec("sweep", place[0], "--table", *words)
    assert answer.code == code
    assert text in answer.err
    assert not os.path.exists("table.md")


def test_results_from_python(place: tuple[Path, Sweep]) -> None:
    results = package.sweep_results(str(place[0]), out=place[0].parent / "runs", only=["method=plain"])
    assert len(results) == 2
    assert results[0]["method"] == "plain"
    assert list(results[0]) == results.columns
    assert [row["state"] for row in results] == ["done", "waiting"]
    assert repr(results) == "<results of the sweep small: 1 of 2 units done>"
    assert not results.done
    assert results.problems == {}
    assert results._repr_markdown_().startswith("**small: performance, by method and training.seed**")


def test_pandas_takes_the_results(place: tuple[Path, Sweep]) -> None:
    pandas = pytest.importorskip("pandas")
    results = package.sweep_results(place[0], out=place[0].parent / "runs")
    frame = results.to_pandas()
    assert list(pandas.DataFrame(results).columns) == list(frame.columns) == results.columns
    assert frame["iterations"].dtype == "Int64"
    assert frame["iterations"].isna().sum() == 4


def test_xarray_takes_the_results(place: tuple[Path, Sweep]) -> None:
    """Units without a key of the grid stand at all its values."""
    pytest.importorskip("xarray")
    results = package.sweep_results(place[0], out=place[0].parent / "runs")
    data = results.to_xarray()
    assert dict(data.sizes) == {
        "spec": 1, "method": 2, "training.seed": 2, "skips.beta.from": 2, "network": 3,
    }  # fmt: skip
    found = data.performance.sel({"method": "plain", "training.seed": 0, "spec": "tiny"})
    assert found.values.tolist() == [pytest.approx(results[0]["performance"])] * 2
    assert data["phase_hold"].dims == ("spec", "method", "training.seed", "skips.beta.from")


def test_packages_that_are_missing(place: tuple[Path, Sweep], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    results = package.sweep_results(place[0], out=place[0].parent / "runs")
    with pytest.raises(package.RequestError, match="The Python package pandas is not installed"):
        results.to_pandas()


def test_training_from_python(tmp_path: Path) -> None:
    """Not in the main thread either, where signals are not received; and again, when nothing is left."""
    path = write_sweep(tmp_path, SWEEP.replace("[0.2, 0.5]", "[0.2]"))
    messages: list[object] = []
    found: list[package.SweepResults] = []

    def train() -> None:
        found.append(
            package.sweep(
                path, only=["seed=0"], out=tmp_path, workers=1, target=TARGET, observer=messages.append
            )
        )

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    (results,) = found
    assert results.done
    assert len(results) == 2
    assert messages
    messages.clear()
    again = package.sweep(
        path, only=["seed=0"], out=tmp_path, workers=1, target=TARGET, observer=messages.append
    )
    assert list(again) == list(results)
    assert messages == []


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"only": ["seed=7"]}, package.RequestError, "No unit of small has training.seed=7."),
        ({"only": "seed=0"}, TypeError, "only must be a list"),
        ({"settings": "training.batch=2"}, TypeError, "settings must be a list"),
        ({"settings": ["training.batch=0"]}, package.SpecError, "batch"),
        ({"workers": 0}, ValueError, "workers must be an integer of at least 1"),
        ({"target": "cpux"}, ValueError, "target must be one of"),
        ({"dtype": "float16"}, ValueError, "dtype must be one of float32, float64"),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, arguments: dict[str, object], error: type[Exception], text: str
) -> None:
    path = write_sweep(tmp_path, SWEEP.replace("[0.2, 0.5]", "[0.2]"))
    with pytest.raises(error, match=re.escape(text)):
        package.sweep(path, out=tmp_path / "runs", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_the_python_page_names_what_there_is() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Sweeps\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    calls = re.findall(r"^\| `(sweep\w*)\(([^`]*)\)` \|", section, re.MULTILINE)
    assert [name for name, _ in calls] == ["sweep", "sweep_results"]
    for name, given in calls:
        parameters = list(inspect.signature(getattr(package, name)).parameters)
        assert given == ", ".join([parameters[0], "*", *parameters[1:]])
    members = re.findall(r"^\| `(\w+)(?:\(\w*\))?` \|", section, re.MULTILINE)
    assert len(members) == 9
    instance = {"columns", "warnings"}
    assert all(hasattr(package.SweepResults, name) or name in instance for name in members)


def test_the_page_describes_every_column() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", (ROOT / "docs" / "results.md").read_text(), re.MULTILINE)
    described = dict(rows)
    assert {name: described.get(name) for name in COLUMNS} == dict(COLUMNS)
