"""Specs to programs: overlays on the minimal spec, and what the printed program says then."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from support import codes, printed, problems, program, section

from rnnspec.check.examine import examine
from rnnspec.diagnostics import Problems
from rnnspec.program.expression_nodes import Number, Random, Rate, walk
from rnnspec.program.nodes import PeriodicSkip, PointSkip
from rnnspec.program.printer import print_program
from rnnspec.program.verify import verify
from rnnspec.syntax.compose import compose_text

# --- network -----------------------------------------------------------------------------------------


def test_layout_follows_the_order_written() -> None:
    text = printed("network: {populations: {late: {size: 3, tau: 50 ms}}}")
    assert section(text, "population") == [
        "population input 0:4, tau 100 ms",
        "population output 4:8, tau 100 ms",
        "population late 8:11, tau 50 ms",
    ]
    assert section(text, "input ")[:2] == ["input cue 0:1 -> input", "input stimulus 1:9 ring -> input"]


def test_default_weights() -> None:
    network = program().network
    assert network.w_rec.init.arguments == (0.0, pytest.approx(8**-0.5))
    assert network.w_in.init.arguments == (0.0, pytest.approx(9**-0.5))
    assert network.w_out.init.arguments == (0.0, pytest.approx(4**-0.5))
    assert network.bias.name == "zeros"


def test_sizes_in_distributions() -> None:
    network = program(
        'network: {weights: {w_rec: "normal(0, 1/units)", w_out: "uniform(-1/fan_in, 2**-1)"}}'
    ).network
    assert network.w_rec.init.arguments == (0.0, 1 / 8)
    assert network.w_out.init.arguments == (-0.25, 0.5)


def test_spectral_radius_belongs_to_the_matrix() -> None:
    matrix = program('network: {weights: {w_rec: "spectral(normal(0, 1), 1.5)"}}').network.w_rec
    assert (matrix.init.name, matrix.radius) == ("normal", 1.5)


def test_channels_reach_only_what_they_name() -> None:
    blocks = {b.name: b.present for b in program().network.w_in.blocks}
    assert blocks == {
        "cue -> input": True,
        "cue -> output": False,
        "stimulus -> input": True,
        "stimulus -> output": False,
    }


def test_connections() -> None:
    overlay = """
network:
  populations: {input: {sign: excitatory}, output: {sign: inhibitory}}
  connections:
    input -> output: {density: 0.5, trainable: false}
    output -> input: none
    output->output: {self: false}
    stimulus -> input: {init: identity(2)}
