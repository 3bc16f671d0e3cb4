"""Whole documents: what is missing, misspelt or misplaced, one diagnostic for each mistake."""

from __future__ import annotations

import subprocess
import sys

import pytest
from spec.documents import EVERYTHING, MINIMAL, SPECS, complaint, complaints, document_of, lines

from rnnspec.diagnostics import MAX_DIAGNOSTICS, Problems
from rnnspec.spec.document import validate
from rnnspec.syntax.compose import compose

SHIPPED = sorted(path for path in SPECS.rglob("*.yaml") if path.parent.name != "paper")
ACTIVATIONS = "relu, softplus, tanh, retanh, sigmoid, softsign, linear, leaky_relu, power"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_specs_that_come_along_are_well_formed(path: object) -> None:
    problems = Problems()
    document = compose(str(path), problems=problems)
    assert document is not None
    validate(document, problems)
    assert lines(problems.found) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # unknown keys
        ("netwrk: {}", "netwrk: RS010 'netwrk' is not a key of a spec; expected one of: rnnspec, name, "
         "label, summary, network, task, skips, coarsening, training; did you mean 'network'?"),
        ("task: {epochs: {a: {jiter: 1 ms}}}", "jiter: RS010 'jiter' is not a key of 'a'; expected one of: "
         "duration, jitter, grace, gradient, phase, input, target, weight, correct, read; "
         "did you mean 'jitter'?"),
        ("network: {noise: {kind: ou, sclae: 1}}", "sclae: RS010 'sclae' is not a key of 'noise'; "
         "expected one of: kind, scale, tau; did you mean 'scale'?"),
        ("network: {noise: {kind: white, tau: 1 s}}", "tau: RS010 'tau' is not a key of 'noise'; "
         "expected one of: kind, scale; 'tau' needs 'kind: ou'"),
        ("training: {optimizer: {kind: adam, momentum: 1}}", "momentum: RS010 'momentum' is not a key of "
         "'optimizer'; expected one of: kind, learning_rate, betas, epsilon; "
         "'momentum' needs 'kind: sgd' or 'kind: rmsprop'"),
        ("network: {connections: {a -> b: {densty: 1}}}", "densty: RS010 'densty' is not a key of 'a -> b'; "
         "expected one of: init, density, trainable, sign, self; did you mean 'density'?"),
        ("task: {sequence: {a: {pairs: [[1]]}}}", "pairs: RS010 'pairs' is not a key of 'a'; "
         "expected 'balanced'"),
        # types
        ("label: 3", "3: RS012 'label' is the number 3; expected a string; put it in quotes"),
        ("summary: []", "[]: RS012 'summary' is an empty list; expected a string"),
        ("network: 3", "3: RS012 'network' is the number 3; expected a mapping; "
         "its keys are dt, populations, activation, noise, inputs, outputs, weights, connections, dale"),
        ("network: {populations: [a]}", "[a]: RS012 'populations' is a list; expected a mapping; "
         "write 'key: value' for each item, without '-' or [ ]"),
        ("network: {populations: {a: 10}}", "10: RS012 'a' is the number 10; expected a mapping; "
         "write {size: 10, tau: 100 ms}"),
        ("network: {populations: {a: {size: '10'}}}", "'10': RS012 'size' is the string '10'; "
         "expected an integer; write 10, without quotes"),
        ("network: {populations: {a: {size: 2.5}}}", "2.5: RS012 'size' is the number 2.5; "
         "expected an integer"),
        ("training: {iterations: 4e4}", "4e4: RS012 'iterations' is the number 40000.0; "
         "expected an integer; write 40000"),
        ("training: {seed: true}", "true: RS012 'seed' is true; expected an integer"),
        ("training: {clip: many}", "many: RS012 'clip' is the string 'many'; expected a number"),
        ("training: {clip: true}", "true: RS012 'clip' is true; expected a number"),
        ("training: {optimizer: adam}", "adam: RS012 'optimizer' is the string 'adam'; expected a mapping "
         "whose 'kind' is one of: adam, adamw, sgd, rmsprop; write {kind: adam}"),
        ("training: {optimizer: {betas: 0.9}}", "0.9: RS012 'betas' is the number 0.9; expected a list; "
         "put it in brackets: [ ]"),
        ("training: {evaluate: never}", "never: RS012 'evaluate' is the string 'never'; "
         "expected a mapping or 'none'"),
        ("task: {epochs: {a: {gradient: no}}}", "no: RS012 'gradient' is the string 'no'; "
         "expected true or false; write false"),
        ("task: {epochs: {a: {gradient: 0}}}", "0: RS012 'gradient' is the number 0; expected true or false"),
        ("task: {epochs: {a: {target: 0.5}}}", "0.5: RS012 'target' is the number 0.5; "
         "expected a mapping or 'none'"),
        ("task: {epochs: {a: {target: {b: {}}}}}", "{}: RS012 'b' is an empty mapping; "
         "expected an expression"),
        ("task: {epochs: {a: {input: [1, 0]}}}", "[1, 0]: RS012 'input' is a list; "
         "expected a mapping or 'none'; write 'key: value' for each item, without '-' or [ ]"),
        ("task: {epochs: {a: {input: {b: [1, 0]}}}}", "[1, 0]: RS012 'b' is a list; expected an expression; "
         "pick(k, a, b) chooses a value; onehot(k) and ring(angle) make vectors"),
        ("task: {sequence: {a: [1, [2]]}}", "[2]: RS012 item 2 of 'a' is a list; expected an expression; "
         "pick(k, a, b) chooses a value; onehot(k) and ring(angle) make vectors"),
        ("task: {sequence: {a: {balanced: [[1], 2]}}}", "2: RS012 item 2 of 'balanced' is the number 2; "
         "expected a list; put it in brackets: [ ]"),
        ("network: {inputs: {a: {to: 3}}}", "3: RS012 'to' is the number 3; "
         "expected a name or a list of names"),
        ("network: {inputs: {a: {to: [b, 3]}}}", "3: RS012 item 2 of 'to' is the number 3; expected a "
                                                 "string; "
         "put it in quotes"),
        ("network: {activation: 3}", "3: RS012 'activation' is the number 3; expected a word such as "
         "'relu', or a mapping such as {kind: relu}"),
        ("network: {noise: {kind: 3}}", "3: RS012 'kind' is the number 3; expected one of: ou, white, none"),
        ("network: {connections: {a -> b: 0}}", "0: RS012 'a -> b' is the number 0; "
         "expected a mapping or 'none'; write none"),
        ("skips: {beta: 0.5}", "0.5: RS012 'beta' is the number 0.5; expected a mapping; write {from: 0.5}"),
        ("skips: {edges: {a: {beta: 1}}}", "1: RS012 'beta' is the number 1; expected a mapping; "
         "write {from: 1}"),
        # words and ranges
        ("network: {activation: rellu}", f"rellu: RS013 'activation' is 'rellu'; "
         f"expected one of: {ACTIVATIONS}; did you mean 'relu'?"),
        ("network: {activation: softmax}", f"softmax: RS013 'activation' is 'softmax'; "
         f"expected one of: {ACTIVATIONS}"),
        ("network: {outputs: {a: {activation: {kind: softmx}}}}", f"softmx: RS013 'kind' is 'softmx'; "
         f"expected one of: {ACTIVATIONS}, softmax; did you mean 'softmax'?"),
        ("network: {populations: {a: {sign: positive}}}", "positive: RS013 'sign' is 'positive'; "
         "expected one of: excitatory, inhibitory"),
        ("network: {populations: {a: {size: 0}}}", "0: RS013 'size' is 0; expected a number of at least 1"),
        ("network: {populations: {a: {size: 4097}}}", "4097: RS013 'size' is 4097; "
         "expected a number of at most 4096"),
        ("network: {connections: {a -> b: {density: 0}}}", "0: RS013 'density' is 0; "
         "expected a number above 0"),
        ("network: {inputs: {a: {size: 2, ring: 2}}}", "2: RS013 a channel cannot have both 'size' and "
                                                       "'ring'; delete one of the two"),
        ("network: {inputs: {a: {to: []}}}", "[]: RS013 'to' has no items; expected at least 1"),
        ("coarsening: {from: 0.5}", "0.5: RS013 'from' is 0.5; expected a number of at least 1"),
        ("training: {seed: 4294967296}", "4294967296: RS013 'seed' is 4294967296; "
         "expected a number of at most 4294967295"),
        ("training: {optimizer: {betas: [0.9]}}", "[0.9]: RS013 'betas' has 1 item; expected at least 2"),
        ("training: {optimizer: {betas: [0.9, 0.9, 0.9]}}", "[0.9, 0.9, 0.9]: RS013 'betas' has 3 items; "
         "expected at most 2"),
        ("training: {optimizer: {betas: [0.9, 1]}}", "1: RS013 item 2 of 'betas' is 1; "
         "expected a number below 1"),
        ("training: {optimizer: {kind: adan}}", "adan: RS013 'kind' is 'adan'; "
         "expected one of: adam, adamw, sgd, rmsprop; did you mean 'adam'?"),
        ("skips: {edges: {a: {kind: dacs}}}", "dacs: RS013 'kind' is 'dacs'; expected one of: sctt, dasc; "
         "did you mean 'dasc'?"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_diagnostic(text: str, said: str) -> None:
    assert complaint(text) == said


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("  dt: 5 ms\n", "", "network: RS011 'network' lacks the key 'dt'; expected the key 'dt'; "
         "add 'dt': Length of a simulation step, such as '5 ms'."),
        ("{size: 10, tau: 100 ms}", "{tau: 100 ms}", "all: RS011 'all' lacks the key 'size'; expected the "
         "key 'size'; add 'size': Number of units."),
        ("{all: {size: 10, tau: 100 ms}}", "{}", "populations: RS011 'populations' is empty; "
         "expected at least one entry"),
        ("duration: 500 ms, ", "", "fixation: RS011 'fixation' lacks the key 'duration'; expected the key "
         "'duration'; add 'duration': A time such as '500 ms', or an expression in seconds such as "
         "'300 ms + wait'."),
        ("rnnspec: 1\n", "", "name: RS011 the document lacks the key 'rnnspec'; expected the key 'rnnspec'; "
         "write 'rnnspec: 1'"),
        ("rnnspec: 1", "rnnspec: 2", "2: RS019 this spec is written in version 2 of the language; "
         "expected version 1; update rnnspec"),
        ("rnnspec: 1", "rnnspec: '1'", "'1': RS019 'rnnspec' is the string '1'; expected version 1; "
         "write 'rnnspec: 1'"),
        ("rnnspec: 1", "rnnspec: 1.0", "1.0: RS019 'rnnspec' is the number 1.0; expected version 1; "
         "write 'rnnspec: 1'"),
        ("name: minimal", "name: my task", "my task: RS020 'my task' is not a valid name; expected letters, "
                                           "digits and underscores, starting with a letter; write 'my_task'"),
        ("dt: 5 ms", "dt: 5 ms\n  noise: {kind: white}", "noise: RS011 'noise' lacks the key 'scale'; "
         "expected the key 'scale'; "
         "add 'scale': Standard deviation of the noise once filtered by tau. It is added inside f."),
        ("dt: 5 ms", "dt: 5 ms\n  activation: {slope: 0.1}", "activation: RS011 'activation' lacks the key "
         "'kind'; expected the key 'kind'; add 'kind': The activation function."),
    ],
)  # fmt: skip
def test_a_document_with_a_name_is_complete(line: str, instead: str, said: str) -> None:
    assert line in MINIMAL
    assert complaint(MINIMAL.replace(line, instead)) == said


