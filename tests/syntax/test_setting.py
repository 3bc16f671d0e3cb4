"""Single values that are set from the command line."""

from __future__ import annotations

import pytest
from syntax.composing import Write, composed, formatted

from rnnspec.diagnostics import Problems, render_text
from rnnspec.syntax.compose import compose

SPEC = """name: x
network: {connections: {exc->inh: {density: 1}}}
task: {input: {rule: onehot(2)}, sequence: {rule: [1, 2]}, epochs: {a: {d: 1}, b: {d: 2}}}
training: {networks: 100, stop: {performance: 0.99}}
"""


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("training.networks=10", "training.networks", 10),
        (" training . networks = 10 ", "training.networks", 10),
        ("training.lists=[1, [2, x]]", "training.lists", [1, [2, "x"]]),
        ("training.stop={trim: 0.1}", "training.stop", {"performance": 0.99, "trim": 0.1}),
        ("training.label=''", "training.label", ""),
        ("training.a.b.c=1e-3", "training.a.b.c", 0.001),
        ("training=5", "training", 5),
        ("network.connections.exc -> inh.density=0.1", "network.connections.exc -> inh", {"density": 0.1}),
        ("network.connections.exc->inh.density=0.1", "network.connections.exc -> inh", {"density": 0.1}),
        ("network.connections.inh->exc=none", "network.connections.inh -> exc", "none"),
        ("task.input.rule=ring(0, 1) * (x == 2)", "task.input.rule", "ring(0, 1) * (x == 2)"),
        ("task.draw.ünit=x  # a comment", "task.draw.ünit", "x"),
        ("task.epochs.c={after: a, d: 3}", "task.epochs", {"a": {"d": 1}, "c": {"d": 3}, "b": {"d": 2}}),
        ("task.epochs.a.after=b", "task.epochs", {"b": {"d": 2}, "a": {"d": 1}}),
    ],
)
def test_settings(write: Write, setting: str, path: str, value: object) -> None:
    write(spec=SPEC)
    found, problems = composed("spec.yaml", settings=(setting,))
    assert problems == []
    for key in path.split("."):
        assert isinstance(found, dict)
        found = found[key]
    assert found == value
    assert str(found) == str(value)


def test_null_removes(write: Write) -> None:
    write(spec=SPEC)
    value, problems = composed("spec.yaml", settings=("training.stop=null", "task=~", "network=NULL"))
    assert (value, problems) == ({"name": "x", "training": {"networks": 100}}, [])


LIKE = "for example: training.networks=10"


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("training", f"1:1 RS018 this setting has no '='; expected KEY=VALUE; {LIKE}"),
        ("", f"1:1 RS018 this setting has no '='; expected KEY=VALUE; {LIKE}"),
        ("=3", f"1:1 RS018 a key is missing here; {LIKE}"),
        ("a..b=3", f"1:3 RS018 a key is missing here; {LIKE}"),
        ("a.=3", f"1:3 RS018 a key is missing here; {LIKE}"),
        ("é.b=", "1:4 RS018 a value is missing after the '='; write 'é.b=null' to remove the key"),
        ("a=  # x", "1:2 RS018 a value is missing after the '='; write 'a=null' to remove the key"),
        (
            "training.networks.x=1",
            "1:19 RS018 'training.networks' is a single value, so it has no key 'x'; "
            "set the whole value: 'training.networks=...'",
        ),
        (
            "task.sequence.rule.0=1",
            "1:20 RS018 'task.sequence.rule' is a list, so it has no key '0'; "
            "set the whole value: 'task.sequence.rule=...'",
        ),
        ("extends=x.yaml", "1:1 RS018 'extends' cannot be set; use '--with FILE'"),
        (".".join("a" * 17) + "=1", "1:1 RS018 a setting may have at most 16 keys"),
        ("é=[1", "1:3 RS003 this '[' is never closed; close it with ']'"),
        (
            "é=.nan",
            "1:3 RS008 the number .nan is not finite; expected a finite number of at most 64 characters",
        ),
        (
            "é=" + "[" * 65,
            "1:67 RS004 the document is nested more than 64 levels deep; a spec is a page or "
            "two: move data out of it",
        ),
        (
            "a=\udcff",
            "1:3 RS003 the character U+DCFF is not allowed in a spec; "
            "delete it; it may be invisible in your editor",
        ),
    ],
)
def test_settings_that_do_not_fit(write: Write, setting: str, problem: str) -> None:
    write(spec=SPEC)
    assert composed("spec.yaml", settings=(setting,)) == (..., [f"--set:{problem}"])


def test_what_is_wrong_with_settings_is_told_together(write: Write) -> None:
    write(spec=SPEC)
    assert composed("spec.yaml", settings=("b", "training.networks.x=1", "a={x: 1, x: 2}", "c=")) == (
        ...,
        [
            f"--set:1:1 RS018 this setting has no '='; expected KEY=VALUE; {LIKE}",
            "--set:1:2 RS018 a value is missing after the '='; write 'c=null' to remove the key",
            "--set:1:10 RS005 the key 'x' is already defined on line 1; delete one of the two, or merge them",
        ],
    )


def test_removing_what_is_not_there_is_worth_a_warning(write: Write) -> None:
    write(spec=SPEC)
    problems = Problems()
    document = compose("spec.yaml", settings=["training.stpo=null", "trainin.stop=null"], problems=problems)
    assert document is not None
    assert not problems.failed
    assert formatted(problems) == [
        "--set:1:1 RS018 there is no key 'trainin' to remove; did you mean 'training'?",
        "--set:1:10 RS018 there is no key 'stpo' to remove; did you mean 'stop'?",
    ]


def test_printed_with_the_setting_it_came_from(write: Write) -> None:
    write(spec=SPEC)
    problems = Problems()
    compose("spec.yaml", settings=["training.networks.few=1"], problems=problems)
    assert render_text(problems.sorted()) == "\n".join(
        [
            "--set:1:19: error[RS018] 'training.networks' is a single value, so it has no key 'few'",
            "    1 | training.networks.few=1",
            "      |                   ^^^",
            "  help: set the whole value: 'training.networks=...'",
        ]
    )
