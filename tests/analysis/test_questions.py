"""Questions for trained networks: changed specs, conditions, other trials, checkpoints."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from analysis import questions
from cli.command import rnnspec as command

import rnnspec
from rnnspec.runs.manifest import read_manifest, write_manifest
from rnnspec.runs.question import ConditionValues, load_changed

GRID: ConditionValues = {"coherence": [-0.5, 0.2, 0.5], "context": [0, 1]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return questions.train(tmp_path_factory.mktemp("questions"))


def weights(run: Path, **asked: Any) -> dict[str, torch.Tensor]:
    return {name: w.detach() for name, w in rnnspec.load_run(run, **asked)[1].weights().items()}


# --- conditions --------------------------------------------------------------------------------------


def test_every_condition_occurs_equally_often(run: Path) -> None:
    evaluation = rnnspec.evaluate(run, conditions=GRID)
    # As many as the spec says, and the next multiple of six.
    assert evaluation.sequences == 12
    arrays: Any = evaluation.arrays
    condition = arrays["condition"].values
    assert np.bincount(condition.astype(int)).tolist() == [2] * 6
    assert arrays["condition/coherence"].values.tolist() == [-0.5, -0.5, 0.2, 0.2, 0.5, 0.5]
    assert arrays["condition/context"].values.tolist() == [0, 1] * 3
    for name in ("coherence", "context"):
        drawn = arrays[f"variable/{name}"].values[0, :, 0]
        assert drawn.tolist() == arrays[f"condition/{name}"].values[condition].tolist()
    # What follows from a variable follows, and nothing else is new.
    assert set(evaluation.variables) == {"coherence", "context", "clear", "right", "chosen"}
    right = arrays["variable/right"].values[0, :, 0]
    assert right.tolist() == (arrays["variable/coherence"].values[0, :, 0] > 0).tolist()
    by_condition = arrays["condition_performance"]
    assert by_condition.axes == ("network", "condition")
    for c in range(6):
        expected = arrays["trial_performance"].values[:, condition == c].mean((1, 2))
        np.testing.assert_allclose(by_condition.values[:, c], expected, rtol=1e-6)


def test_other_draws_stay(run: Path) -> None:
    plain = rnnspec.evaluate(run, sequences=12)
    asked = rnnspec.evaluate(run, sequences=12, conditions=GRID)
    assert torch.equal(plain.variables["clear"], asked.variables["clear"])
    assert not torch.equal(plain.variables["context"], asked.variables["context"])


def test_conditions_are_the_same_for_every_target(run: Path) -> None:
    """The reference reads the values off the program that torch has code for."""
    found = [
        rnnspec.load_run(run, conditions="context=[0, 1]; clear=[true, false]", target=target)[1](9)
        for target in ("torch", "reference")
    ]
    for name in ("context", "clear", "right"):
        assert torch.equal(found[0].variables[name].double(), found[1].variables[name].double())
    context, clear = (found[0].variables[name][0, :, 0].tolist() for name in ("context", "clear"))
    assert context.count(0) in (4, 5)
    assert len(set(zip(context, clear, strict=True))) == 4


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"coherense": [1]}, "'coherense' is not a variable of this task"),
        ({"chosen": [1]}, "'chosen' is read from the outputs"),
        ({"context": [0, 7]}, "out of range"),
        ({"coherence": [0.1, 0.1]}, "'0.1' occurs twice"),
        ({"coherence": ['"uniform(0, 1)"']}, "'uniform(0, 1)' is not constant"),
        ({"coherence": []}, "there are no values of 'coherence'"),
        ({"clear": [2, 0]}, "'clear' is true or false, and 2 is neither"),
        ("coherence=1; coherence=2", "'coherence' is given twice"),
        ("coherence", "this condition has no '='"),
        ("=[1]", "this condition has no name"),
        ("coherence=[[1]]", "a value of 'coherence' is not a number"),
        (" ; ", "there are no conditions"),
    ],
)
def test_wrong_conditions(run: Path, conditions: ConditionValues, said: str) -> None:
    with pytest.raises(rnnspec.SpecError) as wrong:
        rnnspec.evaluate(run, conditions=conditions)
    assert said in str([problem.message for problem in wrong.value.diagnostics])


def test_too_few_sequences(run: Path) -> None:
    with pytest.raises(rnnspec.RequestError, match="5 sequences cannot hold 6 conditions"):
        rnnspec.evaluate(run, sequences=5, conditions=GRID)


MANY = """\
rnnspec: 1
name: many
task:
  trials: 2
  sequence:
    rule: {balanced: [[0, 1], [1, 0]]}
  draw:
    condition: uniform(0, 1)
    go: bernoulli(0.5)
  epochs:
    only: {duration: 100 ms, target: {answer: rule + condition}, input: {cue: "where(go, condition, 0)"}}
