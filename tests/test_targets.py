"""What each target supports: every feature of the language against the reference, forward and gradient.

A target that lacks a feature is listed in LACKS, and must then fail: the table cannot go stale.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from comparison import assert_agree, run
from engines import make_engine
from support import SPECS, asked, program

from rnnspec.check.examine import load
from rnnspec.program.functions import CALLABLE, RANDOM
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.stages import stage_at
from rnnspec.runtime.targets import TARGETS, Target
from rnnspec.spec.activations import ACTIVATIONS

NOISY = "network: {noise: {kind: ou, scale: 0.3, tau: 60 ms}, weights: {bias: 'normal(0, 1)'}}"
TRIALS = (NOISY, "task: {trials: 2}")
READS = """
network:
  outputs: {choice: {from: output, size: 2, activation: softmax}}
task:
  trials: 3
  draw:
    side: choice(0, 1)
    right: answered == side
    streak: where(right, previous(streak, 0) + 1, 0)
  epochs:
    stimulus: {target: {choice: onehot(side)}, read: {answered: argmax(choice)}}
    response:
      input: {cue: right}
      target: {fixation: "where(previous(right, 1) == 1, 0.2, 0.4)"}
      weight: 1 + streak
"""


#: Weights too small for a power to run away.
WEAK = """
network:
  noise: {kind: ou, scale: 0.3, tau: 60 ms}
  weights: {w_rec: "normal(0, 0.1)", w_in: "normal(0, 0.1)"}
"""


def edge(text: str) -> tuple[str, ...]:
    return (*TRIALS, f"skips: {{edges: {{one: {{{text}}}}}}}")


def examples() -> str:
    """Return an overlay that has the example of each function in the place where it may stand."""
    draws, inputs, bumps, reads = dict[str, str](), list[str](), list[str](), dict[str, str]()
    for name, function in CALLABLE.items():
        if name in RANDOM or name == "previous":
            draws[f"{name}_drawn"] = function.example
        elif function.arguments[0] in ("vector", "ring"):
            reads[f"{name}_read"] = function.example
        else:
            (bumps if function.result in ("channel", "ring") else inputs).append(function.example)
    read = {**reads, "of_draws": " + ".join(draws)}
    epochs = {"stimulus": {"input": {"cue": " + ".join(inputs), "stimulus": " + ".join(bumps)}, "read": read}}
    return f"task: {json.dumps({'trials': 2, 'draw': draws, 'epochs': epochs})}"


EXAMPLES = examples()

#: Each feature as overlays on the minimal spec.
FEATURES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "noise: white": ("network: {noise: {kind: white, scale: 0.2}}",),
    "noise: ou": (NOISY,),
    **{
        f"activation: {function.name}": (WEAK, f"network: {{activation: {function.name}}}")
        for function in ACTIVATIONS.values()
        if not function.distribution
    },
    "readout: softmax": ("network: {outputs: {saccade: {activation: softmax}}}",),
    "readout: linear": (
        "network: {outputs: {saccade: {activation: null}, fixation: {activation: softplus}}}",
    ),
    "readout bias": ("network: {outputs: {saccade: {bias: true}, fixation: {bias: true}}}",),
    "loss: squared error of softmax": (
        "network: {outputs: {saccade: {activation: softmax}}}",
        "training: {loss: squared_error}",
    ),
    "dale: relu": ("network: {populations: {input: {sign: excitatory}, output: {sign: inhibitory}}}",),
    "dale: abs": ("network: {dale: abs, populations: {input: {sign: inhibitory}}}",),
    "masks": (
        """
network:
  connections:
    input -> input: {self: false}
    output -> input: none
    input -> output: {density: 0.5}
    stimulus -> input: {density: 0.5}
""",
    ),
    "frozen blocks": (
        """
network:
  connections:
    input -> output: {trainable: false}
    output -> saccade: {trainable: false}
""",
    ),
    "initial weights": (
        """
network:
  weights: {w_rec: "spectral(gamma(2, 1), 0.9)", w_in: orthogonal(1.5), w_out: "uniform(-1, 1)"}
  connections: {output -> output: {init: identity(0.5)}}
""",
    ),
    "skip: sctt": edge("kind: sctt, every: 4 steps"),
    "skip: dasc departing": edge("kind: dasc, every: 4 steps"),
    "skip: dasc arriving": edge("kind: dasc, every: 4 steps, increment: arriving"),
    "skip per trial": edge("kind: dasc, every: 7 steps, per: trial, increment: arriving"),
    "skip per sequence": edge("kind: sctt, every: 11 steps, per: sequence"),
    "skip between events": edge("kind: sctt, from: trial.start, to: trial.end"),
    "skip between events: dasc": edge("kind: dasc, from: fixation.end - 40 ms, to: response.start + 60 ms"),
    "several landings on one step": (
        *TRIALS,
        """