def test_a_name_alone_is_no_spec() -> None:
    help = "to write a fragment, which may be incomplete, remove 'name'"
    assert complaints("rnnspec: 1\nname: a\n") == [
        f"rnnspec: RS011 the document lacks the key 'network'; expected the key 'network'; {help}",
        f"rnnspec: RS011 the document lacks the key 'task'; expected the key 'task'; {help}",
    ]


def test_a_fragment_may_be_incomplete() -> None:
    text = """
    network: {populations: {a: {size: 3}}, noise: {scale: 1}, activation: {slope: 0.1}}
    task: {epochs: {a: {jitter: 5 ms}}, sequence: {a: {}}}
    skips: {edges: {a: {every: 5 ms}}}
    training: {stop: {trim: 0.2}, optimizer: {momentum: 0.5}}
    """
    assert complaints(text) == []
    assert complaints("network: {populations: {}}") == []


def test_who_validates_may_decide_what_is_a_fragment() -> None:
    text = "rnnspec: 1\nname: a\n"
    assert complaints(text, fragment=True) == []
    text = MINIMAL.replace("name: minimal\n", "")
    said = "rnnspec: RS011 the document lacks the key 'name'; expected the key 'name'"
    assert complaint(text, fragment=False) == said


def test_another_version_is_all_that_is_said() -> None:
    said = "2: RS019 this spec is written in version 2 of the language; expected version 1; update rnnspec"
    assert complaint("rnnspec: 2\nname: a\nnovelty: {}\n") == said