network: {dt: 20 ms, populations: {all: {size: 2, tau: 100 ms}}, inputs: {cue: {}}, outputs: {answer: {}}}
training: {batch: 4, iterations: 1}
"""


def test_conditions_of_sequences_with_several_trials(tmp_path: Path) -> None:
    """A value holds in all trials; a variable may have the name that the number of a condition has."""
    (tmp_path / "many.yaml").write_text(MANY, encoding="utf-8")
    folder = rnnspec.train(tmp_path / "many.yaml", out=tmp_path, target="torch").folder
    assert folder is not None
    recording = rnnspec.simulate(folder, conditions="condition=[0.25, 300 ms, pi]; go=[true, false]")
    assert recording["condition"].axes == ("sequence",)
    values = recording["condition/condition"].values[recording["condition"].values]
    assert (recording["variable/condition"].values[0] == values[:, None]).all()
    assert recording["condition/condition"].values.tolist() == [0.25, 0.25, 0.3, 0.3, np.pi, np.pi]
    assert "variable/condition_" not in recording
    assert recording["activity"].values.shape[1] == 12
    by_rule = rnnspec.evaluate(folder, sequences=6, conditions={"rule": [1, 0]})
    assert by_rule.variables["rule"][0].tolist() == [[1, 1]] * 3 + [[0, 0]] * 3


# --- changed specs -----------------------------------------------------------------------------------


def test_a_changed_spec_is_that_spec_with_the_weights_of_the_run(run: Path) -> None:
    settings = ["task.epochs.delay.duration=200 ms", "network.noise=none"]
    _, trained = rnnspec.load_run(run)
    changed = rnnspec.load(run / "spec.yaml", settings=settings)
    copy = rnnspec.compile(changed, target="torch")
    copy.load_state_dict(trained.state_dict())
    evaluation = rnnspec.evaluate(run, settings=settings)
    assert evaluation.performance == rnnspec.evaluate(copy).performance
    assert evaluation.changes == (
        "network.noise=none (was {kind: ou, scale: 0.05, tau: 40 ms})",
        "task.epochs.delay.duration=200 ms (was 40 ms)",
    )
    recording = rnnspec.simulate(run, 3, settings=settings)
    assert recording["activity"].values.shape[2] == rnnspec.simulate(run, 3)["activity"].values.shape[2] + 8
    assert recording["changes"].values.tolist() == list(evaluation.changes)


def test_a_question_that_changes_nothing(run: Path) -> None:
    plain = rnnspec.evaluate(run)
    same = rnnspec.evaluate(run, settings=["network.noise.scale=0.05"])
    assert (plain.performance, plain.changes) == (same.performance, ())
    assert same.changes == ()
    assert "changes" not in rnnspec.simulate(run, 1)


def test_a_lesion(run: Path) -> None:
    before, after = weights(run), weights(run, settings=["network.connections.inh -> exc=none"])
    assert after["w_rec"][:, :5, 5:].abs().sum() == 0
    assert before["w_rec"][:, :5, 5:].abs().sum() > 0
    after["w_rec"][:, :5, 5:] = before["w_rec"][:, :5, 5:]
    for name, value in before.items():
        assert torch.equal(after[name], value)


def test_a_thinned_connection_keeps_a_part(run: Path) -> None:
    before = weights(run)["w_rec"]
    thinned = [
        weights(run, settings=[f"network.connections.exc -> exc.density={density}"])["w_rec"]
        for density in (0.5, 0.3)
    ]
    for more, less in zip((before, *thinned), thinned, strict=False):
        kept = less[:, :5, :5] != 0
        assert 0 < kept.sum() < (more[:, :5, :5] != 0).sum()
        assert torch.equal(less[:, :5, :5][kept], more[:, :5, :5][kept])
        assert torch.equal(less[:, 5:], more[:, 5:])


def test_masks_are_those_that_a_run_began_with(run: Path, tmp_path: Path) -> None:
    """A run that began from another has masks that its own spec and seed do not give."""
    other = rnnspec.train(
        run / "spec.yaml",
        settings=["training.seed=9", "training.iterations=1"],
        from_run=run,
        out=tmp_path,
        target="torch",
    ).folder
    assert other is not None
    masks = [weights(folder)["w_rec"] != 0 for folder in (run, other)]
    asked = weights(other, settings=["network.noise=none"])["w_rec"] != 0
    assert torch.equal(asked, masks[1])
    fresh = rnnspec.compile(run / "spec.yaml", settings=["training.seed=9"], target="torch")
    assert not torch.equal(fresh.weights()["w_rec"] != 0, asked)
    assert torch.equal(weights(other, checkpoint=1)["w_rec"] != 0, masks[1])
    # A lower density is a share of that of the spec, which these masks do not have.
    with pytest.raises(rnnspec.RequestError, match=r"the mask of networks that the run began from, so"):
        rnnspec.load_run(other, settings=["network.connections.exc -> exc.density=0.3"])


LIGHT = """\
rnnspec: 1
network:
  inputs: {light: {to: exc, size: 2}}
  outputs: {probe: {from: inh}}
  connections:
    light -> exc: {init: "uniform(3, 3)", trainable: false}
    inh -> probe: {init: "uniform(1, 1)", trainable: false}
