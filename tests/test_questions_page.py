"""docs/questions.md: its recipes run in the order of the page, on one small run of its own spec."""

from __future__ import annotations

import csv
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.command import ROOT, rnnspec
from training.samples import TARGET

import rnnspec as package
from rnnspec.runs.identity import identity

PAGE = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(yaml|sh|python)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
RUN = "decide-101934cc"
#: What makes the page quick.
SMALL = {"iterations: 2000": "iterations: 3", "{every: 50, batch: 500}": "{every: 3, batch: 8}"}


def smaller(text: str) -> str:
    for old, new in (
        ("1800", "18"),
        ("range(200)", "range(3)"),
        ("range(5)", "range(2)"),
        ("96", "8"),
        ("(50,", "(10,"),
    ):
        text = text.replace(old, new)
    return text


def test_the_page_names_the_run_that_it_trains(tmp_path: Path) -> None:
    (tmp_path / "decide.yaml").write_text(BLOCKS[0][1], encoding="utf-8")
    specification = package.load(tmp_path / "decide.yaml")
    assert f"decide-{identity(specification.text)[:8]}" == RUN
    assert set(re.findall(r"runs/(decide[\w-]*)", PAGE)) == {RUN}
    assert not specification.warnings


def test_the_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    outputs = []
    for language, text in BLOCKS:
        if language == "yaml":
            path = Path(text.splitlines()[0].removeprefix("# "))
            for old, new in SMALL.items():
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")
        elif language == "python":
            exec(compile(smaller(text), "docs/questions.md", "exec"), names)
        for line in text.splitlines() if language == "sh" else ():
            words = shlex.split(smaller(line))[1:]
            more = ["--target", TARGET, "-q"] if words[0] == "train" else []
            answer = rnnspec(*words, *more)
            assert answer.code == 0, f"{line}\n{answer.err}"
            if words[0] == "train":
                (made,) = Path("runs").iterdir()
                made.rename(Path("runs") / RUN)
            else:
                outputs.append(answer.out)
    assert len(outputs) == 5
    assert all("changed: " in text for text in outputs)
    with Path("trials.csv").open(encoding="utf-8", newline="") as file:
        assert {row["condition"] for row in csv.DictReader(file)} == {str(number) for number in range(10)}
    assert names["curve"].shape == (4, 9, 2)
    assert ((names["curve"] >= 0) & (names["curve"] <= 1)).all()
    assert np.shape(names["generalisation"]) == np.shape(names["robustness"]) == (4, 4)
    assert len(set(names["again"])) > 1
    assert names["averages"].shape == (4, 4, 60, 32)
    assert np.isfinite(names["averages"]).all()
    deviation = names["deviation"]
    assert deviation.shape == (4, 60)
    assert (deviation[:, :30] == 0).all()
    assert (deviation[:, 30:].sum(1) > 0).all()
    assert names["speed"].shape == names["stable"].shape == (4, 10)
    assert names["eigenvalues"].shape == (4, 10, 32)


def test_the_options_of_the_page() -> None:
    (rows,) = re.findall(r"^\| option \|.*\n\|.*\n((?:\|.*\n)+)", PAGE, flags=re.MULTILINE)
    options = re.findall(r"^\| `(--[\w-]+)", rows, flags=re.MULTILINE)
    words = re.findall(r"\| `(\w+)=", rows)
    for command in ("evaluate", "simulate"):
        shown = rnnspec(command, "--help").out
        assert all(option in shown for option in options)
    for function in (package.evaluate, package.simulate, package.load_run):
        assert set(words) <= inspect.signature(function).parameters.keys()
    assert len(options) == len(words) == 5
