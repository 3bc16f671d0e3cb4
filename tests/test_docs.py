"""What README, docs/runs.md and docs/python.md show works, and the names in their tables are the real ones.

Commands and blocks run as they stand, in a folder with the shipped specs, made small, and the run they name.
"""

from __future__ import annotations

import csv
import inspect
import json
import math
import re
import shlex
import shutil
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from cli.command import ROOT, rnnspec
from safetensors.numpy import load_file
from training.samples import TINY

import rnnspec as package
from rnnspec.runs.divergence import Divergence
from rnnspec.runs.identity import identity
from rnnspec.runs.manifest import Ending

RUN = "go-95d95dc9"
SMALL = {
    "{every: 10, batch: 200}": "{every: 2, batch: 4}",
    "dt: 5 ms": "dt: 10 ms",
    "networks: 100": "networks: 2",
    "batch: 20": "batch: 4",
    "iterations: 40000": "iterations: 3",
}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, languages: str) -> list[tuple[str, str]]:
    """Return the language and the text of every block of a page in some languages, in order."""
    return re.findall(rf"^```({languages})\n(.*?)^```", page(name), flags=re.DOTALL | re.MULTILINE)


def tables(name: str, heading: str) -> list[list[list[str]]]:
    """Return the cells of the tables between a heading and the next."""
    part = re.split(r"^#+ ", page(name), flags=re.MULTILINE)
    (text,) = (text for text in part if text.splitlines()[:1] == [heading])
    found = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    return [[[cell.strip() for cell in row[1:-1].split("|")] for row in t.splitlines()[2:]] for t in found]


def named(rows: list[list[str]]) -> set[str]:
    """Return what stands in backticks in the first column."""
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}


def flat(value: Mapping[str, object], *inside: str) -> set[str]:
    """Return the keys of a JSON object, and those of the objects `inside` it behind a dot."""
    names = set()
    for key, item in value.items():
        names |= {f"{key}.{inner}" for inner in item} if key in inside and isinstance(item, dict) else {key}
    return names


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to type the commands in: small specs, and a run with the name that the pages give it."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "specs", folder / "specs")
    base = folder / "specs" / "base" / "cognitive.yaml"
    text = base.read_text(encoding="utf-8")
    for old, new in SMALL.items():
        assert old in text
        text = text.replace(old, new)
    base.write_text(text, encoding="utf-8")
    answer = rnnspec("train", folder / "specs" / "go.yaml", "--out", folder / "runs", "-q")
    assert answer.code == 0, answer.err
    (run,) = (folder / "runs").iterdir()
    run.rename(folder / "runs" / RUN)
    return folder


