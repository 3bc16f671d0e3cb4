"""The catalogue of diagnostics: what every code means, why it matters, a bad and a good example.

The texts live in `rules.toml`, one table a code:

    title      a few words
    severity   "error" or "warning"
    why        two to four sentences: what it means for the experiment, and what to do
    bad, good  two short examples, alike but for the mistake
    form       what the examples are; absent, they are overlays (see Form)

Examples are applied to one minimal complete spec, the table `[minimal]`, as a user would apply them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, cast

from rnnspec.diagnostics import Severity

#: overlay: a YAML text given with `--with`.  set: the argument of one `--set`.  path: the path of the spec
#: on the command line.  latin-1: an overlay, the bad one saved in that encoding instead of UTF-8.
Form = Literal["overlay", "set", "path", "latin-1"]


@dataclass(frozen=True)
class Rule:
    """What one code means.  bad yields exactly this diagnostic, good yields none."""

    code: str
    title: str
    severity: Severity
    why: str
    bad: str
    good: str
    form: Form


def rule(code: str) -> Rule:
    """Return the rule of a code such as `RS204`; KeyError if there is none."""
    return _load()[1][code]


def rules() -> tuple[Rule, ...]:
    """Return all rules in the order of their codes."""
    return tuple(_load()[1].values())


def minimal() -> str:
    """Return the small, complete spec that the examples are applied to."""
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
        )
        for code, table in sorted(tables.items())
    }
    return spec, found
