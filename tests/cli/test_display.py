"""What the displays say, without a terminal."""

from __future__ import annotations

import io
import math
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from rich.console import Console
from training.samples import load_tiny

from rnnspec.cli.console import count, has_colour, is_terminal, show_diagnostics
from rnnspec.cli.display import charts
from rnnspec.cli.display.live import LiveDisplay
from rnnspec.cli.display.plain import PlainDisplay
from rnnspec.cli.display.progress import Progress, five_numbers
from rnnspec.diagnostics import Diagnostic, Source, Span
from rnnspec.runs.divergence import Divergence
from rnnspec.runtime.batch import Stage
from rnnspec.runtime.stages import AnnealingStage
from rnnspec.training.events import Diverged, Event, Stopping, Updated
from rnnspec.training.train import train


def test_quantiles() -> None:
    assert five_numbers([3.0, 1.0, math.nan, 2.0, 4.0, 5.0]) == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert charts.quantile([0.0, 1.0], 0.25) == 0.25
    assert math.isnan(charts.quantile([], 0.5))


def test_histogram() -> None:
    values = [0.0, 0.01, 0.5, 1.0, 1.0, 1.0, 1.0, math.nan]
    assert charts.histogram(values, 4, "utf-8") == "▄ ▂█"
    assert charts.histogram(values, 4, "ascii") == "= :%"
    assert charts.histogram([], 3, "ascii") == "   "


def test_one_network_of_a_hundred_is_seen() -> None:
    assert charts.histogram([0.1] + [0.9] * 99, 2, "utf-8") == "▁█"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (75, "1 min 15 s"), (16_900, "4 h 41 min"), (200_000, "2 d 7 h")],
)
def test_span(seconds: float, text: str) -> None:
    assert charts.span(seconds) == text


def test_rate() -> None:
    assert charts.rate(2.345) == "2.35 iterations/s"
    assert charts.rate(0.25) == "4 s per iteration"


def test_a_score_is_not_rounded_up_to_the_criterion() -> None:
    assert charts.score(0.98996) == "0.989"
    assert charts.score(0.9899999999) == "0.989"
    assert [charts.score(value) for value in (0.99, 0.57, 0.29, 1.0, 0.0)] == [
        "0.990",
        "0.570",
        "0.290",
        "1.000",
        "0.000",
    ]
    assert charts.score(math.nan) == "none"


def test_the_stage_says_when_it_changes(tmp_path: Path) -> None:
    progress = Progress("tiny")
    stages: list[str] = []
    specification = load_tiny(tmp_path, method="fast")

    def observe(event: Event) -> None:
        progress.follow(event)
        stages.append(progress.stage)

    train(specification, out=None, observer=observe)
    assert list(dict.fromkeys(stages)) == [
        "beta 0.5 until iteration 2",
        "beta 0.75 until iteration 4",
        "beta 1",
    ]
    assert progress.title == "tiny: 3 networks on cpu, target cpu"
    assert (progress.completed, len(progress.history), progress.finished) == (6, 3, True)
    assert progress.speed > 0


def shown(display: LiveDisplay, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width).print(display.render())
    return text.getvalue()


def test_what_the_live_display_says_of_trouble(tmp_path: Path) -> None:
    display = LiveDisplay("tiny")
    try:
        train(load_tiny(tmp_path, "training.iterations=2"), out=None, observer=display)
        display(Diverged((Divergence(network=1, iteration=2, cause="its loss was not finite"),)))
        display.progress.finished = False
        display(Stopping("interrupted"))
    finally:
        display.close()
    text = shown(display, width=60)
    assert "1: network 1" in text
    assert "Press Ctrl-C to stop at once" in text
    assert max(map(len, text.splitlines())) <= 60


def test_plain_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay("tiny")
    train(load_tiny(tmp_path, "training.evaluate=none"), out=None, observer=display)
    display(Stopping("terminated"))
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "tiny: 3 networks on cpu, target cpu"
    assert lines[-2].startswith("iteration 6/6  loss 0.")
    assert lines[-1] == "Stopping after this iteration. Press Ctrl-C to stop at once."


def test_the_warm_up_says_nothing_of_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations of a minute, in which torch compiles, then one each second."""
    clock = iter([120.0, 121.0, 122.0])
    monkeypatch.setattr("rnnspec.cli.display.progress.time.monotonic", lambda: next(clock))
    progress = Progress("tiny")
    annealing = AnnealingStage((), None, Stage(Fraction(1), ()))
    speeds = []
    for completed in range(1, 5):
        progress.follow(Updated(completed, annealing, torch.tensor([0.1])))
        speeds.append(progress.speed)
    assert speeds == [0.0, 0.0, 1.0, 1.0]


def test_the_time_left_is_shown_soon(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Until it is known, lines come each second."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    display, annealing = PlainDisplay("tiny"), AnnealingStage((), None, Stage(Fraction(1), ()))
    for completed in range(1, 9):
        now += 1.0
        display(Updated(completed, annealing, torch.tensor([0.1])))
    lines = capfd.readouterr().err.splitlines()
    assert [line.split("/")[0] for line in lines] == ["iteration 1", "iteration 2", "iteration 3"]
    assert ["left" in line for line in lines] == [False, False, True]


def test_pictures_fit_a_narrow_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    display = LiveDisplay("tiny")
    try:
        train(load_tiny(tmp_path), out=None, observer=display)
    finally:
        display.close()
    lines = shown(display, width=40).splitlines()
    (picture,) = [line for line in lines if "networks  " in line and "|" in line]
    assert picture.rstrip().endswith("| 1")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_only_where_someone_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    span = Span(Source("a.yaml", "dt: 5"), 1, 5, 1, 6)
    problem = Diagnostic("RS014", "error", "5 has no unit", span, "a time", "write '5 ms'")
    plain, terminal = io.StringIO(), Terminal()
    show_diagnostics([problem], plain)
    show_diagnostics([problem], terminal)
    assert "\x1b" not in plain.getvalue()
    assert "\x1b[31merror[RS014] \x1b[0m" in terminal.getvalue()
    assert (is_terminal(terminal), has_colour(terminal)) == (True, True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert (is_terminal(terminal), has_colour(terminal)) == (True, False)
    monkeypatch.setenv("TERM", "dumb")
    assert not is_terminal(terminal)


def test_count() -> None:
    assert [count(n, "error") for n in (0, 1, 1234)] == ["0 errors", "1 error", "1,234 errors"]