@pytest.fixture
def desk(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield place
    for module in ("graph", "matplotlib", "matplotlib.pyplot"):
        sys.modules.pop(module, None)


def type_commands(text: str) -> int:
    """Run the `rnnspec` lines of a block of shell; return how many there were."""
    lines = [line for line in text.splitlines() if line.startswith("rnnspec ")]
    for line in lines:
        answer = rnnspec(*shlex.split(line, comments=True)[1:])
        assert answer.code == 0, f"{line}\n{answer.err}"
    return len(lines)


def run_page(name: str) -> dict[str, object]:
    """Run the commands and the Python of a page, commands first where Python reads what they write."""
    names: dict[str, object] = {}
    for language, text in sorted(blocks(name, "sh|python"), key=lambda block: block[0] != "sh"):
        if language == "sh":
            type_commands(text)
        elif "import pandas" not in text:
            exec(compile(text, name, "exec"), names)
    return names


# --- README ------------------------------------------------------------------------------------------


def test_the_commands_of_the_readme_work(desk: Path) -> None:
    assert sum(type_commands(text) for _, text in blocks("README.md", "sh")) >= 3
    (training,) = re.findall(r"\.venv/bin/(rnnspec train .*)", page("README.md"))
    assert type_commands(training) == 1


def test_the_readme_names_the_run_that_its_first_command_makes() -> None:
    (words,) = re.findall(r"\.venv/bin/rnnspec train (.*)", page("README.md"))
    path, flag, setting = shlex.split(words)
    assert flag == "--set"
    specification = package.load(ROOT / path, settings=[setting])
    assert f"{specification.program.name}-{identity(specification.text)[:8]}" == RUN
    assert set(re.findall(r"runs/([\w-]+)", page("README.md"))) == {RUN}


def test_the_plot_of_the_readme(desk: Path) -> None:
    """matplotlib is not ours to require: what it is given is looked at instead."""
    lines: list[tuple[np.ndarray, np.ndarray]] = []
    pyplot = types.ModuleType("matplotlib.pyplot")
    vars(pyplot).update(plot=lambda x, y: lines.append((x, y)), savefig=lambda name: None)
    sys.modules["matplotlib"] = types.ModuleType("matplotlib")
    sys.modules["matplotlib.pyplot"] = pyplot
    ((_, text),) = blocks("README.md", "py")
    names: dict[str, object] = {}
    exec(compile(text, "README.md", "exec"), names)
    assert len(lines) == 8
    recording = names["recording"]
    assert isinstance(recording, package.Recording)
    steps = recording["time"].values.size
    for x, y in lines:
        assert x.shape == y.shape == (steps,)
        assert np.isfinite(x).all()
        assert np.ptp(x) > 0


WRONG = """\
rnnspec: 1
name: delay
summary: Hold a direction in memory through a delay, then report it.
extends: base/delayed_response.yaml

task:
  draw:
    modality: choice(1, 2)
    direction: uniform(0, 2*pi)
  input: {rule: onehot(2)}
  epochs:
    stimulus:
      input:
        modality_1: 0.8 * ring(direction) * (modality = 1)
        modality_2: 0.8 * ring(direction) * (modality == 2)
    delay:
      duration: 500
    response:
      target: {saccade: 0.05 + 0.8 * ring(direction)}
skips:
  edges:
    late: {kind: sctt, from: stimulsu.end, to: trial.end}
"""


def test_the_problems_that_the_readme_shows(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk / "specs" / "delay.yaml").write_text(WRONG, encoding="utf-8")
    monkeypatch.chdir(desk / "specs")
    (shown,) = re.findall(r"^\$ rnnspec validate delay.yaml\n(.*?)^```", page("README.md"), re.DOTALL | re.M)
    assert rnnspec("validate", "delay.yaml").out == shown


def test_the_problem_that_the_language_page_shows(desk: Path) -> None:
    edge = "    late:\n      kind: sctt\n      from: stimulsu.end\n      to: trial.end\n"
    head = "rnnspec: 1\nname: delay\nextends: delayed_go.yaml\nskips:\n  edges:\n"
    lines = 14 - len((head + edge).splitlines()) + 1
    (desk / "specs" / "delay.yaml").write_text("#\n" * lines + head + edge, encoding="utf-8")
    (shown,) = re.findall(r"^```\n(specs/delay.yaml:.*?)^```", page("docs/language.md"), re.DOTALL | re.M)
    assert rnnspec("validate", "specs/delay.yaml").out == shown


def test_links_lead_somewhere() -> None:
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target, anchor in re.findall(
            r"\]\((?!https?:)([^)#\s]*)(#[^)\s]+)?\)", path.read_text(encoding="utf-8")
        ):
            file = path.parent / target if target else path
            assert file.exists(), f"{path.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
                slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
                assert anchor[1:] in slugs, f"{path.name}: {target}{anchor}"


# --- docs/runs.md ------------------------------------------------------------------------------------


def test_the_blocks_about_runs_work(desk: Path) -> None:
    names = run_page("docs/runs.md")
    performance, reported = names["performance"], names["reported"]
    assert isinstance(performance, np.ndarray)
    assert isinstance(reported, np.ndarray)
    assert performance.shape == (2, 2)
    assert np.isfinite(performance).all()
    assert reported.shape[::3] == (2, 20)
    assert reported.shape[2] > 10
    weights = names["weights"]
    assert isinstance(weights, dict)
    assert weights["w_rec/input->output"].shape == (2, 20, 20)


def test_the_pandas_of_the_page_works(desk: Path) -> None:
    pytest.importorskip("pandas")
    for language, text in blocks("docs/runs.md", "sh|python"):
        if language == "sh":
            type_commands(text)
    (text,) = (text for _, text in blocks("docs/runs.md", "python") if "import pandas" in text)
    exec(compile(text, "docs/runs.md", "exec"), {})


def test_the_page_has_every_file_and_field_of_a_run(place: Path) -> None:
    run = place / "runs" / RUN
    (files,) = tables("docs/runs.md", "Runs")
    assert named(files) == {path.name for path in run.iterdir()}

    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    (rows,) = tables("docs/runs.md", "manifest.json")
    rows = [row for row in rows if not row[0].startswith("`origin.")]
    assert named(rows) - {"result", "kernel"} == flat(manifest, "versions", "result", "kernel")
    (described,) = (row[1] for row in rows if row[0] == "`result.diverged`")
    assert set(re.findall(r"`(\w+)`", described)) == set(Divergence.model_fields)

    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    (rows,) = tables("docs/runs.md", "metrics.jsonl")
    for line in lines:
        assert named(rows) == flat(json.loads(line), "stages")

    times = [json.loads(line) for line in (run / "timing.jsonl").read_text(encoding="utf-8").splitlines()]
    (rows,) = tables("docs/runs.md", "timing.jsonl")
    assert [list(time) for time in times] == [
        ["started"],
        *[["iteration", "seconds"]] * len(lines),
        ["finished", "seconds"],
    ]
    assert named(rows) == {"resumed", *(key for time in times for key in time)}


def test_the_page_has_every_status() -> None:
    (rows,) = tables("docs/runs.md", "manifest.json")
    (described,) = (row[1] for row in rows if row[0] == "`status`")
    assert set(re.findall(r"`(\w+)`", described)) == {*get_args(Ending), "running"}


DALE = """\
rnnspec: 1
network:
  populations: {input: {sign: excitatory}}
  connections: {output -> input: none, input -> output: {sign: inhibitory}}
  outputs: {fixation: {bias: true}, saccade: {bias: true}}
"""


def test_weights_are_called_and_shaped_as_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    (tmp_path / "dale.yaml").write_text(DALE, encoding="utf-8")
    result = package.train(tmp_path / "tiny.yaml", overlays=[tmp_path / "dale.yaml"], out=tmp_path / "runs")
    assert result.folder is not None
    network = result.simulation.program.network
    units = {
        kind: {part.name: part.stop - part.start for part in parts}
        for kind, parts in (("A", network.populations), ("U", network.inputs), ("Y", network.outputs))
    }
    units["B"] = units["A"]
    (rows,) = tables("docs/runs.md", "weights.safetensors")
    shapes = {}
    for name, shape in ((row[0].strip("`"), row[1]) for row in rows):
        kind, ends = name.split("/")
        axes = re.findall(r"units of (\w)", shape)
        for first in units[ends[0]]:
            for last in units[ends[-1]] if "->" in ends else [first]:
                sizes = {ends[-1]: units[ends[-1]][last], ends[0]: units[ends[0]][first]}
                key = f"{kind}/{first}->{last}" if "->" in ends else f"{kind}/{first}"
                shapes[key] = (3, *(sizes[axis] for axis in axes))
    found = {name: value.shape for name, value in load_file(result.folder / "weights.safetensors").items()}
    assert shapes.pop("w_rec/output->input")  # is none, as what `to` and `from` leave out
    absent = ("w_in/cue->output", "w_in/stimulus->output", "w_out/input->fixation", "w_out/input->saccade")
    for name in absent:
        shapes.pop(name)
    raw = {f"raw/{name}": shapes[name] for name in ("w_rec/input->input", "w_rec/input->output")}
    assert found == shapes | raw
    weights = load_file(result.folder / "weights.safetensors")
    assert (weights["w_rec/input->output"] == -np.maximum(weights["raw/w_rec/input->output"], 0)).all()


def test_the_same_bytes_again(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    first, second = (package.train(tmp_path / "tiny.yaml", out=tmp_path / "runs").folder for _ in range(2))
    assert first is not None
    assert second is not None
    assert second.name == f"{first.name}-2"
    files = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    differ = {file.name for file in files if (first / file).read_bytes() != (second / file).read_bytes()}
    # Clocks may differ, and need not: a checkpoint too knows how long it took to get there.
    assert differ <= {"timing.jsonl", "000000006.json"}


def test_tables_of_trials_and_evaluations(desk: Path) -> None:
    answer = rnnspec("evaluate", f"runs/{RUN}", "--sequences", 3, "--trials", "few.csv", "--json")
    (sentence,) = re.findall(r"object with ([^.]*)\.", page("docs/runs.md"))
    assert set(re.findall(r"`(\w+)`", sentence)) == set(json.loads(answer.out))
    with (desk / "few.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    (table,) = tables("docs/runs.md", "evaluate")
    fixed = [name for row in table for name in re.findall(r"`(\w{2,})`", row[0])]
    assert header == [*fixed, "modality", "direction"]
    assert len(rows) == 2 * 3
    assert all(0 <= float(row[-1]) < 2 * math.pi for row in rows)


def test_arrays_of_simulations(desk: Path) -> None:
    recording = package.simulate(f"runs/{RUN}", 3)
    (table,) = tables("docs/runs.md", "simulate")
    listed: dict[str, tuple[str, ...]] = {}
    for row in table:
        names, axes = re.findall(r"`([\w/]+)`", row[0]), tuple(re.findall(r"\w+", row[1]))
        for place, name in enumerate(names):
            # `input`, `output`: each along its own axis.
            listed[name] = axes[place : place + 1] if row[0] == "`input`, `output`" else axes
    variable = listed.pop("variable/NAME")
    listed |= {f"variable/{name}": variable for name in ("modality", "direction")}
    assert listed == {name: array.axes for name, array in recording.items()}


# --- docs/python.md ----------------------------------------------------------------------------------


def test_the_python_page_works(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run_page("docs/python.md")
    result, trained, copy = names["result"], names["trained"], names["copy"]
    assert isinstance(result, package.Result)
    assert isinstance(trained, package.Simulation)
    assert isinstance(copy, package.Simulation)
    # What the page says of the results.
    assert (result.status, result.iterations, len(result.performance)) == ("finished", 20, 4)
    for name, value in trained.state_dict().items():
        assert torch.equal(value, result.simulation.state_dict()[name])
        assert torch.equal(value, copy.state_dict()[name])
    # graph.py gives the same bits, from the same weights, which the file alone gives too.
    assert isinstance(weights := names["weights"], dict)
    for name, value in trained.weights().items():
        assert torch.equal(weights[name], value)
    specification = names["specification"]
    assert isinstance(specification, package.Specification)
    plain = package.compile(specification, target="torch")
    plain.load_state_dict(trained.state_dict())
    outcome: package.Outcome = plain(8, record=True)
    assert outcome.rates is not None
    assert outcome.outputs is not None
    graph: Any = names["graph"]
    batch, rates = names["batch"], names["rates"]
    torch.testing.assert_close(trained(8).loss, outcome.loss)
    assert torch.equal(graph.loss(batch, weights), outcome.loss)
    assert torch.equal(graph.performance(batch), outcome.performance)
    assert isinstance(rates, torch.Tensor)
    assert torch.equal(rates, outcome.rates)
    y = names["y"]
    assert isinstance(y, dict)
    assert torch.equal(torch.cat(list(y.values()), -1), outcome.outputs)
    # Both mistakes of the last block are reported.
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()[-2:]} == {"RS013", "RS014"}


def test_the_signatures_of_the_page() -> None:
    functions, *_ = tables("docs/python.md", "Load, train, evaluate, simulate")
    shown = [re.fullmatch(r"`(\w+)\((.*)\)`", row[0]) for row in functions]
    assert {call[1] for call in shown if call} == {
        "load",
        "compile",
        "train",
        "resume",
        "extend",
        "evaluate",
        "guess",
        "simulate",
        "load_run",
        "plot_gradients",
    }
    for call in shown:
        assert call
        parameters = inspect.signature(getattr(package, call[1])).parameters.values()
        keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        words = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        assert call[2] == ", ".join([*words, *(["*", *keywords] if keywords else [])])


def test_the_shapes_of_the_page(desk: Path) -> None:
    parameters, arguments, outcomes = tables("docs/python.md", "A Simulation is a torch.nn.Module")
    simulation = package.compile(
        "specs/rule_reversal.yaml",
        settings=["network.outputs.response.bias=true", "training.networks=3"],
    )
    assert named(arguments) == set(inspect.signature(simulation.forward).parameters) | {
        "train",
        "evaluate",
        "simulate",
        "Stage(theta, betas)",
        "False",
    } & named(arguments)
    network = simulation.program.network
    outcome = simulation(4, record=True)
    assert {row[0].strip("`") for row in outcomes} == {field.name for field in fields(outcome)}
    sizes = {"K": 3, "B": 4, "N": network.units, "T": int(outcome.steps.max()), "trials": 5, "1": 1}
    assert {row[0].strip("`") for row in parameters} == dict(simulation.named_parameters()).keys()
    for name, shape, *_ in parameters:
        name = name.strip("`")
        channels = network.input_units if name == "w_in" else network.output_units
        expected = [{**sizes, "C": channels}[axis] for axis in re.findall(r"\w+", shape)]
        assert list(simulation.get_parameter(name).shape) == expected
    for name, shape, *_ in outcomes:
        name = name.strip("`")
        values = getattr(outcome, name)
        channels = network.input_units if name == "inputs" else network.output_units
        own = {**sizes, "C": channels}
        # Some alternatives: `(B,) or (1,)`, and K' for K or 1.
        allowed = []
        for text in shape.split(" or "):
            axes = re.findall(r"[\w']+", text)
            for shared in (1, 3):
                allowed.append([{**own, "K'": shared}[axis] for axis in axes])
        for value in values.values() if isinstance(values, Mapping) else [values]:
            assert list(value.shape) in allowed, name


def test_the_errors_of_the_page() -> None:
    (rows,) = tables("docs/python.md", "Errors")
    held = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in rows}
    with pytest.raises(package.SpecError) as wrong:
        package.load(ROOT / "specs" / "nothing.yaml")
    each = {field.name for field in fields(wrong.value.diagnostics[0])}
    assert held["SpecError"] == set(vars(wrong.value)) | each
    with pytest.raises(package.RequestError) as refused:
        package.load_run(ROOT)
    assert held["RequestError"] == set(vars(refused.value))