skips:
  edges:
    long:  {kind: dasc, every: 6 steps}
    short: {kind: sctt, every: 3 steps, beta: {from: 0.3}}
    whole: {kind: sctt, from: trial.start, to: trial.end}
""",
    ),
    "skips across an epoch without gradient": (
        *edge("kind: dasc, every: 3 steps, per: sequence"),
        "task: {epochs: {stimulus: {gradient: false}}}",
    ),
    # The source has gradient, the increment has none, and what they lead to has.
    "dasc out of an epoch without gradient": (
        *edge("kind: dasc, from: stimulus.start, to: response.start + 60 ms"),
        "task: {epochs: {stimulus: {gradient: false}}}",
    ),
    "coarsening": (*edge("kind: dasc, every: 8 steps"), "coarsening: {from: 2.5}"),
    "burn-in": (NOISY, "task: {burn_in: 200 ms}"),
    "penalty where nothing is learned": (
        "training: {penalty: {rate_l1: 0.1, rate_l2: 0.2}}",
        """
task:
  epochs: {fixation: {gradient: false}, stimulus: {gradient: false}, response: {gradient: false}}
""",
    ),
    "epoch without gradient": (*TRIALS, "task: {epochs: {fixation: {gradient: false}}}"),
    "score before what is learned": (
        NOISY,
        "task: {epochs: {fixation: {gradient: false, phase: early, correct: fixation > 0.5}}}",
    ),
    "jitter": (NOISY, "task: {epochs: {fixation: {jitter: 100 ms}, response: {jitter: 80 ms}}}"),
    "drawn durations": (
        *TRIALS,
        """
task:
  draw: {wait: "uniform(0, 0.3)"}
  epochs: {stimulus: {duration: wait}, response: {duration: 200 ms + wait}}
""",
    ),
    "drawn durations and skips": (
        *TRIALS,
        """
task:
  sequence: {pace: {balanced: [[0.5, 1], [1, 1.5], [2, 1]]}}
  draw: {wait: "uniform(0, 0.3)"}
  epochs: {stimulus: {duration: wait * pace}}
skips:
  edges:
    one: {kind: dasc, every: 3 steps, per: trial, increment: arriving}
    two: {kind: sctt, from: stimulus.start, to: trial.end}
""",
    ),
    "draws": (
        """
task:
  draw:
    a: normal(0, 1)
    b: integer(1, 3)
    c: bernoulli(0.5)
    d: exponential(1, 0, 2)
    e: choice(1, 2, 5)
  input: {cue: a + b + c + d + e}
""",
    ),
    "independent trials": (NOISY, "training: {trials: independent}"),
    "sequence values": (
        """
task:
  trials: 2
  sequence:
    block: choice(1, 2)
    rule: [1, 2]
    side: {balanced: [[0, 1], [1, 0]]}
    level: {balanced: [[0, 0], [1, block], [2, -1], [3, 2], [4, 1]]}
  input: {cue: block + rule * side + level}
""",
    ),
    "previous": (
        """
task:
  trials: 3
  draw: {before: "previous(direction, 1)", n: "previous(n, 0) + 1"}
  input: {cue: before + n}
""",
    ),
    "reads and what depends on them": (NOISY, READS),
    "t": (
        """
task:
  epochs:
    stimulus:
      input: {stimulus: ring(direction + 3*t)}
      target: {fixation: t}
      weight: t > 0.1
      correct: fixation > t
""",
    ),
    "white": (
        NOISY,
        "task: {epochs: {stimulus: {input: {stimulus: white(0.2), cue: white(0.1) - white(0.3)}}}}",
    ),
    "weights of points": ("task: {epochs: {stimulus: {weight: 3}, response: {weight: direction > pi}}}",),
    "success and scored": (NOISY, READS, "task: {success: answered == side, scored: direction < 5}"),
    "penalties": (
        "training: {penalty: {rate_l1: 0.1, rate_l2: 0.2, w_rec_l1: 0.1, w_in_l2: 0.3, w_out_l1: 0.4}}",
    ),
    "functions: an example of each": (EXAMPLES,),
    "atan2": (
        """
network:
  outputs: {gaze: {from: output, size: 2}}
task:
  draw:
    turned: atan2(sin(direction), cos(direction))
    axes: atan2(-0, -1) + atan2(0, -1) + atan2(0, 0 * turned) + atan2(direction - direction, -0)
  input: {cue: "atan2(turned, axes)"}
  epochs:
    stimulus:
      input: {stimulus: "atan2(ring(direction) - 0.5, onehot(3) - t)"}
      target: {gaze: "atan2(-0.5, onehot(1) - 0.5)"}
      correct: distance(atan2(fixation - 0.5, argmax(atan2(gaze, 0.1 - gaze)) - 0.5), turned) < 1
    response: {read: {looked: "atan2(fixation, angle(saccade) - pi)"}}
