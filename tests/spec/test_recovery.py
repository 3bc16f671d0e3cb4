"""One mistake does not hide the others, and is not followed by others that it made."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from spec.documents import EVERYTHING, document_of, lines

from rnnspec.catalogue import minimal
from rnnspec.check.examine import examine
from rnnspec.diagnostics import Problems
from rnnspec.syntax.compose import compose_text


def found(text: str) -> list[str]:
    """Return all that is wrong with a text, each in one line."""
    problems = Problems()
    document = compose_text(text, "spec.yaml", problems)
    assert document is not None
    assert examine(document, problems) is None
    return lines(problems.sorted())


#: A mistake of meaning, late in the document, and what is said of it.
LATE = minimal().replace("correct: fixation < 0.5", "correct: fixatoin < 0.5")
SAID = "fixatoin: RS201 'fixatoin' is not defined here"


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        # misspelt, and therefore missing
        ("dt: 20 ms", "dtt: 20 ms", "dtt: RS010 'dtt' is not a key of 'network'"),
        ("size: 4, tau", "sise: 4, tau", "sise: RS010 'sise' is not a key of 'input'"),
        ("fixation: {duration: 200 ms}", "fixation: {duratoin: 200 ms}",
         "duratoin: RS010 'duratoin' is not a key of 'fixation'"),
        ("network:\n", "netwrk:\n", "netwrk: RS010 'netwrk' is not a key of a spec"),
        ("epochs:\n", "epoch:\n", "epoch: RS010 'epoch' is not a key of 'task'"),
        ("draw:\n", "drw:\n", "drw: RS010 'drw' is not a key of 'task'"),
        ("name: minimal", "nmae: minimal", "nmae: RS010 'nmae' is not a key of a spec"),
        ("rnnspec: 1", "rnnspecs: 1", "rnnspecs: RS010 'rnnspecs' is not a key of a spec"),
        # missing
        ("  dt: 20 ms\n", "", "network: RS011 'network' lacks the key 'dt'"),
        ("{size: 4, tau: 100 ms}", "{tau: 100 ms}", "input: RS011 'input' lacks the key 'size'"),
        ("{size: 4, tau: 100 ms}", "{size: 4}", "input: RS011 'input' lacks the key 'tau'"),
        ("fixation: {duration: 200 ms}", "fixation: {}",
         "fixation: RS011 'fixation' lacks the key 'duration'"),
        ("dt: 20 ms", "dt: 20 ms\n  noise: {kind: ou, tau: 1 s}",
         "noise: RS011 'noise' lacks the key 'scale'"),
        ("dt: 20 ms", "dt: 20 ms\n  activation: {slope: 1}",
         "activation: RS011 'activation' lacks the key 'kind'"),
        ("evaluate: {", "stop: {trim: 0.1}, evaluate: {", "stop: RS011 'stop' lacks the key 'performance'"),
        ("rnnspec: 1\n", "", "name: RS011 the document lacks the key 'rnnspec'"),
        # a scalar or list in place of a mapping, or the other way round
        ("fixation: {duration: 200 ms}", "fixation: 200 ms", "200 ms: RS012 'fixation' is the string '200 "
                                                             "ms'"),
        ("{size: 4, tau: 100 ms}", "4", "4: RS012 'input' is the number 4"),
        ("evaluate: {every: 10, batch: 16}", "evaluate: 10", "10: RS012 'evaluate' is the number 10"),
        ("evaluate: {", "optimizer: adam, evaluate: {", "adam: RS012 'optimizer' is the string 'adam'"),
        ("dt: 20 ms", "dt: {ms: 20}", "{ms: 20}: RS012 'dt' is a mapping"),
        ("dt: 20 ms", "dt: 20 ms\n  activation: [relu]", "[relu]: RS012 'activation' is a list"),
        ("dt: 20 ms", "dt: 20 ms\n  activation: rellu", "rellu: RS013 'activation' is 'rellu'"),
        ("dt: 20 ms", "dt: 20 ms\n  noise: {kind: uo, scale: 1, tau: 1 s}", "uo: RS013 'kind' is 'uo'"),
        ("dt: 20 ms", "dt: 20 ms\n  connections: 0.5", "0.5: RS012 'connections' is the number 0.5"),
        ("dt: 20 ms", "dt: 20 ms\n  connections: {input -> input: 0.5}",
         "0.5: RS012 'input -> input' is the number 0.5"),
        ("input: {stimulus: ring(direction)}", "input: ring(direction)",
         "ring(direction): RS012 'input' is the string 'ring(direction)'"),
        ("input:   {cue: 1}", "input:   {cue: [1, 0]}", "[1, 0]: RS012 'cue' is a list"),
        ("direction: uniform(0, 2*pi)", "direction: [0, pi]", "[0, pi]: RS012 'direction' is a list"),
        ("draw:\n", "trials: 2\n  sequence: {block: [1, [2]]}\n  draw:\n",
         "[2]: RS012 item 2 of 'block' is a list"),
        ("draw:\n", "sequence: {block: {balancd: [[1]]}}\n  draw:\n",
         "balancd: RS010 'balancd' is not a key of 'block'"),
        ("cue:      {to: input}", "cue:      {to: [input, 3]}", "3: RS012 item 2 of 'to' is the number 3"),
        ("evaluate: {", "optimizer: {betas: [0.9, 1]}, evaluate: {", "1: RS013 item 2 of 'betas' is 1"),
        ("training:", "skips: {edges: {one: 20 ms}}\ntraining:", "20 ms: RS012 'one' is the string '20 ms'"),
        ("training:", "skips: {edges: {one: {kind: x, every: 60 ms, increment: arriving}}}\ntraining:",
         "x: RS013 'kind' is 'x'"),
        # invalid names
        ("{size: 4, tau: 100 ms}", "{size: 4, tau: 100 ms}\n    2nd: {size: 4, tau: 100 ms}",
         "2nd: RS020 '2nd' is not a valid name"),
        ("cue:      {to: input}", "cue:      {to: my input}",
         "my input: RS020 'my input' is not a valid name"),
        ("stimulus: {duration", "my-epoch: {duration: 20 ms, phase: go}\n    stimulus: {duration",
         "my-epoch: RS020 'my-epoch' is not a valid name"),
        ("  draw:\n", "  draw:\n    2nd: 1\n", "2nd: RS020 '2nd' is not a valid name"),
        ("name: minimal", "name: my task", "my task: RS020 'my task' is not a valid name"),
        ("dt: 20 ms", "dt: 20 ms\n  connections: {input to input: none}",
         "input to input: RS020 'input to input' is not a connection"),
        ("input: {stimulus: ring(direction)}", "input: {2nd: 1, stimulus: ring(direction)}",
         "2nd: RS020 '2nd' is not a valid name"),
    ],
)  # fmt: skip
def test_a_mistake_hides_nothing_and_brings_nothing(line: str, instead: str, said: str) -> None:
    assert line in LATE
    problems = found(LATE.replace(line, instead, 1))
    assert sorted(problem.split("; expected")[0] for problem in problems) == sorted([said, SAID])


def test_what_a_misspelt_key_holds_keeps_its_place() -> None:
    text = LATE.replace("input: {stimulus: ring(direction)}", "inptu: {stimulus: rng(direction)}")
    assert [problem[:10] for problem in found(text)] == ["inptu: RS0", "rng: RS202", "fixatoin: "]
    text = LATE.replace(
        "{size: 4, tau: 100 ms}", "{size: 4, tau: 100 ms}\n    2nd: {size: 4, tua: 100 ms}", 1
    )
    assert [problem[:10] for problem in found(text)] == ["2nd: RS020", "tua: RS010", "fixatoin: "]


def test_both_are_missing_if_the_misspelling_is_not_near() -> None:
    text = LATE.replace("dt: 20 ms", "step: 20 ms")
    assert [problem.split()[1] for problem in found(text)] == ["RS011", "RS010", "RS201"]


def test_a_misspelt_key_beside_the_right_one_replaces_nothing() -> None:
    text = LATE.replace("dt: 20 ms", "dt: 20 ms\n  dtt: 1")
    assert [problem.split()[1] for problem in found(text)] == ["RS010", "RS201"]


def test_the_names_of_what_cannot_be_read_are_not_missed() -> None:
    """An output, or values, whose names nobody can tell: what uses them is not judged."""
    text = LATE.replace("    saccade:  {", "    my-saccade:  {").replace(
        "angle(saccade)", "angle(my-saccade)"
    )
    assert [problem.split()[1] for problem in found(text)] == ["RS020"]
    text = LATE.replace("direction: uniform(0, 2*pi)", "[direction]")
    assert [problem.split()[1] for problem in found(text)] == ["RS012"]
    text = LATE.replace("to: input, ring: 8", "to: input, ring: eight")
    assert [problem.split()[1] for problem in found(text)] == ["RS012"]


# --- everywhere ------------------------------------------------------------------------------------------

#: Without these nothing else can be judged, or a name or size that others need is not known.
DECISIVE = [
    "rnnspec", "network", "network.populations", "network.inputs", "network.inputs.cue",
    "network.inputs.direction", "network.inputs.direction.ring", "network.outputs", "network.outputs.choice",
    "network.outputs.rate", "network.outputs.choice.size", "network.outputs.rate.ring",
    "network.outputs.choice.bias", "network.outputs.rate.bias", "task", "task.trials", "task.sequence",
    "task.draw", "task.epochs", "task.epochs.respond", "task.epochs.respond.read",
]  # fmt: skip


def complete() -> dict[str, Any]:
    document = compose_text(EVERYTHING, "spec.yaml", Problems())
    assert document is not None
    value: Any = document.value
    value["network"]["outputs"]["rate"]["bias"] = True
    return dict(value)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(place for key, inner in entries for place in places(inner, (*path, key)))]


@pytest.mark.parametrize("wrong", [-1.5, "a b", None], ids=["number", "text", "missing"])
def test_one_mistake_anywhere(wrong: object) -> None:
    whole = complete()
    for place in places(whole)[1:]:
        value = copy.deepcopy(whole)
        value["task"]["draw"]["late"] = "exponentil(0.5, 0.1, 2)"
        inner: Any = value
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = wrong
        if wrong is None:
            del inner[place[-1]]
        problems = Problems()
        examine(document_of(value), problems)
        codes = [d.code for d in problems.found]
        if any(code < "RS1" for code in codes) and ".".join(map(str, place)) not in DECISIVE:
            assert "RS202" in codes, place
            assert [code for code in codes if code > "RS1"] == ["RS202"], (place, lines(problems.found))