def test_all_mistakes_are_reported_at_once() -> None:
    text = EVERYTHING.replace("sign: excitatory", "sing: excitatory").replace("grace: 50 ms", "grace: 50")
    assert [line.split()[1] for line in complaints(text)] == ["RS010", "RS010", "RS014"]


def test_the_bottomless_document_is_cut() -> None:
    text = "task: {draw: {" + ", ".join(f"a{i}: []" for i in range(300)) + "}}"
    assert len(complaints(text)) == MAX_DIAGNOSTICS


def test_what_is_cut_is_counted() -> None:
    problems = Problems()
    span = document_of({}).span(())
    for number in [*range(MAX_DIAGNOSTICS + 7), 0, MAX_DIAGNOSTICS]:
        problems.error("RS012", str(number), span)
    assert (len(problems.sorted()), problems.more) == (MAX_DIAGNOSTICS, 7)


@pytest.mark.parametrize("tag", ["<ou>", "<rest>", "[key]"])
def test_keys_that_look_like_the_inside_of_the_validator(tag: str) -> None:
    said = f": RS010 '{tag}' is not a key of 'noise'; expected one of: kind, scale, tau"
    assert complaint(f"network: {{noise: {{kind: ou, '{tag}': 3}}}}") == f"'{tag}'{said}"
    assert complaint(f"task: {{draw: {{'{tag}': 3}}}}").startswith(f"'{tag}': RS020 ")


def test_values_that_yaml_cannot_write() -> None:
    problems = Problems()
    value = {"training": {"clip": float("nan"), "networks": 10**5000}, "network": {"dt": None}}
    assert validate(document_of(value), problems) is None
    assert lines(problems.found) == [
        "x: RS012 'dt' is null; expected a time such as '5 ms'",
        "x: RS013 'networks' is of more than 30 digits; expected a number of at most 65536",
        "x: RS008 'clip' is the number nan; expected a finite number",
    ]


def test_the_room_needs_neither_torch_nor_numpy() -> None:
    code = "import sys, rnnspec.spec.schema; sys.exit(bool({'torch', 'numpy'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)
