"""Sweeps with mistakes, as people make them: each message says what to write.

`wrong_sweeps.txt` has the sweeps and the messages.  After a wording has changed on purpose:
`python -m tests.sweeps.test_wrong_sweeps --rewrite`, and read the difference.
"""

from __future__ import annotations

import contextlib
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnspec.catalogue import minimal, rules
from rnnspec.diagnostics import Diagnostic, Problems, render_text
from rnnspec.spec.sweep import MAX_UNITS
from rnnspec.sweeps.plan import examine_sweep

WRONG = Path(__file__).parent / "wrong_sweeps.txt"
HEAD = "rnnspec: 1\nsweep: s\nspecs: [a.yaml, b.yaml]\n"


def prepare(folder: Path) -> None:
    """Write two specs, the method `sctt`, and a folder."""
    (folder / "methods").mkdir()
    (folder / "lab").mkdir()
    (folder / "a.yaml").write_text(minimal(), encoding="utf-8")
    (folder / "b.yaml").write_text(minimal().replace("name: minimal", "name: other"), encoding="utf-8")
    overlay = "rnnspec: 1\nskips: {edges: {regular: {kind: sctt, every: 5 steps}}}\n"
    (folder / "methods" / "sctt.yaml").write_text(overlay, encoding="utf-8")


@contextlib.contextmanager
def folder() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as path, contextlib.chdir(path):
        prepare(Path(path))
        yield


def cases() -> list[tuple[str, str]]:
    """Return each sweep with its messages.  In the file, most sweeps have only their last lines."""
    blocks = WRONG.read_text(encoding="utf-8").split("\n\n")
    found = [re.split(r"^(?==>)", block.strip("\n"), maxsplit=1, flags=re.MULTILINE) for block in blocks]
    return [(block[0], "".join(block[1:])) for block in found]


def found_in(text: str, settings: tuple[str, ...] = ()) -> tuple[Diagnostic, ...]:
    Path("sweep.yaml").write_text(text, encoding="utf-8")
    problems = Problems()
    examine_sweep("sweep.yaml", settings, problems)
    return problems.sorted()


def messages(sweep: str) -> str:
    """Return the messages about a sweep, a line each: place, code, what was found; expected; help."""
    head = "" if re.search("^(rnnspec|sweep):", sweep) else "rnnspec: 1\nsweep: s\n"
    head += "" if head == "" or "specs:" in sweep else "specs: [a.yaml, b.yaml]\n"
    lines = []
    for d in found_in(f"{head}{sweep}"):
        file = "" if d.span.source.name == "sweep.yaml" else f"{d.span.source.name}:"
        above = head.count("\n") if not file else 0
        words = [d.message, f"expected {d.expected}" if d.expected else "", d.help]
        place = f"{file}{d.span.line - above}:{d.span.column}"
        lines.append(f"=> {place} {d.code} {'; '.join(word for word in words if word)}")
    return "\n".join(lines)


@pytest.mark.parametrize(("sweep", "said"), cases())
def test_a_wrong_sweep_is_told_what_to_write(sweep: str, said: str) -> None:
    with folder():
        assert messages(sweep) == said


def test_paths_are_relative() -> None:
    with folder():
        (problem,) = found_in(f"rnnspec: 1\nsweep: s\nspecs: ['{Path.cwd()}/a.yaml']\n")
        Path("lab/sweep.yaml").write_text("rnnspec: 1\nsweep: s\nspecs: [a.yaml]\n", encoding="utf-8")
        examine_sweep("lab/sweep.yaml", (), problems := Problems())
    assert problem.message == "the path in 'specs' must be relative to this file"
    assert problem.help == "write 'a.yaml'"
    assert problems.found[0].help == "write '../a.yaml': paths are relative to this file"


def test_a_sweep_has_a_limit() -> None:
    values = ", ".join(map(str, range(1, 500)))
    with folder():
        (problem,) = found_in(f"{HEAD}settings: {{training.seed: [{values}], training.batch: [{values}]}}\n")
    assert (problem.code, problem.message) == ("RS013", f"this sweep has more than {MAX_UNITS:,} units")