task:
  epochs:
    delay: {input: {light: 0.5}}
"""


def test_a_frozen_input_stimulates_in_one_epoch(run: Path, tmp_path: Path) -> None:
    (tmp_path / "light.yaml").write_text(LIGHT, encoding="utf-8")
    light: dict[str, Any] = {"overlays": [tmp_path / "light.yaml"]}
    nothing: dict[str, Any] = {}
    before, after = weights(run), weights(run, **light)
    # The masks of the run, although the columns of the matrix are others now.
    assert torch.equal(after["w_in"][..., :4], before["w_in"])
    assert (after["w_in"][:, :5, 4:] == 3).all()
    assert (after["w_in"][:, 5:, 4:] == 0).all()
    assert torch.equal(after["w_out"][:, :2], before["w_out"])
    assert (after["w_out"][:, 2, 5:] == 1).all()
    for name in ("w_rec", "bias"):
        assert torch.equal(after[name], before[name])
    plain, lit = (rnnspec.simulate(run, 4, **asked) for asked in (nothing, light))
    # Five steps of stimulus, two of delay.
    rates, with_light, outputs = (
        np.asarray(a.values, float) for a in (plain["activity"], lit["activity"], lit["outputs"])
    )
    assert (rates[:, :, :5] == with_light[:, :, :5]).all()
    assert (with_light[:, :, 5, :5] > rates[:, :, 5, :5]).all()
    np.testing.assert_allclose(outputs[..., 2], with_light[..., 5:].sum(-1), rtol=1e-5)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("network.populations.exc.size=6", "the population 'exc' has 6 units, and 5 in the run"),
        ("network.inputs.evidence.size=3", "the input 'evidence' has 3 units, and 2 in the run"),
        ("network.populations.new={size: 1, tau: 1 s}", "the population 'new' is not in the run"),
        ("network.connections.inh -> inh={}", "the connection 'inh -> inh' is not in the run"),
        ("network.inputs.light={}", "the connection 'light -> exc' is not in the run"),
        ("network.connections.inh -> inh.trainable=false", "the connection 'inh -> inh' is not in the run"),
        (
            "network.connections.exc -> exc.density=0.7",
            "'exc -> exc' has a density of 0.7, and in the run 0.6",
        ),
        (
            "network.connections.exc -> exc.self=true",
            "'exc -> exc' has self-connections, and none in the run",
        ),
        ("network.connections.exc -> inh.init=zeros", "'exc -> inh' has an 'init'"),
        ("network.connections.exc -> inh.sign=inhibitory", "'exc -> inh' is inhibitory, and excitatory"),
        ("network.populations.exc.sign=null", "'exc -> exc' is of either sign, and excitatory in the run"),
        ("network.weights.bias=zeros", "network.weights.bias: the weights are those of the run"),
        ("network.dale=abs", "network.dale: the signs are those of the run"),
        ("network.outputs.choice.bias=true", "the outputs have a readout bias, unlike in the run"),
        ("training.networks=3", "training.networks is 3, and 2 in the run"),
        ("training.seed=1", "use --trial-seed"),
    ],
)
def test_what_does_not_fit_the_weights(run: Path, setting: str, said: str) -> None:
    settings = [setting]
    if setting.endswith("trainable=false"):
        settings.insert(0, "network.connections.inh -> inh={}")
    with pytest.raises(rnnspec.RequestError) as refused:
        rnnspec.evaluate(run, settings=settings)
    assert said in refused.value.reason


# --- trials, checkpoints -----------------------------------------------------------------------------


def test_other_trials(run: Path) -> None:
    plain, other = rnnspec.evaluate(run), rnnspec.evaluate(run, trial_seed=7)
    assert not torch.equal(plain.variables["context"], other.variables["context"])
    assert other.changes == ("trial seed 7 (was 0)",)
    same = rnnspec.evaluate(run, trial_seed=0)
    assert same.performance == plain.performance
    both = weights(run, trial_seed=7, settings=["network.noise=none"])
    for name, value in weights(run).items():
        assert torch.equal(both[name], value)


def test_checkpoints(run: Path, tmp_path: Path) -> None:
    last, first = weights(run, checkpoint=2), weights(run, checkpoint=1)
    trained = weights(run)
    assert all(torch.equal(last[name], trained[name]) for name in trained)
    assert not torch.equal(first["bias"], trained["bias"])
    assert rnnspec.evaluate(run, checkpoint=1).changes == ("networks of iteration 1",)
    with pytest.raises(rnnspec.RequestError, match=r"no checkpoint of iteration 5\.\nChoose .* kept: 1, 2\."):
        rnnspec.evaluate(run, checkpoint=5)
    # A training that is under way has no other networks.
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    manifest = read_manifest(copy)
    write_manifest(copy, manifest.model_copy(update={"result": None, "status": "running"}))
    with pytest.raises(rnnspec.RequestError, match="still running"):
        rnnspec.evaluate(copy)
    asked: dict[str, Any] = {"settings": ["network.noise=none"], "checkpoint": 1}
    assert torch.equal(weights(copy, **asked)["bias"], first["bias"])
    with (copy / "spec.yaml").open("a") as file:
        file.write("# edited\n")
    with pytest.raises(rnnspec.RequestError, match="not the file that the training wrote"):
        rnnspec.evaluate(copy, checkpoint=1)


def test_a_checkpoint_that_is_damaged(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "checkpoints" / "000000001.safetensors").write_bytes(b"")
    with pytest.raises(rnnspec.RequestError, match="is not what was written"):
        rnnspec.evaluate(copy, checkpoint=1)


def test_arguments(run: Path) -> None:
    _, simulation = rnnspec.load_run(run)
    with pytest.raises(TypeError, match="need the path of a run folder"):
        rnnspec.evaluate(simulation, settings=["network.noise=none"])
    with pytest.raises(TypeError, match="must be a list"):
        rnnspec.evaluate(run, settings="network.noise=none")
    with pytest.raises(TypeError, match="takes a mapping"):
        rnnspec.evaluate(run, conditions=["context"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="trial_seed"):
        rnnspec.evaluate(run, trial_seed=-1)


# --- commands and files ------------------------------------------------------------------------------


def test_evaluate_says_what_was_changed(run: Path, tmp_path: Path) -> None:
    changed = ("--set", "task.epochs.delay.duration=50 ms", "--trial-seed", "3", "--iteration", "1")
    conditions = ("--conditions", "coherence=[-0.5, 0.2]", "--conditions", "context=[0, 1]")
    words = ("evaluate", run, *changed, *conditions)
    answer = command(*words, "--trials", tmp_path / "trials.csv")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    changes = [
        "task.epochs.delay.duration=50 ms (was 40 ms)",
        "networks of iteration 1",
        "trial seed 3 (was 0)",
        "conditions coherence=[-0.5, 0.2]; context=[0, 1]",
    ]
    assert lines[0].endswith(": 12 sequences, true dynamics")
    assert lines[1:5] == [f"changed: {change}" for change in changes]
    table = lines[lines.index("What guessing scores:") - 5 :]
    assert table[0].split() == ["coherence", "context", "sequences", "performance"]
    assert [line.split()[:3] for line in table[1:5]] == [
        [c, x, "3"] for c in ("-0.5", "0.2") for x in ("0", "1")
    ]
    # The change of the spec has a warning, and the run's own warnings are not repeated.
    assert answer.err.count("warning[") == 1
    assert "50 ms is 2.5 steps of 20 ms" in answer.err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "trials.csv").read_text())))
    assert len(rows) == 2 * 12
    assert {row["changes"] for row in rows} == {"; ".join(changes)}
    grid = [(-0.5, 0), (-0.5, 1), (0.2, 0), (0.2, 1)]
    for row in rows:
        assert (float(row["coherence"]), float(row["context"])) == grid[int(row["condition"])]
    found = json.loads(command(*words, "--json").out)
    assert found["changes"] == changes
    assert [c["variables"] for c in found["conditions"]] == [{"coherence": c, "context": x} for c, x in grid]
    for number, condition in enumerate(found["conditions"]):
        own = [float(r["performance"]) for r in rows if r["condition"] == str(number) and r["network"] == "0"]
        assert condition["networks"][0] == pytest.approx(sum(own) / len(own), rel=1e-4)
        assert condition["mean"] == pytest.approx(sum(condition["networks"]) / 2, rel=1e-4)


def test_simulate_says_what_was_changed(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "activity.npz"
    answer = command(
        "simulate", run, "-o", file, "--set", "network.noise=none", "--conditions", "context=[0, 1]"
    )
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[1].startswith("  changed: network.noise=none")
    with np.load(file) as data:
        assert data["changes"].tolist()[1] == "conditions context=[0, 1]"
        assert data["condition"].tolist() == [0] * 4 + [1] * 4
        assert data["condition/context"].tolist() == [0, 1]


def test_a_wrong_question_loses_nothing(run: Path) -> None:
    nameless = command("evaluate", run, "--set", "name=null")
    assert (nameless.code, nameless.out) == (2, "")
    assert "The changed spec has no 'name'." in nameless.err
    answer = command("evaluate", run, "--set", "network.nose=none")
    assert (answer.code, answer.out) == (1, "")
    assert "did you mean 'noise'?" in answer.err
    assert command("evaluate", run, "--conditions", "context=[0, 1]", "--sequences", 1).code == 2


def test_what_a_question_leaves_over_is_no_mistake(run: Path) -> None:
    """A variable that is not used any more is warned of in a spec, and not in a question."""
    answer = command("evaluate", run, "--set", "task.input.context=[1, 0]")
    assert answer.code == 1, answer.out
    answer = command("evaluate", run, "--set", "task.input.context=onehot(0)")
    assert answer.code == 0, answer.err
    assert "warning[RS224]" not in answer.err


@pytest.mark.parametrize(("conditions", "codes"), [("wait=[1, 2]", ["RS231"]), ("wait=[1 s, 2 s]", [])])
def test_a_time_without_a_unit_is_warned_of(tmp_path: Path, conditions: str, codes: list[str]) -> None:
    text = questions.SPEC.replace("delay: {duration: 40 ms}", "delay: {duration: wait}")
    spec = tmp_path / "decide.yaml"
    spec.write_text(text.replace("  draw:\n", '  draw:\n    wait: "uniform(20 ms, 60 ms)"\n'))
    changed = load_changed(spec, (), (), conditions).specification
    assert [warning.code for warning in changed.warnings] == codes
