"""The specs that come with the project say what docs/science.md says.

The tables below are written out by hand from that page, apart from the specs: a slip in either shows here.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from evaluation import Values, evaluate

from rnnspec.catalogue import minimal
from rnnspec.check.examine import examine
from rnnspec.diagnostics import Problems, render_text
from rnnspec.program.distributions import USAGE
from rnnspec.program.nodes import Apply, Epoch, Number, PeriodicSkip, PointSkip, Program
from rnnspec.program.types import CALLABLE
from rnnspec.spec.schema import json_schema
from rnnspec.syntax.compose import compose

SPECS = Path(__file__).parent.parent / "specs"
METHODS = ("control", "cd10", "sctt10", "sctt40", "dasc10", "dasc40", "strategic")

MS = Fraction(1, 1000)
CONTEXT, HOLD, DELAY, LEAD_IN, JITTER = 1000, 500, 1000, 200, 100

#: Family: its epochs, with the mean duration and jitter in ms.
FAMILIES: dict[str, dict[str, tuple[int, int]]] = {
    "A": {
        "context": (CONTEXT, 0),
        "fixation": (HOLD, JITTER),
        "stimulus": (HOLD, JITTER),
        "response": (HOLD, 0),
    },
    "B": {
        "context": (CONTEXT, 0),
        "fixation": (HOLD, JITTER),
        "stimulus": (HOLD, JITTER),
        "delay": (DELAY, JITTER),
        "response": (HOLD, 0),
    },
    "C": {
        "context": (CONTEXT, 0),
        "fixation": (HOLD, JITTER),
        "stimulus_1": (HOLD, JITTER),
        "delay": (DELAY, JITTER),
        "stimulus_2": (HOLD, JITTER),
        "response": (HOLD, 0),
    },
}


@dataclass(frozen=True)
class Trial:
    """What a trial must be: bumps (modality, direction, strength) per epoch; the answer, None for holding."""

    bumps: Mapping[str, list[tuple[int, float, float]]]
    answer: float | None


@dataclass(frozen=True)
class Task:
    label: str
    family: str
    rule: int
    trial: Callable[[Values], Trial]
    reaction: bool = False


def one_bump(epoch: str, turn: float = 0.0) -> Callable[[Values], Trial]:
    return lambda v: Trial({epoch: [(int(v["modality"]), v["direction"], 1.0)]}, v["direction"] + turn)


def two_bumps(
    delayed: bool, strengths: Callable[[Values], list[tuple[int, float, float]]]
) -> Callable[[Values], Trial]:
    """strengths: for each modality shown, its number and the strengths of the first and the second bump."""

    def trial(v: Values) -> Trial:
        shown = strengths(v)
        first = [(modality, v["first"], a) for modality, a, _ in shown]
        second = [(modality, v["second"], b) for modality, _, b in shown]
        answer = v["first"] if v["difference"] > 0 else v["second"]
        if delayed:
            return Trial({"stimulus_1": first, "stimulus_2": second}, answer)
        return Trial({"stimulus": first + second}, answer)

    return trial


def plain(v: Values) -> list[tuple[int, float, float]]:
    return [(1, v["mean"] + v["difference"], v["mean"] - v["difference"])]


def distracted(v: Values) -> list[tuple[int, float, float]]:
    other = (2, v["other_mean"] + v["other_difference"], v["other_mean"] - v["other_difference"])
    return [*plain(v), other]


def multisensory(v: Values) -> list[tuple[int, float, float]]:
    ((_, a, b),) = plain(v)
    k, other = v["gain_1"], 2 - v["gain_1"]
    return [(1, k * a, k * b), (2, other * a, other * b)]


def matching(respond: Callable[[bool], bool]) -> Callable[[Values], Trial]:
    def trial(v: Values) -> Trial:
        bumps = {
            "stimulus_1": [(int(v["first_modality"]), v["first"], 1.0)],
            "stimulus_2": [(int(v["second_modality"]), v["second"], 1.0)],
        }
        return Trial(bumps, v["second"] if respond(bool(v["match"])) else None)

    return trial


def on_match(match: bool) -> bool:
    return match


def on_nonmatch(match: bool) -> bool:
    return not match


TASKS = {
    "go": Task("go", "A", 0, one_bump("stimulus")),
    "reaction_go": Task("rtgo", "A", 1, one_bump("response"), reaction=True),
    "delayed_go": Task("dgo", "B", 2, one_bump("stimulus")),
    "anti": Task("anti", "A", 3, one_bump("stimulus", math.pi)),
    "reaction_anti": Task("rtanti", "A", 4, one_bump("response", math.pi), reaction=True),
    "delayed_anti": Task("danti", "B", 5, one_bump("stimulus", math.pi)),
    "decision_making": Task("dm", "A", 6, two_bumps(False, plain)),
    "decision_making_distractor": Task("dmd", "A", 8, two_bumps(False, distracted)),
    "multisensory_decision_making": Task("msdm", "A", 10, two_bumps(False, multisensory)),
    "delayed_decision_making": Task("ddm", "C", 11, two_bumps(True, plain)),
    "delayed_decision_making_distractor": Task("ddmd", "C", 13, two_bumps(True, distracted)),
    "delayed_multisensory_decision_making": Task("msddm", "C", 15, two_bumps(True, multisensory)),
    "delayed_match_to_sample": Task("dms", "C", 16, matching(on_match)),
    "delayed_nonmatch_to_sample": Task("dnms", "C", 17, matching(on_nonmatch)),
    "delayed_match_to_category": Task("dmc", "C", 18, matching(on_match)),
    "delayed_nonmatch_to_category": Task("dnmc", "C", 19, matching(on_nonmatch)),
}
ALL = (*TASKS, "rule_reversal")

#: The positions of the rule cue, as docs/science.md lists them.
RULE_ORDER = [
    *("go", "rtgo", "dlygo", "anti", "rtanti", "dlyanti"),
    *("dm1", "dm2", "ctxdm1", "ctxdm2", "multsendm"),
    *("dlydm1", "dlydm2", "ctxdlydm1", "ctxdlydm2", "multsendlydm"),
    *("dms", "dnms", "dmc", "dnmc"),
]


@cache
def program(name: str, method: str | None = None) -> Program:
    """Return a checked program; any diagnostic at all is a failure."""
    problems = Problems()
    overlays = [SPECS / "methods" / f"{method}.yaml"] if method else []
    document = compose(SPECS / f"{name}.yaml", overlays, (), problems=problems)
    found = examine(document, problems) if document else None
    assert not problems.found, render_text(problems.sorted())
    assert found is not None
    return found


def epoch(name: str, which: str) -> Epoch:
    return next(e for e in program(name).timeline.epochs if e.name == which)


def bump(direction: float, size: int = 32) -> list[float]:
    """exp(-1/2 (8 d / pi)^2): equations (3) and (4) without their factors."""
    distances = (
        abs((direction - 2 * math.pi * i / size + math.pi) % (2 * math.pi) - math.pi) for i in range(size)
    )
    return [math.exp(-0.5 * (8 * d / math.pi) ** 2) for d in distances]


def distance(a: float, b: float) -> float:
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


def trials(name: str, count: int = 60) -> list[Values]:
    """Draw the variables of trials, each from the program's own draws."""
    source = random.Random(f"trials of {name}")
    drawn = []
    for _ in range(count):
        values: Values = {}
        for draw in program(name).timeline.draws:
            (value,) = draw.values
            values[draw.name] = evaluate(value, values, source)
        drawn.append(values)
    return drawn