"""
    assert [d.code for d in problems(overlay)] == ["RS107"]
    text = printed(overlay.replace("identity(2)", '"uniform(0, 1)"'))
    assert section(text, "input -> output") == ["input -> output: density 0.5, frozen, excitatory"]
    assert section(text, "output -> input") == ["output -> input: none"]
    assert section(text, "output -> output") == ["output -> output: inhibitory, no self-connections"]
    assert section(text, "stimulus -> input") == ["stimulus -> input: uniform(0, 1)"]


# --- task --------------------------------------------------------------------------------------------


def test_inheritance_of_inputs_and_targets() -> None:
    epochs = {e.name: e for e in program().timeline.epochs}
    assert [d.channel for d in epochs["stimulus"].drives] == ["cue", "stimulus"]
    assert [t.channel for t in epochs["stimulus"].targets] == ["fixation", "saccade"]
    assert epochs["fixation"].phase == "hold"
    assert epochs["response"].phase == "respond"


@pytest.mark.parametrize(
    ("overlay", "channels"),
    [
        ("target: none", []),
        ("target: {saccade: none}", ["fixation"]),
        ("target: {saccade: 0.5}", ["fixation", "saccade"]),
    ],
)
def test_none_stops_the_inheritance(overlay: str, channels: list[str]) -> None:
    epoch = program(f"task: {{epochs: {{fixation: {{{overlay}}}}}}}").timeline.epochs[0]
    assert [t.channel for t in epoch.targets] == channels


def test_correct_none_stops_the_inheritance() -> None:
    assert program().timeline.epochs[0].correct is not None
    assert program("task: {epochs: {fixation: {correct: none}}}").timeline.epochs[0].correct is None


@pytest.mark.parametrize(
    ("overlays", "error"),
    [
        ((), "squared"),
        (("network: {outputs: {saccade: {activation: softmax}}}",), "cross_entropy"),
        (
            ("network: {outputs: {saccade: {activation: softmax}}}", "training: {loss: squared_error}"),
            "squared",
        ),
    ],
)
def test_the_error_of_a_target_follows_from_its_activation_and_the_loss(
    overlays: tuple[str, ...], error: str
) -> None:
    epoch = program(*overlays).timeline.epochs[2]
    assert {target.channel: target.error for target in epoch.targets} == {
        "fixation": "squared",
        "saccade": error,
    }
    lines = section(printed(*overlays), "target saccade")
    assert [line.endswith(" [cross-entropy]") for line in lines] == [error == "cross_entropy"] * 3


def test_gradient_free_epochs_inherit_neither_target_nor_score() -> None:
    epoch = program("task: {epochs: {fixation: {gradient: false}}}").timeline.epochs[0]
    assert epoch.targets == ()
    assert epoch.correct is None
    own = "task: {epochs: {fixation: {gradient: false, correct: fixation > 0.1}}}"
    assert program(own).timeline.epochs[0].correct is not None


def test_draws_come_in_dependence_order() -> None:
    overlay = "task: {draw: {a: b + 1, b: 'uniform(0, c)', c: 2}}"
    assert [d.name for d in program(overlay).timeline.draws][1:] == ["c", "b", "a"]


def test_calls_are_numbered_by_variable_and_place() -> None:
    overlay = "task: {draw: {a: 'uniform(0, 1) + uniform(0, 1)'}}"
    more = "task: {draw: {z: 'uniform(0, 1)'}}"
    calls = []
    for overlays in ([overlay], [more, overlay]):
        draw = next(d for d in program(*overlays).timeline.draws if d.name == "a")
        (value,) = draw.values
        found = [n.call for n in walk(value) if isinstance(n, Random)]
        assert len(set(found)) == 2
        calls.append(found)
    assert calls[0] == calls[1], "another draw must not disturb this one"
    # SHA-256 of "a#0" begins with these bytes.
    assert calls[0][0] == int.from_bytes(__import__("hashlib").sha256(b"a#0").digest()[:4], "big")


READS = """
task:
  trials: 3
  draw:
    rewarded: answered > 0
    again:    previous(answered, 0) > 0
    count:    previous(count, 0) + rewarded
  epochs:
    stimulus: {read: {answered: argmax(saccade)}}
"""


def test_reads_make_their_dependents_wait() -> None:
    timeline = program(READS).timeline
    assert {d.name: d.available for d in timeline.draws} == {
        "direction": None,
        "rewarded": 2,
        "again": 0,
        "count": 2,
    }
    assert [r.name for r in timeline.epochs[1].reads] == ["answered"]
    types = {d.name: d.type for d in timeline.draws}
    assert types["again"].reads
    assert math.isinf(types["count"].high), "a recurrence has no bounds"
    assert not types["direction"].reads


def test_use_before_read() -> None:
    early = "task: {epochs: {fixation: {input: {cue: rewarded}}}}"
    assert "RS208" in codes(READS, early)
    same = "task: {epochs: {stimulus: {weight: rewarded}}}"
    assert "RS208" in codes(READS, same)
    late = "task: {epochs: {response: {input: {cue: rewarded}, weight: 1 + rewarded}}}"
    used = "task: {input: {cue: again}, success: 'count > 0'}"
    assert codes(READS, late, used) == []


def test_sequence_values() -> None:
    overlay = """
task:
  trials: 2
  sequence:
    block: choice(1, 2)
    rule: [1, 'choice(1, 2)']
    side: {balanced: [[0, 1], [1, 0]]}
