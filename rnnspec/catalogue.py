"""The catalogue of diagnostics: what each code means, why it matters, a bad and a good example.

The texts are in `rules.toml`, one table for each code:

    title      a few words
    severity   "error" or "warning"
    why        two to four sentences: what the mistake means for the experiment, and what to do
    bad, good  two short examples that differ only in the mistake
    form       how the examples are given to the program (see Form); default: overlay
    harmless   of an error: true if a comment can silence it, because all else works as written

The examples are applied to a small complete spec, the table `[minimal]`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, cast

from rnnspec.diagnostics import Severity

#: overlay: a file given with `--with`.  set: the argument of one `--set`.  path: the path of the spec on the
#: command line.  latin-1: an overlay; the bad example is saved as Latin-1 instead of UTF-8.  document: the
#: last lines of the spec.  sweep: a sweep, `sweep.yaml`, beside the spec.
Form = Literal["overlay", "set", "path", "latin-1", "document", "sweep"]


@dataclass(frozen=True)
class Rule:
    """What one code means.  `bad` gives exactly this diagnostic, `good` gives none."""

    code: str
    title: str
    severity: Severity
    why: str
    bad: str
    good: str
    form: Form
    harmless: bool = False

    def shown(self, example: str) -> str:
        """Return one of the examples as a user writes it."""
        command_line = {"set": "--set ", "path": "rnnspec validate "}.get(self.form, "")
        return command_line + example.strip()


def rule(code: str) -> Rule:
    """Return the rule of a code such as `RS204`.  Raises KeyError for an unknown code."""
    return _load()[1][code]


def rules() -> tuple[Rule, ...]:
    """Return all rules, sorted by code."""
    return tuple(_load()[1].values())


def minimal() -> str:
    """Return the small complete spec to which the examples are applied."""
    return _load()[0]


@cache
def _load() -> tuple[str, dict[str, Rule]]:
    text = resources.files("rnnspec").joinpath("rules.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    spec = tables.pop("minimal")["spec"]
    found = {
        code: Rule(
            code=code,
            title=table["title"],
            severity=cast(Severity, table["severity"]),
            why=" ".join(table["why"].split()),
            bad=table["bad"],
            good=table["good"],
            form=cast(Form, table.get("form", "overlay")),
            harmless=table.get("harmless", False),
        )
        for code, table in sorted(tables.items())
    }
    return spec, found