# --- every file --------------------------------------------------------------------------------------


def test_the_table_names_the_files() -> None:
    assert sorted(path.stem for path in SPECS.glob("*.yaml")) == sorted(ALL)
    assert sorted(path.stem for path in (SPECS / "methods").glob("*.yaml")) == sorted(METHODS)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("method", [None, *METHODS])
def test_every_task_goes_with_every_method(name: str, method: str | None) -> None:
    found = program(name, method)
    assert found.name == name
    base = program(name)
    assert (found.network, found.timeline, found.training) == (base.network, base.timeline, base.training)
    if method in (None, "control"):
        assert found == base


@pytest.mark.parametrize("path", sorted((SPECS / "base").glob("*.yaml")), ids=lambda path: path.stem)
def test_fragments_stand_alone(path: Path) -> None:
    problems = Problems()
    document = compose(path, (), (), problems=problems)
    assert document is not None
    assert "name" not in document.value
    assert examine(document, problems) is None
    assert not problems.found, render_text(problems.sorted())


@pytest.mark.parametrize("path", sorted(SPECS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_files_are_short_and_know_their_schema(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    up = "../" * (len(path.relative_to(SPECS).parts) - 1)
    assert lines[0] == f"# yaml-language-server: $schema={up}rnnspec.schema.json"
    assert len(lines) <= (70 if path.stem == "rule_reversal" else 40)
    assert max(len(line) for line in lines) <= 110
    assert "rnnspec: 1" in lines


@pytest.mark.parametrize("name", ALL)
def test_summaries_are_one_sentence(name: str) -> None:
    assert re.fullmatch(r"[A-Z][^.]+\.", program(name).summary)


# --- the sixteen tasks -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_epochs(name: str) -> None:
    task, timeline = TASKS[name], program(name).timeline
    assert {e.name: (e.duration.time, e.jitter) for e in timeline.epochs} == {
        which: (mean * MS, jitter * MS) for which, (mean, jitter) in FAMILIES[task.family].items()
    }
    assert [e.name for e in timeline.epochs] == list(FAMILIES[task.family])
    assert [e.name for e in timeline.epochs if not e.gradient] == ["context"]
    assert [e.name for e in timeline.epochs if e.correct is None] == ["context"]
    assert {e.name: e.grace for e in timeline.epochs if e.grace} == {
        "fixation": LEAD_IN * MS,
        "response": LEAD_IN * MS,
    }
    assert {e.name: e.phase for e in timeline.epochs if e.correct} == {
        which: "respond" if which == "response" else "hold"
        for which in FAMILIES[task.family]
        if which != "context"
    }
    assert (timeline.trials, timeline.burn_in) == (1, 0)
    assert program(name).label == task.label


@pytest.mark.parametrize("name", TASKS)
def test_the_rule_cue_is_on_throughout(name: str) -> None:
    task = TASKS[name]
    for e in program(name).timeline.epochs:
        (cue,) = (d.value for d in e.drives if d.channel == "rule")
        assert isinstance(cue, Apply)
        assert cue.function == "onehot"
        assert cue.type.size == len(RULE_ORDER)
        (position,) = cue.arguments
        assert isinstance(position, Number)
        assert position.value == task.rule


def test_rule_positions_follow_the_order() -> None:
    positions = {
        "rtgo": "rtgo", "dgo": "dlygo", "danti": "dlyanti", "dm": "dm1", "dmd": "ctxdm1", "msdm": "multsendm",
        "ddm": "dlydm1", "ddmd": "ctxdlydm1", "msddm": "multsendlydm",
    }  # fmt: skip
    for task in TASKS.values():
        assert RULE_ORDER.index(positions.get(task.label, task.label)) == task.rule


@pytest.mark.parametrize("name", TASKS)
def test_inputs(name: str) -> None:
    task = TASKS[name]
    for values in trials(name):
        wanted = task.trial(values)
        for e in program(name).timeline.epochs:
            drives = {d.channel: evaluate(d.value, values) for d in e.drives}
            fixating = e.name not in ("context", "response") or (e.name == "response" and task.reaction)
            assert drives.get("fixation", 0) == (1 if fixating else 0)
            for modality in (1, 2):
                ring = [0.0] * 32
                for m, direction, strength in wanted.bumps.get(e.name, []):
                    if m == modality:
                        ring = [r + 0.8 * strength * b for r, b in zip(ring, bump(direction), strict=True)]
                found = drives.get(f"modality_{modality}", 0.0)
                found = found if isinstance(found, list) else [found] * 32
                assert found == pytest.approx(ring, abs=1e-9)


@pytest.mark.parametrize("name", TASKS)
def test_targets(name: str) -> None:
    for values in trials(name):
        answer = TASKS[name].trial(values).answer
        for e in program(name).timeline.epochs[1:]:
            responding = e.name == "response" and answer is not None
            targets = {t.channel: evaluate(t.value, values) for t in e.targets}
            assert targets.keys() == {"fixation", "saccade"}
            assert targets["fixation"] == pytest.approx(0.05 if responding else 0.85)
            ring = (
                [0.05 + 0.8 * b for b in bump(answer)] if responding and answer is not None else [0.05] * 32
            )
            found = targets["saccade"]
            assert (found if isinstance(found, list) else [found] * 32) == pytest.approx(ring, abs=1e-9)


@pytest.mark.parametrize("name", TASKS)
def test_correctness(name: str) -> None:
    """Correct is what equals the target, and what is only just within 0.2 pi; not what lies beyond."""
    for values in trials(name, 20):
        answer = TASKS[name].trial(values).answer
        for e in program(name).timeline.epochs[1:]:
            assert e.correct is not None
            if e.name != "response" or answer is None:
                aimed = bump(1.0)
                assert evaluate(e.correct, {**values, "fixation": 0.51, "saccade": aimed})
                assert not evaluate(e.correct, {**values, "fixation": 0.5, "saccade": aimed})
            else:
                for turn, right in ((0.0, True), (0.19, True), (-0.19, True), (0.21, False), (-0.21, False)):
                    aimed = bump(answer + turn * math.pi)
                    assert bool(evaluate(e.correct, {**values, "fixation": 0.49, "saccade": aimed})) is right
                    assert not evaluate(e.correct, {**values, "fixation": 0.5, "saccade": aimed})


# --- the distributions of the draws ------------------------------------------------------------------


def spread(name: str, of: Callable[[Values], float], count: int = 400) -> tuple[float, float, float]:
    """Return the smallest, mean and largest value over many trials."""
    found = [of(v) for v in trials(name, count)]
    return min(found), sum(found) / count, max(found)


def assert_uniform(found: tuple[float, float, float], low: float, high: float) -> None:
    least, mean, most = found
    assert low <= least < low + 0.03 * (high - low)
    assert high - 0.03 * (high - low) < most <= high
    # Six standard errors of a mean of 400.
    assert abs(mean - (low + high) / 2) < 6 * (high - low) / math.sqrt(12 * 400)


@pytest.mark.parametrize("name", [n for n, t in TASKS.items() if t.label.endswith(("go", "anti"))])
def test_draws_of_one_bump(name: str) -> None:
    assert_uniform(spread(name, lambda v: v["direction"]), 0, 2 * math.pi)
    assert {v["modality"] for v in trials(name)} == {1, 2}


@pytest.mark.parametrize("name", [n for n in TASKS if "decision" in n])
def test_draws_of_decisions(name: str) -> None:
    assert_uniform(spread(name, lambda v: v["first"]), 0, 2 * math.pi)
    assert_uniform(spread(name, lambda v: v["second"] - v["first"]), math.pi / 2, 3 * math.pi / 2)
    for prefix in ("", "other_") if "distractor" in name else ("",):
        assert_uniform(spread(name, lambda v, p=prefix: v[f"{p}mean"]), 0.8, 1.2)
        assert_uniform(spread(name, lambda v, p=prefix: abs(v[f"{p}difference"])), 0.1, 0.2)
        assert abs(spread(name, lambda v, p=prefix: float(v[f"{p}difference"] > 0))[1] - 0.5) < 0.15
    if "multisensory" in name:
        assert_uniform(spread(name, lambda v: max(v["gain_1"], v["gain_2"])), 1.2, 1.4)
        assert abs(spread(name, lambda v: float(v["gain_1"] > 1))[1] - 0.5) < 0.15
        assert all(v["gain_1"] + v["gain_2"] == pytest.approx(2) for v in trials(name))


@pytest.mark.parametrize("name", [n for n in TASKS if "match" in n])
def test_draws_of_matches(name: str) -> None:
    assert abs(spread(name, lambda v: v["match"])[1] - 0.5) < 0.15
    drawn = trials(name, 400)
    for which in ("first_modality", "second_modality"):
        assert {v[which] for v in drawn} == {1, 2}
    for v in drawn:
        if "sample" in name:
            apart = distance(v["first"], v["second"])
            assert apart <= math.radians(10) + 1e-9 if v["match"] else apart >= math.pi / 2 - 1e-9
        else:
            first, second = category(v["first"]), category(v["second"])
            assert (first == second) is bool(v["match"])
    if "sample" in name:
        turns = [v["second"] - v["first"] for v in drawn if v["match"]]
        assert max(turns) > math.radians(9)
        assert min(turns) < math.radians(-9)
    else:
        assert {(category(v["first"]), category(v["second"])) for v in drawn} == {
            (0, 0),
            (0, 1),
            (1, 0),
            (1, 1),
        }


def category(direction: float) -> int:
    """[0, pi/2) or [pi, 3 pi/2)."""
    number, rest = divmod(direction, math.pi)
    assert 0 <= rest < math.pi / 2
    return int(number)


# --- the network and its training --------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_network(name: str) -> None:
    network = program(name).network
    assert network.dt == 5 * MS
    assert network.units == 50
    assert {p.tau for p in network.populations} == {100 * MS}
    assert (network.activation.name, network.noise.kind) == ("relu", "ou")
    assert (network.noise.scale, network.noise.tau) == (0.1, 100 * MS)
    assert not network.readout_bias
    assert (network.w_rec.init.name, network.w_rec.init.arguments) == ("normal", (0, 1 / 50))
    for init in (network.w_in.init, network.w_out.init, network.bias):
        assert (init.name, init.arguments) == ("normal", (0, 1))


@pytest.mark.parametrize("name", TASKS)
def test_separation_of_populations(name: str) -> None:
    network = program(name).network
    assert [(p.name, p.start, p.stop) for p in network.populations] == [
        ("input", 0, 20),
        ("output", 20, 40),
        ("auxiliary", 40, 50),
    ]
    assert [(i.name, i.stop - i.start, i.ring, i.targets) for i in network.inputs] == [
        ("fixation", 1, False, ("input",)),
        ("modality_1", 32, True, ("input",)),
        ("modality_2", 32, True, ("input",)),
        ("rule", 20, False, ("input",)),
    ]
    assert [(o.name, o.stop - o.start, o.ring, o.sources, o.activation.name) for o in network.outputs] == [
        ("fixation", 1, False, ("output",), "sigmoid"),
        ("saccade", 32, True, ("output",), "sigmoid"),
    ]
    assert (network.input_units, network.output_units) == (85, 33)


@pytest.mark.parametrize("name", ALL)
def test_training(name: str) -> None:
    training = program(name).training
    reversal = name == "rule_reversal"
    assert training.networks == 100
    assert (training.batch, training.iterations) == ((40, 10_000) if reversal else (20, 40_000))
    assert (training.optimizer.kind, training.optimizer.learning_rate) == ("adam", 0.002)
    assert dict(training.optimizer.options)["epsilon"] == 1e-7
    assert {(p.quantity, p.norm): p.coefficient for p in training.penalties} == {
        ("rate", "l1"): 1e-5,
        ("w_rec", "l1"): 1e-5,
    }
    assert (training.evaluate_every, training.evaluate_batch) == (10, 40 if reversal else 200)
    assert (training.loss, training.clip, training.independent_trials) == ("auto", None, False)
    if reversal:
        assert training.stop is None
    else:
        assert training.stop is not None
        assert (training.stop.performance, training.stop.trim) == (0.99, 0.1)


# --- methods -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "kind", "steps"),
    [("sctt10", "sctt", 10), ("sctt40", "sctt", 40), ("dasc10", "dasc", 10), ("dasc40", "dasc", 40)],
)
def test_regular_skips(method: str, kind: str, steps: int) -> None:
    (skip,) = program("delayed_go", method).skips
    assert isinstance(skip, PeriodicSkip)
    assert (skip.kind, skip.every, skip.scope, skip.increment) == (kind, steps * 5 * MS, "epoch", "departing")
    assert (skip.beta.start, skip.beta.increments, skip.beta.over) == (Fraction(1, 2), 10, 20_000)


def test_coarsening() -> None:
    found = program("delayed_go", "cd10")
    assert found.skips == ()
    assert found.coarsening is not None
    assert (found.coarsening.start, found.coarsening.increments, found.coarsening.over) == (10, 10, 20_000)


def test_strategic_skip() -> None:
    (skip,) = program("rule_reversal", "strategic").skips
    assert isinstance(skip, PointSkip)
    assert skip.kind == "sctt"
    assert [(e.epoch, e.edge, e.offset) for e in (skip.source, skip.target)] == [
        (None, "start", 0),
        (None, "end", 0),
    ]
    assert skip.beta.over == 5_000


def test_methods_combine() -> None:
    problems = Problems()
    document = compose(SPECS / "rule_reversal.yaml", ["dasc40", "strategic"], (), problems=problems)
    found = examine(document, problems) if document else None
    assert not problems.found, render_text(problems.sorted())
    assert found is not None
    assert [skip.name for skip in found.skips] == ["regular", "between_trials"]


# --- rule reversal -----------------------------------------------------------------------------------


def test_rule_reversal_timeline() -> None:
    timeline = program("rule_reversal").timeline
    assert (timeline.trials, timeline.burn_in) == (5, 1000 * MS)
    assert [(e.name, e.duration.time, e.jitter) for e in timeline.epochs] == [
        (which, 500 * MS, 100 * MS) for which in ("sample", "respond", "feedback", "wait")
    ]
    respond = epoch("rule_reversal", "respond")
    assert respond.grace == 100 * MS
    assert respond.drives == ()
    assert [t.channel for t in respond.targets] == ["response"]
    assert [r.name for r in respond.reads] == ["answered"]
    others = [e for e in timeline.epochs if e.name != "respond"]
    assert all(not e.targets and e.correct is None and e.gradient for e in others)


def test_rule_reversal_channels() -> None:
    network = program("rule_reversal").network
    (population,) = network.populations
    assert [(i.name, i.stop - i.start, i.targets) for i in network.inputs] == [
        ("stimulus", 2, (population.name,)),
        ("feedback", 2, (population.name,)),
    ]
    assert [(o.name, o.stop - o.start, o.activation.name) for o in network.outputs] == [
        ("response", 2, "softmax")
    ]


def test_rule_reversal_trials() -> None:
    timeline = program("rule_reversal").timeline
    draws = {draw.name: draw for draw in timeline.draws}
    patterns = draws["rule"].patterns
    assert patterns is not None
    written = ["".join(str(int(evaluate(v, {}))) for v in pattern) for pattern in patterns]
    assert sorted(written) == ["11111", "11122", "12211", "12222", "21111", "21122", "22211", "22222"]
    cue, feedback = epoch("rule_reversal", "sample").drives[0], epoch("rule_reversal", "feedback").drives[0]
    for rule in (1, 2):
        for before in (1, 2, None):
            for shown in (0, 1):
                values: Values = {"rule": rule, "shown": shown}
                if before is not None:
                    values["previous rule"] = before
                values["answer"] = evaluate(draws["answer"].values[0], values)
                values["expected"] = evaluate(draws["expected"].values[0], values)
                assert values["answer"] == (shown if rule == 1 else 1 - shown)
                assert values["expected"] == (shown if (before or 1) == 1 else 1 - shown)
                assert evaluate(cue.value, values) == [1 - shown, shown]
                right = {**values, "answered": values["answer"]}
                wrong = {**values, "answered": 1 - values["answer"]}
                assert evaluate(feedback.value, right) == [1, 0]
                assert evaluate(feedback.value, wrong) == [0, 1]


# --- the language page -------------------------------------------------------------------------------

LANGUAGE = (SPECS.parent / "docs" / "language.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", LANGUAGE, flags=re.DOTALL | re.MULTILINE)


def test_the_first_example_of_the_page_is_the_one_of_the_catalogue() -> None:
    assert EXAMPLES[0] == minimal()


@pytest.mark.parametrize("number", range(1, len(EXAMPLES)))
def test_examples_of_the_page_work(number: int, tmp_path: Path) -> None:
    (tmp_path / "minimal.yaml").write_text(EXAMPLES[0], encoding="utf-8")
    (tmp_path / "overlay.yaml").write_text(EXAMPLES[number], encoding="utf-8")
    problems = Problems()
    document = compose(tmp_path / "minimal.yaml", [tmp_path / "overlay.yaml"], (), problems=problems)
    assert document is None or examine(document, problems) is not None
    assert not problems.found, render_text(problems.sorted())


def test_the_page_has_every_key_and_every_function() -> None:
    def keys(schema: dict[str, Any]) -> set[str]:
        """Return the keys of every mapping that a JSON schema describes."""
        parts = [schema, *schema["definitions"].values()]
        return {key for part in parts for key in part.get("properties", {})}

    words = set(re.findall(r"\w+", LANGUAGE))
    assert keys(json_schema()) <= words
    assert set(CALLABLE) <= words
    assert set(USAGE) <= words
