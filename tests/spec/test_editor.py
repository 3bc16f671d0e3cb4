"""The schema in an editor: what the YAML language server completes, shows and marks with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from spec.documents import SPECS
from spec.language_server import LanguageServer, install

from rnnspec.spec.schema import json_schema, sweep_schema

HEAD = "# yaml-language-server: $schema=rnnspec.schema.json\nrnnspec: 1\n"


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[LanguageServer]:
    with LanguageServer(install(request.config.cache.mkdir("language-server"))) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rnnspec.schema.json").write_text(json.dumps(json_schema()), encoding="utf-8")
    (tmp_path / "rnnspec-sweep.schema.json").write_text(json.dumps(sweep_schema()), encoding="utf-8")
    return tmp_path


def marked(text: str, head: str = HEAD) -> tuple[str, int, int]:
    """Return a document without its mark `|`, and the line and character of the mark."""
    before, after = (head + text).split("|")
    return before + after, before.count("\n"), len(before.rpartition("\n")[2])


def proposals(server: LanguageServer, folder: Path, text: str, head: str = HEAD) -> dict[str, str]:
    document, line, character = marked(text, head)
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


SWEEP = HEAD.replace("rnnspec.schema", "rnnspec-sweep.schema") + "sweep: s\nspecs: [go.yaml]\n"


def test_a_shipped_sweep_has_no_mistakes(server: LanguageServer, folder: Path) -> None:
    for name in ("table1", "table2"):
        text = (SPECS / "paper" / f"{name}.yaml").read_text(encoding="utf-8")
        assert server.open(folder, text.replace("../", ""))[1] == []


def test_mistakes_in_a_sweep_are_marked_where_they_are(server: LanguageServer, folder: Path) -> None:
    text = SWEEP + (
        "methods:\n  CD10: cd10\n  DASC-40: []\n  SCTT: {overlays: []}\n"
        "settings:\n  training.seed: 3\n  training.batch: {for: CD10}\n"
        "set: [training.networks=3]\ntable:\n  value: accuracy\n"
    )
    lines = text.splitlines()
    shown = []
    for problem in server.open(folder, text)[1]:
        start, end = problem["range"]["start"], problem["range"]["end"]
        shown.append((lines[start["line"]][start["character"] : end["character"]], problem["message"]))
    kinds = "Incorrect type. Expected one of array, object."
    words = '"iterations", "performance", "above", "seconds", "operations"'
    assert sorted(shown) == [
        ("3", kinds),
        ("DASC-40", "expected a name: letters, digits and underscores, starting with a letter"),
        ("[training.networks=3]", 'Incorrect type. Expected "object(rnnspec sweep, version 1)".'),
        ("accuracy", f"Value is not accepted. Valid values: {words}."),
        ("cd10", kinds),
        ("overlays", "Property overlays is not allowed."),
        ("training.batch", 'Missing property "values".'),
    ]


def test_a_sweep_is_completed_and_explained(server: LanguageServer, folder: Path) -> None:
    assert {"methods", "settings", "set", "table", "summary"} <= proposals(server, folder, "|", SWEEP).keys()
    found = proposals(server, folder, "methods:\n  DASC40:\n    |", SWEEP)
    assert found["with"] == "Overlays, in order: names of methods, or paths from this file."
    found = proposals(server, folder, "settings:\n  training.seed:\n    |", SWEEP)
    assert found.keys() >= {"for", "values"}
    found = proposals(server, folder, "table:\n  value: |", SWEEP)
    assert found["seconds"] == "seconds of training"
    document, line, character = marked("table: {|best: least}", SWEEP)
    uri, _ = server.open(folder, document)
    assert "Of several units in one cell" in server.hover(uri, line, character)
