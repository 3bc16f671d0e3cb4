"""The specs that come with the project say what docs/science.md says; trials have a test of their own."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from evaluation import Values, evaluate
from shipped import ALL, FAMILIES, LEAD_IN, METHODS, MS, RULE_ORDER, SPECS, TASKS, epoch, program

from rnnspec.check.examine import examine
from rnnspec.diagnostics import Problems, render_text
from rnnspec.program.expression_nodes import Apply, Number
from rnnspec.program.nodes import PeriodicSkip, PointSkip
from rnnspec.syntax.compose import compose

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
    schema = "rnnspec-sweep" if path.parent.name == "paper" else "rnnspec"
    assert lines[0] == f"# yaml-language-server: $schema={up}{schema}.schema.json"
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
    assert (training.clip, training.independent_trials) == (None, False)
    errors = {target.error for epoch in program(name).timeline.epochs for target in epoch.targets}
    assert errors == {"cross_entropy" if reversal else "squared"}
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
    found = (skip.kind, skip.every, skip.scope, skip.increment_side)
    assert found == (kind, steps * 5 * MS, "epoch", "departing")
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
