"""Criteria about phases: when training stops, what holds it back, and what is stored and shown of it."""

from __future__ import annotations

import io
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli.command import rnnspec
from rich.console import Console
from runs.tampering import sealed
from support import program
from training.samples import load_tiny, write_tiny
from training.test_resume import assert_same, folder_of, stop_at, train

from rnnspec.analysis.criterion import below_criterion, is_reached, phase_means
from rnnspec.cli.display.live import LiveDisplay
from rnnspec.cli.display.phases import describe_below, describe_criterion, describe_phases
from rnnspec.cli.display.plain import PlainDisplay
from rnnspec.files import sha256
from rnnspec.program.nodes import Stop
from rnnspec.runs.status import run_status
from rnnspec.training.resume import resume
from rnnspec.training.train import train as train_once

SUCCESS = "task: {success: answered == 1, epochs: {response: {read: {answered: fixation < 0.5}}}}"


def stop(*of: str, performance: float = 0.9, trim: float = 0.0) -> Stop:
    return Stop((), performance, trim, of or None)


PHASES = {"hold": 0.95, "respond": 0.6}


def test_what_reaches_a_criterion() -> None:
    assert is_reached(stop(), 0.9, PHASES)
    assert not is_reached(stop(), 0.89, {"hold": 1.0, "respond": 1.0})
    assert is_reached(stop("hold"), 0.0, PHASES)
    assert not is_reached(stop("hold", "respond"), 1.0, PHASES)
    assert is_reached(stop("success", "hold"), 0.9, PHASES)
    assert not is_reached(stop("success"), 0.8, {"hold": 1.0})
    assert not is_reached(stop("hold"), 1.0, {"hold": math.nan})
    assert not is_reached(stop("hold"), 1.0, {})


def test_each_phase_is_trimmed_by_itself() -> None:
    phases = {"hold": (0.0, 0.9, 1.0), "respond": (0.8, 0.1, 0.6)}
    assert phase_means(phases, stop(trim=0.34)) == {"hold": 0.9, "respond": 0.6}
    assert phase_means(phases, None)["respond"] == pytest.approx(0.5)


def test_what_holds_a_training_back() -> None:
    found = program("training: {stop: {performance: 0.9}}")

    def below(stop: Stop | None, performance: float, phases: dict[str, float], base: Any = found) -> Any:
        return below_criterion(replace(base, training=replace(base.training, stop=stop)), performance, phases)

    assert below(stop(), 0.8, PHASES) == ("respond",)
    assert below(stop(), 0.8, {"hold": 0.8, "respond": 0.6}) == ("respond", "hold")
    assert below(stop(), 0.9, PHASES) == ()
    assert below(stop("hold"), 0.8, PHASES) == ()
    assert below(stop("hold", "respond"), 0.95, {"hold": math.nan, "respond": 0.2}) == ("hold", "respond")
    assert below(None, 0.1, PHASES) == ()
    # With a success, the phases are not what is compared.
    assert below(stop(), 0.4, PHASES, program(SUCCESS)) == ("success",)
    assert below(stop("success", "respond"), 0.4, PHASES, program(SUCCESS)) == ("success", "respond")


def test_words() -> None:
    assert describe_criterion(stop()) == "0.9"
    assert describe_criterion(stop("respond")) == "0.9 in respond"
    assert describe_criterion(stop("a", "b", "c")) == "0.9 in each of a, b and c"
    assert describe_phases(PHASES, 0.9) == "hold 0.950, respond 0.600"
    assert describe_phases({"trial": 0.9}, 0.9) == ""
    assert describe_phases({"trial": 0.9}, 0.5) == "trial 0.900"
    assert describe_phases({}, math.nan) == ""
    assert describe_below(("respond", "success"), PHASES, 0.7) == "respond at 0.600, success at 0.700"


# --- a training -------------------------------------------------------------------------------------------

#: In the tiny task, networks that never fixate are right in the response and wrong before.
EASY, HARD = "respond", "every phase"


def settings(of: str, performance: float) -> tuple[str, ...]:
    return (f"training.stop={{performance: {performance}, of: {of}}}", "training.iterations=8")


def lowest_of(run: Path, phase: str) -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["phase_means"][phase] for row in rows]


def test_training_stops_when_all_that_is_named_is_there(tmp_path: Path) -> None:
    spec = write_tiny(tmp_path)
    whole = folder_of(train(spec, "fast", "training.iterations=8"))
    hold, respond = lowest_of(whole, "hold"), lowest_of(whole, "respond")
    high, low = ("hold", "respond") if hold[0] > respond[0] else ("respond", "hold")
    goal = (hold[0] + respond[0]) / 2
    assert hold[0] != respond[0]
    reached = train(spec, "fast", *settings(high, goal))
    assert (reached.status, reached.iterations) == ("reached", 2)
    assert reached.phase_means[high] >= goal > reached.phase_means[low]
    both = train(spec, "fast", *settings("every phase", goal))
    assert both.status == "finished" or both.iterations > 2
    manifest = json.loads((folder_of(reached) / "manifest.json").read_text())["result"]
    assert manifest["phase_means"] == pytest.approx(reached.phase_means, abs=1e-5)
    assert manifest["phases"][high] == pytest.approx(reached.phases[high], abs=1e-5)
    reaching = tuple(k for k, value in enumerate(reached.phases[high]) if value >= goal)
    assert tuple(manifest["reached"]) == reached.reached == reaching


