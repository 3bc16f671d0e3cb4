"""Documents for the tests of the spec room, and their diagnostics in one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rnnspec.diagnostics import Diagnostic, Problems, Source, Span
from rnnspec.spec.document import Spec, validate
from rnnspec.syntax.compose import Document, compose_text
from rnnspec.syntax.tree import Entry, Mapping, Node, Scalar, Sequence

SPECS = Path(__file__).parents[2] / "specs"

MINIMAL = """\
rnnspec: 1
name: minimal
network:
  dt: 5 ms
  populations: {all: {size: 10, tau: 100 ms}}
  outputs: {choice: {}}
task:
  epochs:
    fixation: {duration: 500 ms, target: {choice: 0}}
"""

#: Every key of the language at least once.
EVERYTHING = """\
rnnspec: 1
name: everything
label: all
summary: Uses every key.
network:
  dt: 5 ms
  populations:
    exc: {size: 8, tau: 100 ms, sign: excitatory}
    inh: {size: 2, tau: 0.05 s, sign: inhibitory}
  activation: {kind: power, exponent: 2}
  noise: {kind: ou, scale: 0.1, tau: 100 ms}
  inputs:
    cue: {to: exc}
    direction: {to: [exc, inh], ring: 16}
  outputs:
    choice: {from: exc, size: 2, activation: softmax, bias: true}
    rate: {from: [exc, inh], ring: 8, activation: {kind: leaky_relu, slope: 0.1}}
  weights:
    w_rec: spectral(normal(0, 1/units), 0.9)
    w_in: uniform(-1, 1)
    w_out: orthogonal(1)
    bias: zeros
  connections:
    exc -> inh: {init: "gamma(2, 0.1)", density: 0.5, trainable: false, sign: excitatory, self: true}
    inh -> inh: none
  dale: abs
task:
  trials: 2
  burn_in: 1 s
  sequence:
    rule: {balanced: [[1, 2], [2, 1]]}
    side: [0, 1]
    offset: uniform(0, 1)
  draw: {angle: "uniform(0, 2*pi)", wait: "exponential(0.5, 0.1, 2)"}
  input: {cue: true}
  target: {choice: onehot(side)}
  correct: argmax(choice) == side
  phase: hold
  epochs:
    wait:
      duration: 300 ms + wait
      jitter: 100 ms
      grace: 50 ms
      gradient: false
      phase: before
      input: none
      target: none
      weight: 1 + t
      correct: none
    respond:
      duration: 40 steps
      input: {cue: none, direction: ring(angle)}
      target: {choice: none}
      read: {answered: argmax(choice)}
  success: answered == side
  scored: true
skips:
  beta: {from: 0.2, increments: 5, over: 20000 iterations}
  edges:
    regular: {kind: dasc, increment: arriving, every: 40 steps, per: trial}
    strategic: {kind: sctt, from: wait.start, to: trial.end - 100 ms, beta: {from: 0.8, over: 12.5 %}}
coarsening: {from: 10, increments: 10, over: 50 %}
training:
  networks: 3
  batch: 4
  iterations: 50
  optimizer: {kind: adamw, learning_rate: 0.01, betas: [0.8, 0.9], epsilon: 1e-8, weight_decay: 0.1}
  loss: squared_error
  penalty:
    rate_l1: 1e-5
    rate_l2: 1
    w_rec_l1: 0.1
    w_rec_l2: 0.1
    w_in_l1: 0.1
    w_in_l2: 0.1
    w_out_l1: 0.1
    w_out_l2: 0.1
  clip: 1
  stop: {performance: 0.99, trim: 0.1}
  trials: independent
  evaluate: {every: 5, batch: 10}
  seed: 7
"""


def spec_of(text: str) -> Spec:
    """Return the models of a valid, complete text."""
    problems = Problems()
    document = compose_text(text, "spec.yaml", problems)
    assert document is not None
    spec = validate(document, problems)
    assert lines(problems.found) == []
    assert spec is not None
    return spec


def complaints(text: str, *, fragment: bool | None = None) -> list[str]:
    """Return the problems of a text, sorted by place, on one line each."""
    problems = Problems()
    document = compose_text(text, "spec.yaml", problems)
    assert document is not None
    assert problems.found == []
    validate(document, problems, fragment=fragment)
    return lines(problems.sorted())


def complaint(text: str, *, fragment: bool | None = None) -> str:
    """Return the only problem of a text."""
    (found,) = complaints(text, fragment=fragment)
    return found


def lines(diagnostics: Any) -> list[str]:
    """Return `what the caret underlines: code message; expected ...; help` for each diagnostic."""
    return [_line(d) for d in diagnostics]


def document_of(value: dict[str, Any]) -> Document:
    """Return a document of plain values, all of them in one place."""
    span = Span(Source("spec.yaml", "x"), 1, 1, 1, 2)
    tree = _node(value, span)
    assert isinstance(tree, Mapping)
    return Document(tree, "spec.yaml")


def _line(d: Diagnostic) -> str:
    line = d.span.source.lines[d.span.line - 1]
    place = line[d.span.column - 1 : d.span.end_column - 1 if d.span.line == d.span.end_line else None]
    expected = f"; expected {d.expected}" if d.expected else ""
    help = f"; {d.help}" if d.help else ""
    return f"{place}: {d.code} {d.message}{expected}{help}"


def _node(value: Any, span: Span) -> Node:
    if isinstance(value, dict):
        return Mapping({str(key): Entry(span, _node(item, span)) for key, item in value.items()}, span)
    if isinstance(value, list):
        return Sequence(tuple(_node(item, span) for item in value), span)
    return Scalar(value, value if isinstance(value, str) else "", not isinstance(value, str), span)