"""
    draws = {d.name: d for d in program(overlay).timeline.draws}
    assert draws["block"].type.rate is Rate.SEQUENCE
    assert draws["rule"].type.rate is Rate.TRIAL
    assert len(draws["rule"].values) == 2
    assert draws["side"].patterns is not None
    values = [[v.value for v in p if isinstance(v, Number)] for p in draws["side"].patterns]
    assert values == [[0, 1], [1, 0]]
    assert (draws["side"].type.low, draws["side"].type.high) == (0, 1)


def test_drawn_duration_has_bounds() -> None:
    overlay = "task: {draw: {wait: 'uniform(0.1, 0.5)'}, epochs: {stimulus: {duration: 200 ms + wait}}}"
    timeline = program(overlay).timeline
    value = timeline.epochs[1].duration.value
    assert timeline.ragged
    assert value is not None
    assert (value.type.low, value.type.high) == (pytest.approx(0.3), pytest.approx(0.7))
    assert "RS213" in codes(overlay.replace("'uniform(0.1, 0.5)'", "'uniform(-1, 0.5)'"))
    assert "RS206" in codes("task: {epochs: {stimulus: {duration: 'uniform(0.1, 0.5)'}}}")


def test_varying_inputs_are_marked() -> None:
    text = printed("task: {epochs: {stimulus: {input: {cue: sin(t) + white(0.1)}}}}")
    assert "input cue: sin(t) + white#0(0.1) [varies]" in section(text, "input cue: sin")[0]


# --- skips, training ---------------------------------------------------------------------------------


def test_skips() -> None:
    overlay = """
skips:
  beta: {from: 0.2, increments: 5, over: 50 %}
  edges:
    regular: {kind: dasc, increment: arriving, every: 5 steps, per: trial}
    between: {kind: sctt, from: stimulus.start + 40 ms, to: trial.end - 20 ms, beta: {from: 0.8}}
"""
    regular, between = program(overlay).skips
    assert isinstance(regular, PeriodicSkip)
    assert (regular.every, regular.scope, regular.increment_side) == (Fraction(1, 10), "trial", "arriving")
    assert (regular.beta.start, regular.beta.increments, regular.beta.over) == (Fraction(1, 5), 5, 500)
    assert isinstance(between, PointSkip)
    assert (between.source.epoch, between.source.edge, between.source.offset) == (
        "stimulus",
        "start",
        Fraction(1, 25),
    )
    assert (between.target.epoch, between.target.edge, between.target.offset) == (
        None,
        "end",
        Fraction(-1, 50),
    )
    # An edge's own beta replaces the common one whole.
    assert (between.beta.start, between.beta.increments, between.beta.over) == (Fraction(4, 5), 1, 500)


def test_coarsening() -> None:
    coarsening = program("coarsening: {from: 5, increments: 2, over: 300 iterations}").coarsening
    assert coarsening is not None
    assert (coarsening.start, coarsening.increments, coarsening.over) == (5, 2, 300)


def test_training() -> None:
    training = program(
        "training: {optimizer: {kind: adam, betas: [0.8, 0.9]}, penalty: {rate_l1: 1e-5}}"
    ).training
    assert training.optimizer.options == (("beta1", 0.8), ("beta2", 0.9), ("epsilon", 1e-7))
    assert [(p.quantity, p.norm, p.coefficient) for p in training.penalties] == [("rate", "l1", 1e-5)]


@pytest.mark.parametrize(
    ("epoch", "code"),
    [
        ("grace: 360 ms", ["RS214"]),  # the stimulus lasts 400 ms, less 40 ms of jitter
        ("grace: 340 ms", []),
        ("jitter: 400 ms", ["RS215"]),
        ("jitter: 380 ms", []),
    ],
)
def test_bounds_of_grace_and_jitter(epoch: str, code: list[str]) -> None:
    assert codes(f"task: {{epochs: {{stimulus: {{{epoch}}}}}}}") == code


def test_all_problems_are_reported_at_once() -> None:
    """Texts that cannot be read hide neither each other nor what is wrong with the names elsewhere."""
    overlay = """
task:
  draw: {x: 'uniform(0, 1', y: 2 * direktion}
  epochs:
    stimulus: {duration: 400, input: {cue: x, stimulis: 1}}
    response: {correct: fixation = 1}