""",
    ),
}

#: 35 steps of 20 ms are 0.7000000000000001 s as a product of floats, and 0.7 s by the spec.
BOUNDARY = """
task:
  epochs:
    stimulus: {jitter: null}
    response:
      duration: 800 ms
      grace: 0 ms
      input: {cue: t <= 700 ms}
      weight: t <= 700 ms
      correct: t <= 700 ms
"""

LACKS: dict[Target, tuple[str, ...]] = dict.fromkeys(TARGETS, ())

FAST: tuple[Target, ...] = ("torch", "cpu", "gpu")
#: Those that compile a kernel for a program.
KERNEL_TARGETS: tuple[Target, ...] = ("cpu", "gpu")

#: TorchScript compiles `step` and `chunk` alone: what else a spec says cannot make a difference to it.
SCRIPTED = [f for f in FEATURES if f.startswith(("plain", "activation", "drawn durations", "skip: dasc dep"))]
#: What changes the blocks that the target compiled cuts `chunk` into.
BLOCKS = (
    "plain",
    "skips across an epoch without gradient",
    "coarsening",
    "jitter",
    "drawn durations and skips",
    "white",
)
#: A kernel is compiled for each activation; `test_activations.py` has the values and slopes of all, in fewer.
COMPILED = [f for f in FEATURES if not f.startswith("activation") or f.endswith(("softplus", "power"))]
#: Features that say nothing of the same thing share a kernel.
TOGETHER = (
    ("noise: white", "readout: linear", "weights of points", "penalties"),
    ("noise: ou", "t", "score before what is learned"),
    ("loss: squared error of softmax", "epoch without gradient", "functions: an example of each"),
    ("white", "previous", "drawn durations and skips"),
    ("independent trials", "draws", "skip: sctt"),
    ("readout: softmax", "sequence values", "drawn durations"),
    ("atan2", "activation: softplus"),
    ("reads and what depends on them", "success and scored"),
)
ALONE = [feature for feature in COMPILED if not any(feature in features for features in TOGETHER)]
CASES: list[tuple[Target, tuple[str, ...]]] = [
    *(("torch", (feature,)) for feature in FEATURES),
    *(
        (target, features)
        for target in KERNEL_TARGETS
        for features in (*TOGETHER, *((feature,) for feature in ALONE))
    ),
    *(("torchscript", (feature,)) for feature in SCRIPTED),
    *(("compiled", (feature,)) for feature in BLOCKS),
]
IDS = [f"{target}-{' + '.join(features)}" for target, features in CASES]


@pytest.mark.parametrize(("target", "features"), CASES, ids=IDS)
def test_feature(target: Target, features: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    if lacking := set(features) & set(LACKS[target]):
        request.applymarker(pytest.mark.xfail(strict=True, reason=f"{target} lacks {', '.join(lacking)}"))
    if target == "compiled":
        # Without the compiler, which `runtime/test_blocks.py` asks: it takes half a minute for each.
        request.getfixturevalue("traced")
    found = program(*(overlay for feature in features for overlay in FEATURES[feature]))
    theta = found.coarsening.start if found.coarsening else Fraction(1)
    # Not 0.5, at which the two sides of a mixture could be exchanged unnoticed.
    stage = Stage(theta, tuple(0.3 + 0.1 * number for number in range(len(found.skips))))
    assert_agree(found, target, Batch(4, 1, 7, "train", stage))


@pytest.mark.parametrize(
    "feature", ["plain", "noise: ou", "drawn durations", "white", "draws", "sequence values"]
)
def test_feature_in_evaluation(feature: str) -> None:
    """Evaluation draws from streams of its own, and no jitter."""
    found = program(*FEATURES[feature])
    assert_agree(found, "torch", Batch(4, 1, 7, "evaluate", Stage(Fraction(1), ())))


#: Features, and conditions under which they are asked.
QUESTIONS = (
    (("white", "previous", "drawn durations and skips"), "wait=[60 ms, 200 ms]; n=[0, 2]"),
    (("reads and what depends on them", "success and scored"), "side=[0, 1]; right=[true, false]"),
)
STAGES = (Stage(Fraction(1), (0.3, 0.4)), Stage(Fraction(1), ()))


@pytest.mark.parametrize("target", FAST)
@pytest.mark.parametrize(("question", "stage"), list(zip(QUESTIONS, STAGES, strict=True)))
def test_conditions(question: tuple[tuple[str, ...], str], stage: Stage, target: Target) -> None:
    """Also of what decides durations, or depends on answers; no target compiles a kernel for them."""
    features, conditions = question
    found = asked(conditions, *(overlay for feature in features for overlay in FEATURES[feature]))
    assert found.grid is not None
    assert found.grid.plain is not None
    assert_agree(found, target, Batch(6, 1, 7, "evaluate", stage))
    if target in KERNEL_TARGETS:
        engines: Any = [make_engine(each, target) for each in (found, found.grid.plain)]
        assert engines[0].kernel(torch.float64) is engines[1].kernel(torch.float64)


def test_conditions_have_the_bits_of_a_kernel_of_their_own() -> None:
    features, conditions = QUESTIONS[0]
    found = asked(conditions, *(overlay for feature in features for overlay in FEATURES[feature]))
    batch, own = Batch(6, 1, 7, "evaluate", STAGES[0]), replace(found, grid=None)
    (given, gradients), (wanted, wanted_gradients) = (run(each, "cpu", batch) for each in (found, own))
    assert list(given.variables) == list(wanted.variables)
    pairs = [(gradients[name], value) for name, value in wanted_gradients.items()]
    pairs += [(given.variables[name], value) for name, value in wanted.variables.items()]
    for name in ("loss", "performance", "mean_rate", "trial_performance", "steps", "rates", "inputs"):
        pairs.append((getattr(given, name), getattr(wanted, name)))
    for mine, other in pairs:
        torch.testing.assert_close(mine, other, rtol=0, atol=0, equal_nan=True)


#: One task of each family as a kernel of its own; `test_cpp_task.py` has what distinguishes the others.
KERNELS = ("go", "delayed_go", "delayed_nonmatch_to_category", "rule_reversal")
TASKS: list[tuple[str, Target]] = [
    *((path.stem, "torch") for path in sorted(SPECS.glob("*.yaml"))),
    *((name, target) for name in KERNELS for target in KERNEL_TARGETS),
]


@pytest.mark.parametrize(("name", "target"), TASKS)
def test_every_task(name: str, target: Target) -> None:
    """The shipped tasks at a tenth of their resolution: all epochs, few steps."""
    found = load(str(SPECS / f"{name}.yaml"), settings=["network.dt=50 ms"]).program
    assert_agree(found, target, Batch(8, 0, 3, "train", Stage(Fraction(1), ())))


@pytest.mark.parametrize("target", FAST)
@pytest.mark.parametrize("method", sorted((SPECS / "methods").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_method(method: Path, target: Target) -> None:
    """The shipped methods on a task of one trial, but for the skips between trials."""
    task = "rule_reversal" if method.stem == "strategic" else "delayed_go"
    found = load(str(SPECS / f"{task}.yaml"), [str(method)], ["network.dt=20 ms"]).program
    assert_agree(found, target, Batch(5, 0, 3, "train", stage_at(found, 0).stage))


@pytest.mark.parametrize("target", ["reference", *FAST])
def test_t_at_a_boundary(target: Target) -> None:
    """Inputs begin at t = 0, so 36 of them are in time; outputs are those of the step's end, so 35 are."""
    found = program(BOUNDARY)
    outcome, _ = run(found, target, Batch(4, 1, 7, "train", Stage(Fraction(1), ())))
    assert outcome.inputs is not None
    assert outcome.inputs[0, 0, 30:, 0].tolist() == [1.0] * 36 + [0.0] * 4
    assert outcome.phase_performance["respond"].tolist() == [pytest.approx(35 / 40)] * 2


def test_float32_stays_close() -> None:
    """Rounding of 50 steps of 8 units: the bound is about a hundred times the precision of a float32."""
    found = program(*FEATURES["skip: dasc departing"])
    batch = Batch(4, 1, 7, "train", Stage(Fraction(1), (0.5,)))
    exact, exact_gradients = run(found, "reference", batch)
    single, gradients = run(found, "torch", batch, dtype=torch.float32)
    torch.testing.assert_close(single.loss.double(), exact.loss, rtol=2e-5, atol=1e-6)
    for name, gradient in exact_gradients.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(gradients[name].double(), gradient, rtol=1e-3, atol=1e-4 * scale)


def test_a_network_alone_is_the_network_of_an_ensemble() -> None:
    found = program(*FEATURES["noise: ou"])
    stage = Stage(Fraction(1), ())
    many, many_gradients = run(found, "torch", Batch(4, 1, 7, "train", stage), networks=5)
    alone, gradients = run(found, "torch", Batch(4, 1, 7, "train", stage, first_network=3), networks=1)
    torch.testing.assert_close(alone.loss[0], many.loss[3], rtol=1e-12, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient[0], many_gradients[name][3], rtol=1e-9, atol=1e-12)
