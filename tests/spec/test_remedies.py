"""What users of other programs write, and the remedy in the message."""

from __future__ import annotations

import pytest
from support import problems

from rnnspec.diagnostics import closest

HELP = [
    # a scalar in place of a mapping
    ("training: {optimizer: Adam}", "write {kind: adam}"),
    ("training: {optimizer: 0.01}", "write {kind: adam, learning_rate: 0.01}"),
    ("training: {optimizer: lion}", ""),
    ("training: {stop: 0.95}", "write {performance: 0.95}"),
    ("training: {stop: 95 %}", "write {performance: 0.95}"),
    ("training: {stop: {performance: 85 %}}", "write 0.85: a percentage stands only in 'over'"),
    ("training: {stop: {performance: 85}}", "for 85 %, write 0.85"),
    ("training: {stop: {performance: 1.5}}", "for 1.5 %, write 0.015"),
    ("training: {stop: {performance: 101}}", ""),
    ("network: {connections: {input -> output: {density: 30}}}", "for 30 %, write 0.3"),
    ("network: {activation: {kind: power, exponent: 20}}", ""),
    ("training: {networks: 50 %}", ""),
    ("training: {penalty: 1e-5}", "write {rate_l1: 1e-5}"),
    ("network: {noise: 0.05}", "write {kind: ou, scale: 0.05, tau: 100 ms}"),
    ("network: {noise: white}", "write {kind: white, scale: 0.1}"),
    ("network: {populations: {input: 50}}", "write {size: 50, tau: 100 ms}"),
    ("network: {inputs: {context: 2}}", "write {size: 2}"),
    ("network: {inputs: {cue: input}}", "write {to: input}"),
    ("network: {outputs: {fixation: tanh}}", "write {activation: tanh}"),
    ("network: {outputs: {fixation: output}}", "write {from: output}"),
    ("network: {connections: {input -> output: 0.5}}", "write {density: 0.5}"),
    ("network: {connections: {input -> output: 0}}", "write none"),
    ("network: {connections: {input -> output: excitatory}}", "write {sign: excitatory}"),
    ('network: {connections: {input -> output: "normal(0, 1)"}}', 'write {init: "normal(0, 1)"}'),
    ('network: {weights: "normal(0, 1)"}', 'write {w_rec: "normal(0, 1)"}'),
    ("task: {epochs: {fixation: 200 ms}}", "write {duration: 200 ms}"),
    ("task: {epochs: {stimulus: {input: ring(direction)}}}", "write {stimulus: ring(direction)}"),
    ("task: {epochs: {stimulus: {target: 0.05}}}", "write {fixation: 0.05}"),
    ("skips: {edges: {one: 40 steps}}", "write {kind: dasc, every: 40 steps}"),
    ("coarsening: 10", "write {from: 10}"),
    # a key that is elsewhere, or has another name
    ("training: {learning_rate: 0.01}",
     "it belongs to the optimiser: write 'optimizer: {kind: adam, learning_rate: 0.01}'"),
    ("training: {epochs: 100}",
     "the number of weight updates is 'iterations': write 'iterations: 100'; an epoch is a part of a trial"),
    ("training: {momentum: 0.9}", "'momentum' belongs in 'training.optimizer'"),
    ("training: {optimizer: {kind: adam, momentum: 0.9}}",
     "'momentum' needs 'kind: sgd' or 'kind: rmsprop'"),
    ("training: {device: cuda}",
     "this belongs to the machine, not to the experiment: give --device to the command"),
    ("network: {populations: {input: {dale: true}}}",
     "for Dale's law, give a population 'sign: excitatory' or 'sign: inhibitory'"),
    ("network: {dale: true}", "for Dale's law, give a population 'sign: excitatory' or 'sign: inhibitory'"),
    ("task: {epochs: {response: {output: {saccade: 1}}}}",
     "what an output should be is its 'target': write 'target' in place of 'output'"),
    ("network: {tau: 20 ms}", "'tau' belongs in an entry of 'network.populations' or 'network.noise'"),
    ("network: {hidden_size: 64}",
     "units belong to a population: write 'populations: {all: {size: 64, tau: 100 ms}}'"),
    ("epochs: {fixation: {duration: 1 s}}", "'epochs' belongs in 'task'"),
    # noise, and vectors
    ("task: {epochs: {stimulus: {input: {cue: '1 + normal(0, 0.1)'}}}}",
     "for noise at every step, write white(0.0141); for one value a trial, define a variable in 'draw', "
     "such as 'x: normal(0, 0.1)', and use it here"),
    ("task: {epochs: {stimulus: {target: {fixation: 'uniform(0, 1)'}}}}",
     "define a variable in 'draw', such as 'x: uniform(0, 1)', and use it here"),
    ("network: {inputs: {context: {}}}\ntask: {draw: {k: 'choice(0, 1)'}, input: {context: onehot(k)}}",
     "declare 'context' with 'size: 2'"),
    ("network: {inputs: {context: {}}}\ntask: {draw: {k: 'choice(1, 2)'}, input: {context: onehot(k)}}",
     "declare 'context' with 'size: 2', and subtract 1"),
    ("network: {inputs: {context: {size: 2}}}\ntask: {draw: {k: 'choice(1, 2)'}, input: {context: onehot(k)}}"
     "", "subtract 1"),
    ("task: {draw: {k: 'integer(1, 2)'}, epochs: {stimulus: {input: {cue: 'pick(k, 0, 1)'}}}}", "subtract 1"),
    # what cannot be written
    ("network: {form: current}",
     "the state of a unit is its firing rate; a network whose state is the input current cannot be written"),
    ("network: {connections: {input -> output: {rank: 2}}}",
     "connectivity of low rank cannot be written: w_rec is trained as a whole"),
    ("network: {stp: true}",
     "short-term plasticity cannot be written: weights are constant while a network runs"),
    ('network: {populations: {input: {tau: "uniform(20 ms, 200 ms)"}}}',
     "all units of a population have one tau: for several, write several populations"),
    ("network: {populations: {input: {tau: [20 ms, 40 ms]}}}",
     "all units of a population have one tau: for several, write several populations"),
    ("network: {cell: lstm}",
     "units are leaky firing-rate units; gated cells such as LSTM and GRU cannot be written"),
    ("network: {activation: gru}",
     "units are leaky firing-rate units; gated cells such as LSTM and GRU cannot be written"),
    ("network: {weights: {w_rec: ./w_rec.npy}}",
     "draw them, or load weights into a simulation from Python (docs/python.md)"),
    ("network: {connections: {input -> output: {init: {file: w.npy}}}}",
     "weights are not read from files; from Python a simulation can load them (docs/python.md)"),
    ("task: {draw: {direction: trials.csv}}", "draw the values in 'draw' or 'sequence'"),
    ("tasks: {go: 1}", "several tasks in one network cannot be written: a spec has one 'task'"),
]  # fmt: skip