skips: {edges: {late: {kind: sctt, from: responce.start, to: trial.end}}}
"""
    assert codes(overlay) == ["RS015", "RS201", "RS014", "RS210", "RS015", "RS204"]


MANY = """
network:
  dt: 200 ms
  populations: {input: {size: 4.5}}
  inputs: {stimulus: {to: inptu}}
  weights: {w_rec: "nrml(0, 1)"}
task:
  epochs:
    stimulus: {jiter: 20 ms, grace: 10 s, input: {stimulus: ring(direciton)}}
    response: {gradient: maybe, weight: rng(3)}
skips: {beta: {from: 2}, edges: {late: {kind: sctt, from: stimulsu.end, to: trial.end}}}
training: {stop: {performance: 0.9, trim: 0.5}, itertions: 5}
"""


def test_mistakes_of_all_layers_are_reported_at_once() -> None:
    found = codes(MANY)
    shape = ["RS010", "RS010", "RS012", "RS012"]
    assert sorted(found) == sorted([*shape, "RS101", "RS104", "RS201", "RS202", "RS204", "RS304"])
    # Where the shape is right, the rules that span fields speak as well.
    rules = MANY.replace("size: 4.5", "size: 4").replace("jiter", "jitter").replace("maybe", "true")
    rules = rules.replace("itertions", "iterations").replace("inptu", "input").replace("nrml", "normal")
    rules = rules.replace("direciton", "direction").replace("rng(3)", "3").replace("stimulsu", "stimulus")
    assert {"RS304", "RS103", "RS214", "RS404"} <= set(codes(rules))


def test_a_misspelt_key_is_taken_for_what_it_was_meant_to_be() -> None:
    """Otherwise all that uses it would be reported too."""
    overlay = "task: {drow: {x: 1}, draw: null, epochs: {stimulus: {input: {stimulus: 0.5 * x}}}}"
    found = codes(overlay, "task: {epochs: {response: {target: {saccade: none}, correct: fixation < 0.5}}}")
    assert found == ["RS010"]


def test_calls_in_fragments_are_checked() -> None:
    base = """
rnnspec: 1
task:
  draw: {a: "unifrm(0, 1)", b: uniform(1), c: known_elsewhere + 1}
  sequence: {d: [1, "choise(1, 2)"]}
  epochs: {s: {duration: 1 s, correct: rng(c), input: {x: "ring(1, 2, 3)"}}}
