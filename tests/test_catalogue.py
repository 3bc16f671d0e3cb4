"""Every rule against its own bad and good example, with place and wording.

After a wording has changed on purpose: `python -m tests.test_catalogue --rewrite`, and read the difference.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rnnspec.catalogue import Rule, minimal, rule, rules
from rnnspec.check.examine import examine
from rnnspec.diagnostics import Diagnostic, Problems, render_text
from rnnspec.sweeps.plan import examine_sweep
from rnnspec.syntax.compose import compose

ROOT = Path(__file__).parent.parent
EXPECTED = Path(__file__).parent / "catalogue_expected.txt"
CODE = re.compile(r"\bRS\d{3}\b")


def diagnose(rule: Rule, example: str) -> tuple[Diagnostic, ...]:
    """Return what is found when an example is used as its form says, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("minimal.yaml").write_text(minimal(), encoding="utf-8")
        spec, overlays, settings = "minimal.yaml", [], []
        match rule.form:
            case "overlay" | "latin-1":
                old_encoding = rule.form == "latin-1" and example is rule.bad
                Path("overlay.yaml").write_text(example, encoding="latin-1" if old_encoding else "utf-8")
                overlays = ["overlay.yaml"]
            case "set":
                settings = [example]
            case "path":
                spec = example
            case "document":
                Path("minimal.yaml").write_text(f"{minimal()}{example.lstrip()}", encoding="utf-8")
        problems = Problems()
        if rule.form == "sweep":
            Path("sweep.yaml").write_text(example, encoding="utf-8")
            examine_sweep("sweep.yaml", (), problems)
            return problems.sorted()
        document = compose(spec, overlays, settings, problems=problems)
        if document is not None and not problems.failed:
            examine(document, problems)
        return problems.sorted()


def expected() -> dict[str, str]:
    """Return the pinned diagnostics by code."""
    blocks = re.split(r"^=== (RS\d{3})\n", EXPECTED.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {code: text.strip("\n") for code, text in zip(blocks[1::2], blocks[2::2], strict=True)}


def sources() -> Iterator[Path]:
    yield from (ROOT / "rnnspec").rglob("*.py")


codes = pytest.mark.parametrize("code", [r.code for r in rules()])


@codes
def test_the_bad_example_is_diagnosed(code: str) -> None:
    found = diagnose(rule(code), rule(code).bad)
    assert {(d.code, d.severity) for d in found} == {(code, rule(code).severity)}, render_text(found)
    assert len(found) == 1


@codes
def test_the_diagnosis_is_worded_as_pinned(code: str) -> None:
    assert render_text(diagnose(rule(code), rule(code).bad)) == expected()[code]


@codes
def test_the_good_example_is_not(code: str) -> None:
    found = diagnose(rule(code), rule(code).good)
    assert not found, render_text(found)


@codes
def test_the_words_are_in_order(code: str) -> None:
    found = rule(code)
    assert found.severity in ("error", "warning")
    assert found.title[0].islower() or found.title.startswith("--")
    assert not found.title.endswith(".")
    assert found.why.endswith(".")
    assert 2 <= len(re.findall(r"[.:?](?= |$)", found.why)) <= 6
    assert found.bad != found.good
    assert max(map(len, found.bad.splitlines() + found.good.splitlines())) <= 150


def test_the_minimal_spec_is_clean() -> None:
    overlay = Rule("", "", "error", "", "", "rnnspec: 1\n", "overlay")
    assert diagnose(overlay, overlay.good) == ()


def test_pinned_diagnostics_are_those_of_the_rules() -> None:
    assert list(expected()) == [r.code for r in rules()]


def test_every_code_of_the_program_is_in_the_catalogue_and_the_other_way_round() -> None:
    used = {code for path in sources() for code in CODE.findall(path.read_text(encoding="utf-8"))}
    assert used == {r.code for r in rules()}


def test_every_diagnostic_has_the_severity_of_its_rule() -> None:
    # Removing what is not there is no error, but the same slip of the hand.
    milder = {("warning", "RS018")}
    call = re.compile(r"problems\.(error|warning)\(\s*\"(RS\d{3})\"")
    for path in sources():
        for severity, code in call.findall(path.read_text(encoding="utf-8")):
            assert rule(code).severity == severity or (severity, code) in milder, f"{code} in {path}"


def test_an_unknown_code_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        rule("RS999")


def test_rules_do_not_change() -> None:
    first: Any = rules()[0]
    with pytest.raises(AttributeError):
        first.code = "RS999"
    assert replace(first, code="RS999") not in rules()


def rewrite() -> None:
    blocks = [f"=== {r.code}\n{render_text(diagnose(r, r.bad))}\n" for r in rules()]
    EXPECTED.write_text("\n".join(blocks), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--rewrite"]:
    rewrite()