@pytest.mark.parametrize(("overlay", "help"), HELP)
def test_one_mistake_has_one_message_with_the_cure(overlay: str, help: str) -> None:
    (problem,) = problems(overlay)
    assert problem.help == help


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("learning_rate=0.01", "training.optimizer.learning_rate=0.01"),
        ("training.learning_rate=0.01", "training.optimizer.learning_rate=0.01"),
        ("optimizer.learning_rate=0.01", "training.optimizer.learning_rate=0.01"),
        ("networks=10", "training.networks=10"),
        ("stop=0.9", "training.stop.performance=0.9"),
        ("tau=50 ms", "network.populations.input.tau=50 ms"),
        ("populations.input.size=3", "network.populations.input.size=3"),
        ("network.input.size=3", "network.populations.input.size=3"),
        ("stimulus.duration=1 s", "task.epochs.stimulus.duration=1 s"),
        ("task.stimulus.duration=1 s", "task.epochs.stimulus.duration=1 s"),
        ("task.stimulus.ring=4", "network.inputs.stimulus.ring=4"),
    ],
)
def test_a_setting_of_a_key_one_level_off(setting: str, meant: str) -> None:
    (problem,) = problems(settings=(setting,))
    assert problem.help == f"write '--set {meant}'"
    # What is proposed sets something.
    assert [p.code for p in problems(settings=(meant,))] in ([], ["RS216"], ["RS211"]), meant


def test_a_setting_of_nothing() -> None:
    (problem,) = problems(settings=("foo.bar=1",))
    assert (problem.code, problem.help) == ("RS010", "")


def test_a_required_key_that_stands_elsewhere_is_not_missed_too() -> None:
    (problem,) = problems("network: {populations: {input: {tau: null}}, tau: 100 ms}")
    assert problem.message == "'tau' is not a key of 'network'"


@pytest.mark.parametrize(
    ("word", "choices", "meant"),
    [
        ("rign", ("sign", "ring"), "ring"),
        ("sgin", ("sin", "sign"), "sign"),
        ("OU", ("white", "ou"), "ou"),
        ("Tanh", ("retanh", "tanh"), "tanh"),
        ("stimulsu", ("stimuli", "stimulus"), "stimulus"),
        ("jiter", ("jitter", "iter"), "jitter"),
        ("xyz", ("abc",), ""),
    ],
)
def test_a_suggestion_looks_for_capitals_and_swapped_letters(
    word: str, choices: tuple[str, ...], meant: str
) -> None:
    assert closest(word, choices) == meant