"""
    problems = Problems()
    document = compose_text(base, "fragment.yaml", problems)
    assert document is not None
    assert examine(document, problems) is None
    assert [d.code for d in problems.sorted()] == ["RS202", "RS203", "RS202", "RS202", "RS203"]


# --- the printed form --------------------------------------------------------------------------------


def test_printing_is_stable_and_tells_programs_apart() -> None:
    texts = [
        printed(),
        printed("training: {seed: 1}"),
        printed("task: {epochs: {response: {correct: fixation < 0.4}}}"),
        printed("network: {populations: {input: {tau: 90 ms}}}"),
        printed("network: {noise: {kind: ou, scale: 0.1, tau: 100 ms}}"),
    ]
    assert printed() == texts[0]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "(1 + 2) * 3",
        "1 - (2 - 3)",
        "-2 ** 2",
        "(-2) ** 2",
        "2 ** 3 ** 2",
        "(2 ** 3) ** 2",
        "not (a > 0 and b < 1) or a == b",
        "a / (b / 2)",
        "(a < 1) + 1",
    ],
)
def test_printed_expressions_mean_the_same(text: str) -> None:
    """Printing, reading back and printing again changes nothing."""
    first = _draw_text(text)
    assert _draw_text(first) == first


def _draw_text(text: str) -> str:
    found = printed(f"task: {{draw: {{a: 0, b: 1, x: '{text}'}}}}")
    (line,) = section(found, "trial x:")
    return line.split(" = ")[1]


def test_programs_are_verified() -> None:
    from dataclasses import replace

    from rnnspec.program.verify import MalformedProgramError

    whole = program()
    verify(whole)
    network = replace(whole.network, populations=whole.network.populations[1:])
    with pytest.raises(MalformedProgramError, match="gap in the layout"):
        verify(replace(whole, network=network))
    first, *rest = whole.timeline.epochs
    timeline = replace(whole.timeline, epochs=(replace(first, gradient=False), *rest))
    with pytest.raises(MalformedProgramError, match="target without gradient"):
        verify(replace(whole, timeline=timeline))
    wrong = replace(first, targets=(replace(first.targets[0], error="cross_entropy"),))
    with pytest.raises(MalformedProgramError, match="cross-entropy of what is not a distribution"):
        verify(replace(whole, timeline=replace(whole.timeline, epochs=(wrong, *rest))))
    assert print_program(whole).startswith("program minimal\n")


# --- rules that a review found wanting ---------------------------------------------------------------


@pytest.mark.parametrize(
    "duration",
    [
        "max(0.1, min(1, log(direction - 1)))",
        "max(0.1, min(1, sqrt(direction - 6)))",
        "0.4 + (1 % floor(direction))",
        "0.3 + 0.1 * sin(1 / floor(direction))",
        "0.4 + exp(1000 * direction) * 0",
        "0.4 + min(1, max(0, (direction - 7) ** 0.5))",
    ],
)
def test_a_duration_that_may_be_no_number(duration: str) -> None:
    """min() and max() do not bound what is undefined."""
    overlay = f"task: {{epochs: {{response: {{duration: '{duration}', grace: null}}}}}}"
    assert codes(overlay) == ["RS213"]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("2 + 0/0", "0/0", "this divides by 0"),
        ("direction % (1 - 1)", "direction % (1 - 1)", "this divides by 0"),
        ("1 + log(0)", "log(0)", "this is the logarithm of 0 or of a negative number"),
        ("log(-direction)", "log(-direction)", "this is the logarithm of 0 or of a negative number"),
        ("sqrt(-1 - direction)", "sqrt(-1 - direction)", "this is the square root of a negative number"),
        ("9**9**9 - 1", "9**9**9", "this has no finite value"),
        ("(-8) ** 0.5", "(-8) ** 0.5", "this has no finite value"),
        ("exp(exp(9))", "exp(exp(9))", "this has no finite value"),
        ("1e64 ** 8", "1e64 ** 8", "this has no finite value"),
        ("1 / none_of_it", "1 / none_of_it", "this divides by 0"),
        ("uniform(0, 1 / 0)", "1 / 0", "this divides by 0"),
        ("min(1 / 0, 1)", "1 / 0", "this divides by 0"),
        ("where(log(0) > 1, 1, 2)", "log(0)", "this is the logarithm of 0 or of a negative number"),
    ],
)
def test_a_value_that_is_never_finite(text: str, place: str, said: str) -> None:
    (problem,) = problems(f"task: {{draw: {{none_of_it: 0, x: '{text}'}}}}")
    assert (problem.code, problem.message) == ("RS221", said)
    line = problem.span.source.lines[problem.span.line - 1]
    assert line[problem.span.column - 1 : problem.span.end_column - 1] == place


@pytest.mark.parametrize(
    "text",
    [
        "1 / direction",
        "log(direction)",
        "log(direction - 1)",
        "sqrt(1 - direction)",
        "where(direction > 1, 1, 0/0)",
        "where(direction > 1, 1 + 0/0, 2)",
        "pick(0, 1, log(0))",
        "(-2) ** 3",
        "(-2) ** -3",
        "(0 - direction) ** 2",
        "exp(709)",
        "0 * 1",
        "0 ** 0",
        "1 / (direction > 1)",
        "5 % -3",
    ],
)
def test_a_value_that_may_be_finite(text: str) -> None:
    assert codes(f"task: {{draw: {{x: '{text}'}}, input: {{cue: x}}}}") == []


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("(-2) ** 3", -8, -8),
        ("(-2) ** -1", -0.5, -0.5),
        ("uniform(-2, 3) ** 2", 0, 9),
        ("uniform(-4, 3) ** 2", 0, 16),
        ("uniform(-3, -2) ** 2", 4, 9),
        ("uniform(-3, 2) ** 3", -27, 8),
        ("uniform(-3, -2) ** -1", -0.5, -1 / 3),
        ("uniform(2, 3) ** -1", 1 / 3, 0.5),
        ("uniform(-1, 1) ** -2", math.nan, math.nan),
        ("uniform(-1, 0) ** 0.5", math.nan, math.nan),
        ("(-2) ** uniform(1, 2)", math.nan, math.nan),
    ],
)
def test_bounds_of_powers(text: str, low: float, high: float) -> None:
    draw = program(f"task: {{draw: {{x: '{text}'}}}}").timeline.draws[-1]
    assert (draw.type.low, draw.type.high) == pytest.approx((low, high), nan_ok=True)


@pytest.mark.parametrize(
    ("overlay", "place", "said"),
    [
        ("task: {burn_in: 99999999 min}", "99999999 min",
         "a sequence has up to 299,999,997,052 steps, 299,999,997,000 of them here"),
        ("task: {burn_in: 99999999999 min}", "99999999999 min",
         "a sequence has up to 10^14 steps, 10^14 of them here"),
        ("task: {trials: 10000, epochs: {stimulus: {duration: 20 s, jitter: 200 ms}}}", "20 s",
         "a sequence has up to 10,400,000 steps, 10,100,000 of them here"),
        ("network: {populations: {input: {tau: 99999999 min}}}", "99999999 min",
         "a tau of 5999999940 s is more than 10,000,000 steps of 20 ms"),
        ("network: {noise: {kind: ou, scale: 1, tau: 300000 s}}", "300000 s",
         "a tau of 300000 s is more than 10,000,000 steps of 20 ms"),
    ],
)  # fmt: skip
def test_a_time_that_is_too_long(overlay: str, place: str, said: str) -> None:
    (problem,) = problems(overlay)
    assert (problem.code, problem.message) == ("RS222", said)
    line = problem.span.source.lines[problem.span.line - 1]
    assert line[problem.span.column - 1 : problem.span.end_column - 1] == place


def test_the_longest_time_that_is_not() -> None:
    assert codes("network: {populations: {input: {tau: 200000 s}}}") == []
    rest = "task: {trials: 1, burn_in: %d ms, epochs: {stimulus: {jitter: null}}}"
    assert codes(rest % (200_000_000 - 1000)) == ["RS233"]
    assert codes(rest % (200_000_000 - 980)) == ["RS222"]


def test_jitter_lengthens_what_a_skip_goes_back_over() -> None:
    """The stimulus lasts 400 +-40 ms: 20 ms on average, -20 ms if it is long."""
    edge = "from: stimulus.end - 300 ms, to: stimulus.start + 120 ms"
    assert codes(f"skips: {{edges: {{one: {{kind: sctt, {edge}}}}}}}") == ["RS302"]
    edge = "from: stimulus.end - 380 ms, to: stimulus.start + 120 ms"
    assert codes(f"skips: {{edges: {{one: {{kind: sctt, {edge}}}}}}}") == []


def test_a_gap_between_epochs_that_are_only_scored() -> None:
    overlay = """