def test_it_resumes_to_the_same_bits_and_the_same_end(tmp_path: Path) -> None:
    spec = write_tiny(tmp_path)
    whole = train(spec, "fast", *settings("every phase", 0.01))
    assert whole.status == "finished" or whole.status == "reached"
    assert whole.iterations >= 2
    stopped = folder_of(
        train(spec, "fast", *settings("every phase", 0.01), checkpoint_iterations=1, observer=stop_at(1))
    )
    again = resume(stopped)
    assert (again.status, again.iterations, again.phases) == (whole.status, whole.iterations, whole.phases)
    assert_same(stopped, folder_of(whole))


def test_a_checkpoint_at_the_criterion_ends_the_training_that_resumes_it(tmp_path: Path) -> None:
    """The process died between the evaluation that reached the criterion and the end."""
    spec = write_tiny(tmp_path)
    done = folder_of(train(spec, "fast", *settings("[respond, hold]", 0.0001), checkpoint_iterations=1))
    manifest = json.loads((done / "manifest.json").read_text())
    ended = (manifest["status"], manifest["result"]["iterations"])
    (done / "manifest.json").write_text(json.dumps({**manifest, "status": "running", "result": None}))
    result = resume(done)
    assert (result.status, result.iterations) == ended


def test_runs_of_before_are_read(tmp_path: Path) -> None:
    """Without phases in the manifest, in the metrics and in the checkpoints."""
    spec = write_tiny(tmp_path)
    whole = folder_of(train(spec, "fast"))
    old = folder_of(train(spec, "fast", observer=stop_at(4)))
    manifest = json.loads((old / "manifest.json").read_text())
    for key in ("phases", "phase_means"):
        del manifest["result"][key]
    (old / "manifest.json").write_text(json.dumps(manifest))
    rows = [json.loads(line) for line in (old / "metrics.jsonl").read_text().splitlines()]
    lines = [json.dumps({k: v for k, v in row.items() if k != "phase_means"}) + "\n" for row in rows]
    text = "".join(lines)
    (old / "metrics.jsonl").write_text(text)
    for file in sorted((old / "checkpoints").glob("*.json")):
        strip(file, text)
    status = run_status(old)
    assert (status.state, status.phases) == ("stopped", {})
    assert status.performance == pytest.approx(rows[-1]["trimmed_mean"])
    result = resume(old)
    assert result.phases
    assert (old / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def strip(file: Path, metrics: str) -> None:
    """Write a checkpoint as versions before did, with other metrics."""
    facts = json.loads(file.read_text())
    facts["evaluation"].pop("phases")
    data = metrics.encode()
    file.write_bytes(sealed({**facts, "metrics": {"bytes": len(data), "sha256": sha256(data)}}))


# --- what is shown ----------------------------------------------------------------------------------------


def test_phases_are_shown_wherever_performance_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path)
    words = ("train", "tiny.yaml", "--target", "torch", "--set", settings(HARD, 1.0)[0])
    answer = rnnspec(*words)
    lines = answer.out.splitlines()
    assert lines[0] == (
        "tiny finished all 6 iterations without reaching a performance of 1 in each of hold and respond."
    )
    shown = next(line for line in lines if line.startswith("  phases ")).split(maxsplit=1)[1]
    assert shown.startswith("hold 0.")
    assert ", respond " in shown
    assert (
        next(line for line in lines if line.startswith("  criterion"))
        .split(maxsplit=1)[1]
        .startswith("1 in each of hold and respond, reached by 0 of 3 networks")
    )
    assert any(line.startswith("  held back by ") for line in lines)
    assert f"  {shown}  held back by " in answer.err
    assert f"({shown})" in rnnspec("status").out
    (row,) = json.loads(rnnspec("status", "--json").out)["runs"]
    assert row["phases"].keys() == {"hold", "respond"}
    (run,) = (tmp_path / "runs").iterdir()
    shutil.rmtree(run / "checkpoints")
    measured = rnnspec("evaluate", run)
    assert measured.out.splitlines()[-4] == "What guessing scores:"
    assert measured.out.splitlines()[-3].startswith("  untrained networks 0.")
    assert json.loads(rnnspec("evaluate", run, "--json").out)["guessing"].keys() == {
        "untrained",
        "constant",
        "random",
        "targets",
    }


def test_one_phase_says_nothing_more(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one = ("task.phase=null", "task.epochs.response.phase=null", "training.stop={performance: 1}")
    display = PlainDisplay("tiny")
    train_once(load_tiny(tmp_path, *one), out=None, target="torch", observer=display)
    err = capfd.readouterr().err
    assert "performance" in err
    assert "trial" not in err
    assert "held back" not in err


def test_the_live_display_names_the_phase_that_holds_training_back(tmp_path: Path) -> None:
    display = LiveDisplay("tiny")
    try:
        goal = "training.stop={performance: 1, of: respond}"
        train_once(load_tiny(tmp_path, goal), out=None, target="torch", observer=display)
    finally:
        display.close()
    text = io.StringIO()
    Console(file=text, width=120).print(display.render())
    assert "; training stops at 1 in respond" in text.getvalue()
    (line,) = [line for line in text.getvalue().splitlines() if "phases" in line]
    assert line.rstrip().endswith("; held back by respond")
    assert "hold 0." in line