def test_a_setting_of_the_command_line_replaces_no_grid() -> None:
    grid = f"{HEAD}settings: {{training.seed: [0, 1]}}\n"
    with folder():
        (problem,) = found_in(grid, ("training.seed=3",))
        assert not found_in(grid, ("training.networks=3",))
    assert (problem.code, problem.span.source.name) == ("RS502", "--set")
    assert problem.help == "leave it out; '--only training.seed=0' trains some of the units"


def test_a_problem_is_reported_once_with_the_units_that_have_it() -> None:
    sweep = (
        f"{HEAD}methods: {{x: [], y: [sctt]}}\nsettings: {{training.clip: [-1, 2]}}\ntable: {{best: most}}\n"
    )
    with folder():
        (one,) = found_in(sweep)
        # All units of a spec have it: nothing is said about units.
        Path("b.yaml").write_text(minimal().replace("cue: 1", "cue: 2 * zue"), encoding="utf-8")
        (other,) = found_in(sweep.replace("-1", "1"))
    assert one.message == "'clip' is -1 (in 4 units, such as a-x-clip__1)"
    assert (other.span.source.name, other.message) == ("b.yaml", "'zue' is not defined here")


def test_comments_silence_warnings() -> None:
    sweep = (
        f"{HEAD}set: {{training.seed: 3}}  # rnnspec: ignore[RS505]\nsettings: {{training.seed: [0, 1]}}\n"
    )
    with folder():
        assert not found_in(sweep)
        (problem,) = found_in(sweep.replace("seed: 3", "batch: 3"))
    assert problem.code == "RS022"


# --- changed at random -------------------------------------------------------------------------------

WHOLE = """\
rnnspec: 1
sweep: whole
summary: All keys.
specs: [a.yaml, b.yaml]
methods:
  control: []
  SCTT: {with: [sctt], set: {training.clip: 1.0}}
settings:
  skips.beta.from: {for: [SCTT, a], values: [0.2, 0.5]}
  training.seed: [0, 1]
set: {training.networks: 2, network.noise: null}
table: {rows: method, columns: spec, value: above, best: most, criterion: 0.9}
"""
PARTS = re.compile(r"[\w./-]+|[\[\]{}:,\n]")
OTHERS = (
    *(
        "",
        "null",
        "[]",
        "{}",
        "-1",
        "1e9",
        "x",
        "a",
        "spec",
        "training",
        "skips.edges",
        "[[1]]",
        "{a: 1}",
        ":",
    ),
    *("../x.yaml", "sctt", "network.dt", "task.epochs.stimulus", "{kind: sctt}", "true", "'a b'", "5 steps"),
)


@pytest.mark.parametrize("part", range(4))
def test_whatever_is_wrong_the_answer_is_a_diagnostic(part: int) -> None:
    source, codes = random.Random(part), {rule.code for rule in rules()}
    with folder():
        assert {d.code for d in found_in(WHOLE)} == {"RS018"}
        for _ in range(60):
            text = WHOLE
            for _ in range(source.choice([1, 1, 2, 3])):
                places = list(PARTS.finditer(text))
                place = source.choice(places)
                new = source.choice([*OTHERS, source.choice(places)[0]])
                text = text[: place.start()] + new + text[place.end() :]
            try:
                found = found_in(text)
                render_text(found)
                assert {d.code for d in found} <= codes
                assert all(d.message and d.span.source.is_file for d in found)
            except Exception as error:
                raise AssertionError(f"{type(error).__name__}: {error}\n\n{text}") from error


def rewrite() -> None:
    with folder():
        blocks = [f"{sweep.strip()}\n{messages(sweep)}\n" for sweep, _ in cases()]
    WRONG.write_text("\n".join(blocks), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--rewrite"]:
    rewrite()