task:
  epochs:
    fixation: {target: none}
    stimulus: {target: none, correct: fixation > 0.5}
    gap: {after: stimulus, duration: 100 ms, gradient: false}
"""
    assert codes(overlay) == ["RS217", "RS226", "RS226"]


def test_a_skip_of_one_step() -> None:
    assert codes("skips: {edges: {one: {kind: sctt, every: 1 step}}}") == ["RS301"]
    assert codes("skips: {edges: {one: {kind: sctt, every: 2 steps}}}") == []


def test_a_single_skip_always_departs() -> None:
    edge = "kind: dasc, from: trial.start, to: trial.end"
    assert codes(f"skips: {{edges: {{one: {{{edge}, increment: arriving}}}}}}") == ["RS306"]


def test_a_channel_called_kind() -> None:
    found = program("network: {inputs: {kind: {to: input}}}", settings=("network.inputs.kind.size=2",))
    assert [c.name for c in found.network.inputs] == ["cue", "stimulus", "kind"]


@pytest.mark.parametrize(
    "call", ["bernoulli(2)", "bernoulli(-0.1)", "normal(0, -1)", "exponential(-1, 0, 2)"]
)
def test_draws_from_distributions_that_are_none(call: str) -> None:
    assert codes(f"task: {{draw: {{x: '{call}'}}}}") == ["RS212"]
