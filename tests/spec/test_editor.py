"""The schema in an editor: what the YAML language server completes, shows and marks with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from spec.documents import SPECS
from spec.language_server import LanguageServer, install

from rnnspec.spec.schema import json_schema

HEAD = "# yaml-language-server: $schema=rnnspec.schema.json\nrnnspec: 1\n"


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[LanguageServer]:
    with LanguageServer(install(request.config.cache.mkdir("language-server"))) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rnnspec.schema.json").write_text(json.dumps(json_schema()), encoding="utf-8")
    return tmp_path


def marked(text: str) -> tuple[str, int, int]:
    """Return a document without its mark `|`, and the line and character of the mark."""
    before, after = (HEAD + text).split("|")
    return before + after, before.count("\n"), len(before.rpartition("\n")[2])


def proposals(server: LanguageServer, folder: Path, text: str) -> dict[str, str]:
    document, line, character = marked(text)
    uri, _ = server.open(folder, document)
    return server.complete(uri, line, character)


def test_a_shipped_spec_has_no_mistakes(server: LanguageServer, folder: Path) -> None:
    text = (SPECS / "rule_reversal.yaml").read_text(encoding="utf-8")
    assert "$schema=rnnspec.schema.json" in text.splitlines()[0]
    assert server.open(folder, text)[1] == []


MISTAKES = """\
netwrk: {}
network:
  dt: 5
  activation: rellu
  noise: {kind: pink}
  populations: {2nd: {size: 0, tau: 1 s}}
  weights: {w_rec: normal(0; 1)}
task:
  draw: {answer: context = 1}
  epochs:
    a:
      duration: 500
      input: nothing
training:
  optimizer: {kind: adam, momentum: 0.9}
"""


def test_mistakes_are_marked_where_they_are(server: LanguageServer, folder: Path) -> None:
    _, found = server.open(folder, HEAD + MISTAKES)
    lines = (HEAD + MISTAKES).splitlines()
    shown = []
    for problem in found:
        start, end = problem["range"]["start"], problem["range"]["end"]
        shown.append((lines[start["line"]][start["character"] : end["character"]], problem["message"]))
    words = '"relu", "softplus", "tanh", "retanh", "sigmoid", "softsign", "linear", "leaky_relu", "power"'
    assert sorted(shown) == [
        ("0", "Value is below the minimum of 1."),
        ("2nd", "expected a name: letters, digits and underscores, starting with a letter"),
        ("5", "expected a time: a number and a unit, such as '5 ms'"),
        ("500", "expected a time such as '500 ms', or an expression in seconds such as '300 ms + wait'"),
        ("context = 1", "expected an expression, such as '0.8 * ring(direction)' or 'answer == 1'"),
        ("momentum", "Property momentum is not allowed."),
        ("netwrk", "Property netwrk is not allowed."),
        ("normal(0; 1)", "expected a distribution such as 'normal(0, 1/units)'"),
        ("nothing", 'Value is not accepted. Valid values: "none".'),
        ("pink", 'Value is not accepted. Valid values: "ou", "white", "none", null.'),
        ("rellu", f"Value is not accepted. Valid values: {words}."),
    ]


def test_keys_are_proposed_with_their_descriptions(server: LanguageServer, folder: Path) -> None:
    found = proposals(server, folder, "task:\n  epochs:\n    delay:\n      |")
    assert found["grace"] == "Time at the start of the epoch that is not scored."
    assert {"duration", "jitter", "input", "target", "correct", "after"} <= found.keys()
    found = proposals(server, folder, "training:\n  optimizer:\n    kind: sgd\n    |")
    assert found.keys() == {"learning_rate", "momentum", "weight_decay"}
    assert proposals(server, folder, "network:\n  noise:\n    |").keys() == {"kind", "scale", "tau"}


def test_words_are_proposed_with_their_meanings(server: LanguageServer, folder: Path) -> None:
    found = proposals(server, folder, "network:\n  activation: |")
    assert found["softplus"] == "log(1 + exp(x))"
    found = proposals(server, folder, "training:\n  optimizer:\n    kind: |")
    assert found["rmsprop"] == "Gradient descent, divided by the running root mean square of the gradient."
    assert "none" in proposals(server, folder, "training:\n  evaluate: |")


def test_what_is_pointed_at_is_explained(server: LanguageServer, folder: Path) -> None:
    for text, title, explained in (
        (
            "task: {epochs: {a: {|grace: 5 ms}}}",
            "Epoch",
            "Time at the start of the epoch that is not scored.",
        ),
        ("network: {|noise: {kind: none}}", "Network", "Noise of the units, added inside f. Default: none."),
        ("skips: {edges: {a: {kind: |sctt}}}", "Edge", "* `sctt`: Adds the source state: a skip connection"),
        ("training: {optimizer: {|kind: sgd}}", "Training", "* `sgd`: Gradient descent."),
    ):
        document, line, character = marked(text)
        uri, _ = server.open(folder, document)
        shown = server.hover(uri, line, character)
        assert shown.startswith(f"#### {title}\n"), shown
        assert explained in shown
