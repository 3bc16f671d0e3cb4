"""Shipped specs with a few parts changed at random: whatever is wrong, the answer is a diagnostic.

A thousand documents here; `pytest -m slow tests/test_mutations.py` checks fifty thousand others.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from shipped import ALL, METHODS, SPECS

from rnnspec.catalogue import rules
from rnnspec.check.examine import examine
from rnnspec.cli.formats import github, json, junit, sarif
from rnnspec.cli.formats.report import CheckedSpec, Report
from rnnspec.diagnostics import Diagnostic, Problems, render_text
from rnnspec.program.functions import CALLABLE
from rnnspec.program.printer import print_program
from rnnspec.syntax.compose import compose, compose_text, dump

Path = tuple[str | int, ...]

CODES = {rule.code for rule in rules()}

#: Values that people write, by mistake or not, with the extremes of each kind.
VALUES: tuple[object, ...] = (
    *(0, 1, -1, 2, 3, 7, 100, 10**9, 2**40, 0.5, -0.5, 1e-9, 1e30, 0.1, True, False),
    *(
        "0 ms",
        "1000 s",
        "1e-9 us",
        "1 steps",
        "40 steps",
        "-5 ms",
        "500",
        "5 parsecs",
        "50 %",
        "1 iterations",
    ),
    *("none", "relu", "softmax", "excitatory", "sctt", "dasc", "ou", "trial", "x", "", "a b", "Adam"),
    *("normal(0, 1)", "zeros", "identity(1)", "spectral(normal(0, 1), 0.9)", "uniform(0, 1)", "gamma(1, 0)"),
    *("t", "pi", "1 / 0", "log(-1)", "2 ** 60", "white(0.1)", "ring(pi)", "onehot(3)", "argmax(saccade)"),
    *("previous(direction, 0)", "normal(0.5, 0.1)", "integer(0, 9) % 4", "exp(1000)", "x +", "(", "w.npy"),
    *([], {}, [1, 2], {"kind": "dasc"}, {"from": 0}, {"from": 1e9}, {"balanced": [[1], [2]]}, {"ring": 2}),
)

TIMES = ("1 us", "5 ms", "10 ms", "100 ms", "300 ms", "1 s", "3 min", "1e9 s", "2 steps", "3000 steps")
EVENTS = ("trial.start", "trial.end", "trial.end - 1 s", "trial.start + 10 s", "pause.start", "pause.end")

TIME = re.compile(r"[\d.e+-]+ (us|ms|s|min|steps)|\w+\.(start|end).*")

FACTORS = (0, -1, 0.001, 0.1, 0.5, 3, 60, 1000, 10**9)

#: What the shipped specs do not have.
MORE = (
    "skips.edges.far={kind: dasc, from: trial.start, to: trial.end - 100 ms, beta: {from: 0.8}}",
    "skips.edges.often={kind: dasc, every: 400 steps, per: sequence, increment: arriving}",
    "task.draw.wait=exponential(0.3, 0.1, 1.0)",
    "task.epochs.pause={duration: 200 ms + wait, before: LAST, weight: 'where(t < 0.1, 2, 1)'}",
)


@cache
def whole() -> tuple[Any, ...]:
    """Return the shipped specs, each with one of the methods, as resolved documents."""
    found = []
    for number, name in enumerate(ALL):
        method = SPECS / "methods" / f"{METHODS[number % len(METHODS)]}.yaml"
        last = "respond" if name == "rule_reversal" else "response"
        settings = [setting.replace("LAST", last) for setting in MORE]
        problems = Problems()
        document = compose(SPECS / f"{name}.yaml", [method], settings, problems=problems)
        assert document is not None
        assert examine(document, problems) is not None, render_text(problems.found)
        found.append(document.value)
    return tuple(found)


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def twisted(source: random.Random, text: str) -> str:
    """Return an expression, a time or a word with one part changed."""
    words = list(re.finditer(r"[A-Za-z_]\w*|\d+(\.\d+)?|[-+*/%<>=(),]+", text))
    if not words:
        return "x"
    word = source.choice(words)
    if word[0][0].isdigit():
        return text[: word.start()] + f"{float(word[0]) * source.choice(FACTORS):.6g}" + text[word.end() :]
    match source.randrange(5):
        case 0:
            new = source.choice([*CALLABLE, "direction", "saccade", "t", "0", "-1", "1e6", "steps", "ms"])
        case 1:
            new = ""
        case 2:
            letters = list(word[0])
            source.shuffle(letters)
            new = "".join(letters)
        case 3:
            new = source.choice(words)[0]
        case _:
            new = word[0] * 2
    return text[: word.start()] + new + text[word.end() :]


def mutate(source: random.Random, document: Any, others: tuple[Any, ...]) -> None:
    """Change one part of a document: a value, a key, or an order."""
    paths = list(places(document))
    # Each section as often as the others, for skips are short and the task is long.
    section = source.choice(list(document))
    path = source.choice([p for p in paths if p[0] == section])
    times = [p for p in paths if isinstance(text := at(document, p), str) and TIME.fullmatch(text)]
    if times and source.random() < 0.3:
        path = source.choice(times)
        texts = EVENTS if path[-1] in ("from", "to") else TIMES
        at(document, path[:-1])[path[-1]] = source.choice(texts)
        return
    parent, key = at(document, path[:-1]), path[-1]
    match source.randrange(9):
        case 0:
            parent[key] = copied(source.choice(VALUES))
        case 1 if len(document) > 1:
            del parent[key]
        case 2 | 3 if isinstance(parent[key], str):
            parent[key] = twisted(source, parent[key])
        case 2 | 3 if isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
            parent[key] = parent[key] * source.choice(FACTORS)
        case 4 if isinstance(parent, dict):
            # Another key of the document, or this one with two letters swapped.
            name = source.choice([str(source.choice(paths)[-1]), str(key)[1:2] + str(key)[:1] + str(key)[2:]])
            entries = [(name if k == key else k, v) for k, v in parent.items()]
            parent.clear()
            parent.update(entries)
        case 5:
            # The value of another place, of this or another spec.
            other = source.choice([document, source.choice(others)])
            parent[key] = copied(at(other, source.choice(list(places(other)))))
        case 6:
            # The value of the same key elsewhere.
            same = [p for p in paths if p[-1] == key and p != path]
            parent[key] = copied(at(document, source.choice(same))) if same else "5 ms"
        case 7:
            mapping = at(
                document, source.choice([p for p in [(), *paths] if isinstance(at(document, p), dict)])
            )
            mapping[source.choice([str(key), "extra"])] = copied(parent[key])
        case _:
            if isinstance(parent, dict):
                entries = list(parent.items())
                source.shuffle(entries)
                parent.clear()
                parent.update(entries)
            else:
                parent.append(copied(source.choice(VALUES)))


def answer(text: str) -> tuple[Diagnostic, ...]:
    """Return what is said of a document; AssertionError if a program has errors, or none has no error."""
    problems = Problems()
    document = compose_text(text, "spec.yaml", problems)
    program = None if document is None else examine(document, problems)
    if program is not None:
        assert not problems.failed
        print_program(program)
    else:
        assert problems.failed or (document is not None and "name" not in document.value)
    return problems.sorted()


def check(source: random.Random) -> None:
    document = copied(source.choice(whole()))
    for _ in range(source.choice([1, 1, 2, 3])):
        mutate(source, document, whole())
    text = dump(document)
    try:
        found = answer(text)
        render_text(found)
        for form in (github, json, junit, sarif):
            form.render(Report((CheckedSpec("spec.yaml", found),)))
        assert {d.code for d in found} <= CODES
        assert all(d.message and d.span.source.name == "spec.yaml" for d in found)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}\n\n{text}") from error


@pytest.mark.parametrize("part", range(10))
def test_a_thousand_documents(part: int) -> None:
    source = random.Random(part)
    for _ in range(100):
        check(source)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(100, 150))
def test_fifty_thousand_documents(part: int) -> None:
    source = random.Random(part)
    for _ in range(1000):
        check(source)
